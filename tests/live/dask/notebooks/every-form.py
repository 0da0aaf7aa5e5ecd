# Every form in which Dask takes work, on five worker processes. Each task leaves its own truth
# in a file of its own, below truth/, which is one of its writes.
# %%
import json
import os
import time
import uuid

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster, get_client, get_worker

FOLDER = os.getcwd()


def tell(form, reads, writes):
    """Leave the truth of the running task."""
    worker = get_worker()
    told = os.path.join(FOLDER, "truth", f"{uuid.uuid4().hex}.json")
    truth = {
        "form": form,
        "task": str(worker.get_current_task()),
        "address": worker.address,
        "pid": os.getpid(),
        "reads": [os.path.join(FOLDER, path) for path in reads],
        "writes": [told, *[os.path.join(FOLDER, path) for path in writes]],
    }
    with open(told, "w") as file:
        json.dump(truth, file)


def double(form, number, shared="in/shared.txt"):
    """Read two files and write one."""
    time.sleep(0.05)
    with open(f"in/{number}.txt") as one, open(shared) as other:
        total = 2 * int(one.read()) + int(other.read())
    with open(f"out/{form}-{number}.txt", "w") as file:
        file.write(str(total))
    tell(form, [f"in/{number}.txt", shared], [f"out/{form}-{number}.txt"])
    return total


def inputs(number):
    """Read one file and write none."""
    with open(f"in/{number}.txt") as file:
        return int(file.read())


# %%
for folder in ("in", "out", "truth"):
    os.mkdir(folder)
for number in range(10):
    with open(f"in/{number}.txt", "w") as file:
        file.write(str(number))
with open("in/shared.txt", "w") as file:
    file.write("100")
# %%
cluster = os.environ.get("SCHEDULER") or LocalCluster(
    n_workers=5, threads_per_worker=1, processes=True, dashboard_address=None
)
client = Client(cluster)
client.wait_for_workers(5, timeout=120)
# %% [submit]
futures = [client.submit(double, "submit", number, pure=False) for number in range(5)]
# %% [later]
assert client.gather(futures) == [100 + 2 * number for number in range(5)]
# %% [map]
assert sum(client.gather(client.map(double, ["map"] * 10, range(10)))) == 1090


# %% [delayed]
def join(form, totals):
    """Read what other tasks wrote."""
    paths = [f"out/{form}-{number}.txt" for number in range(len(totals))]
    found = []
    for path in paths:
        with open(path) as file:
            found.append(int(file.read()))
    with open(f"out/{form}.txt", "w") as file:
        file.write(str(sum(found)))
    tell(form, paths, [f"out/{form}.txt"])
    return found == totals


totals = [dask.delayed(double)("delayed", number) for number in range(5)]
assert dask.delayed(join)("delayed", totals).compute()
# %% [bag]
bag = db.from_sequence(range(10), npartitions=5).map(lambda number: double("bag", number))
assert bag.sum().compute() == 1090


# %% [array]
def load(block_id):
    """Make one block of an array of a file."""
    value = inputs(block_id[0])
    tell("array", [f"in/{block_id[0]}.txt"], [])
    return np.full(3, float(value))


def keep(block, block_id):
    """Write one block of an array to a file."""
    path = f"out/array-{block_id[0]}.npy"
    np.save(path, block)
    tell("array", [], [path])
    return block


loaded = da.map_blocks(load, chunks=((3,) * 5,), dtype=float, meta=np.empty(0))
assert float(da.map_blocks(keep, loaded + 1, dtype=float, meta=np.empty(0)).sum().compute()) == 45


# %% [dataframe]
def frame(number):
    """Make one partition of a frame of a file."""
    value = inputs(number)
    tell("dataframe", [f"in/{number}.txt"], [])
    return pd.DataFrame({"group": ["a", "b"], "value": [value, value]})


frames = dd.from_map(frame, range(5), meta=pd.DataFrame({"group": ["a"], "value": [1]}))
sums = frames.groupby("group")["value"].sum().compute()
assert sums.to_dict() == {"a": 10, "b": 10}


# %% [nested]
def split(number):
    """Send another task from within a task."""
    future = get_client().submit(double, "nested", number, pure=False)
    total = future.result()
    tell("nested", [], [])
    return total


assert client.submit(split, 7, pure=False).result() == 114


# %% [failed]
def fail():
    """Read a file and fail."""
    inputs(3)
    tell("failed", ["in/3.txt"], [])
    raise ValueError("on purpose")


failing = client.submit(fail, pure=False)
assert failing.exception() is not None


# %% [coroutine]
async def wait():
    """Share the event loop's thread with whatever else happens on the worker."""
    return 1


assert client.submit(wait, pure=False).result() == 1
# %% [alone]
with open("out/map-3.txt") as one, open("out/alone.txt", "w") as other:
    other.write(one.read())
# %%
client.close()
if not isinstance(cluster, str):
    cluster.close()
