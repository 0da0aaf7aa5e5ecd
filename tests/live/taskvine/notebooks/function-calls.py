# Functions of a library that stays on the workers: forked per call. One core is one call at a
# time; calls are submitted only while nothing else is, as TaskVine 7.14.5 can lose them otherwise.
# prelude: none
# %%
for n in range(6):
    write(f"data/{n}.txt", f"{n}\n")
manager = open_manager()


def square(name):
    import os
    import socket
    import time

    time.sleep(0.3)
    with open(name) as file:
        number = int(file.read())
    with open("square.txt", "w") as file:
        file.write(str(number * number))
    return {"host": socket.gethostname(), "sandbox": os.getcwd(), "value": number * number}


def negate(number):
    import os
    import socket

    return {"host": socket.gethostname(), "sandbox": os.getcwd(), "value": -number}


# %%
cell = execution()
library = manager.create_library_from_functions("arithmetic", square, negate, add_env=False)
library.set_cores(1)
library.set_function_slots(1)
manager.install_library(library)
print("@library", json.dumps({"cell": cell, "name": "arithmetic"}))
# %%
cell = execution()
calls = []
for n in range(6):
    call = vine.FunctionCall("arithmetic", "square", "number.txt")
    call.add_input(manager.declare_file(f"data/{n}.txt"), "number.txt")
    call.add_output(manager.declare_file(f"results/{n}.txt"), "square.txt")
    manager.submit(call)
    calls.append(call)
for n, call in enumerate(finish(manager, calls)):
    where = call.output
    assert where.pop("value") == n * n == int(read(f"results/{n}.txt"))
    tell(
        call,
        "FunctionCall",
        cell,
        where,
        [["number.txt", f"data/{n}.txt"]],
        [["square.txt", f"results/{n}.txt"]],
        function="square",
        library="arithmetic",
    )
# %%
cell = execution()
calls = [vine.FunctionCall("arithmetic", "negate", n) for n in range(3)]
for call in calls:
    manager.submit(call)
for n, call in enumerate(finish(manager, calls)):
    where = call.output
    assert where.pop("value") == -n
    tell(call, "FunctionCall", cell, where, function="negate", library="arithmetic")
manager.remove_library("arithmetic")
