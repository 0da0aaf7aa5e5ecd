# Tasks of the executor for futures: with declared files, with results of others as arguments,
# and by its map and reduce.
# prelude: none
# %%
for n in range(4):
    write(f"data/{n}.txt", f"{n}\n" * (n + 1))
executor = vine.FuturesExecutor(port=9123, factory=False)
manager = executor.manager
deadline = time.monotonic() + 90
while manager.stats.workers_connected < 3:
    assert time.monotonic() < deadline
    manager.wait(1)


def count(name, *others):
    import os
    import socket

    with open(name) as file:
        lines = len(file.readlines())
    with open("count.txt", "w") as file:
        file.write(str(lines))
    where = {"host": socket.gethostname(), "sandbox": os.getcwd()}
    return {"where": where, "lines": lines + sum(other["lines"] for other in others)}


def look(n):
    import os
    import socket

    with open("/data/calibration.txt") as file:
        text = file.read()
    return {"where": {"host": socket.gethostname(), "sandbox": os.getcwd()}, "n": n, "text": text}


def submit(n, *others):
    task = executor.future_task(count, "table.csv", *others)
    task.add_input(manager.declare_file(f"data/{n}.txt"), "table.csv")
    task.add_output(manager.declare_file(f"results/{n}.txt"), "count.txt")
    task.set_cores(1)
    return task, executor.submit(task)


def tell_count(n, task, where, cell):
    files = [["table.csv", f"data/{n}.txt"]], [["count.txt", f"results/{n}.txt"]]
    tell(task, "PythonTask", cell, where, *files, function="count")


# %%
cell = execution()
firsts = [submit(n) for n in range(3)]
last, future = submit(3, *(first for _, first in firsts))
assert future.result()["lines"] == 1 + 2 + 3 + 4
for n, (task, first) in enumerate(firsts):
    tell_count(n, task, first.result()["where"], cell)
tell_count(3, last, future.result()["where"], cell)
# %%
cell = execution()
tasks = [executor.future_task(look, n) for n in range(3)]
futures = [executor.submit(task) for task in tasks]
undeclared = ["/data/calibration.txt"]
for task, future in zip(tasks, futures):
    found = future.result()
    reads = [["/data/calibration.txt", None]]
    tell(task, "PythonTask", cell, found["where"], reads, undeclared=undeclared, function="look")
# %%
assert executor.map(abs, [-1, 2, -3]).result() == [1, 2, 3]
assert executor.reduce(max, [4, 9, 2]).result() == 9
