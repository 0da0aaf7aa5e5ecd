# A library that runs its calls in its own process and moves into their sandboxes; the notebook
# never removes it, so that it still holds the workers' only core at the end.
# prelude: none
# %%
for n in range(6):
    write(f"data/{n}.txt", f"{n}\n")
manager = open_manager()


def double(name):
    import os
    import socket
    import time

    time.sleep(0.3)
    with open(name) as file:
        number = int(file.read())
    with open("double.txt", "w") as file:
        file.write(str(number * 2))
    return {"host": socket.gethostname(), "sandbox": os.getcwd()}


# %%
library = manager.create_library_from_functions(
    "doubling", double, add_env=False, exec_mode="direct"
)
library.set_cores(1)
library.set_function_slots(1)
manager.install_library(library)
# %%
cell = execution()
calls = []
for n in range(6):
    call = vine.FunctionCall("doubling", "double", "number.txt")
    call.add_input(manager.declare_file(f"data/{n}.txt"), "number.txt")
    call.add_output(manager.declare_file(f"results/{n}.txt"), "double.txt")
    manager.submit(call)
    calls.append(call)
for n, call in enumerate(finish(manager, calls)):
    where = call.output
    assert int(read(f"results/{n}.txt")) == 2 * n
    tell(
        call,
        "FunctionCall",
        cell,
        where,
        [["number.txt", f"data/{n}.txt"]],
        [["double.txt", f"results/{n}.txt"]],
        function="double",
        library="doubling",
    )
