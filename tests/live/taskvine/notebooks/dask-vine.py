# A graph of Dask's, computed by TaskVine: as tasks, then as calls of a library.
# prelude: none
# %%
import dask

manager = vine.DaskVine(9123)
deadline = time.monotonic() + 90
while manager.stats.workers_connected < 3:
    assert time.monotonic() < deadline
    manager.wait(1)


@dask.delayed
def look(n):
    import os
    import socket
    import time

    time.sleep(0.2)
    with open("/data/calibration.txt") as file:
        file.read()
    return [{"host": socket.gethostname(), "sandbox": os.getcwd(), "reads": 1}]


@dask.delayed
def join(parts):
    import os
    import socket

    where = {"host": socket.gethostname(), "sandbox": os.getcwd(), "reads": 0}
    return [where, *(each for part in parts for each in part)]


def tell_all(found, kind, cell):
    for where in found:
        reads = [["/data/calibration.txt", None]] if where.pop("reads") else []
        task = type("Named", (), {"id": int(where["sandbox"].rpartition(".")[2])})
        function = "look" if reads else "join"
        undeclared = [path for path, _ in reads]
        tell(task, kind, cell, where, reads, undeclared=undeclared, function=function)


# %%
cell = execution()
graph = join([look(n) for n in range(6)])
found = graph.compute(scheduler=manager.get, resources={"cores": 1}, progress_disable=True)
assert len(found) == 7
tell_all(found, "PythonTask", cell)
# %%
cell = execution()
graph = join([look(n) for n in range(6)])
found = graph.compute(
    scheduler=manager.get,
    task_mode="function-calls",
    lib_resources={"cores": 1, "slots": 1},
    progress_disable=True,
)
assert len(found) == 7
tell_all(found, "FunctionCall", cell)
