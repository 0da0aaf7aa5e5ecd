# Tasks that TaskVine makes of sequences. `map` of 7.14.5 runs the function on the manager, in the
# cell; `pair` and `tree_reduce` run it on workers.
# prelude: none
# %%
for n in range(3):
    write(f"data/{n}.txt", f"{n}\n")
manager = open_manager()


def tell_each(found, kind, cell, function):
    """Print the truth of tasks whose ids only their sandboxes tell."""
    for where in {each["sandbox"]: each for each in found}.values():
        number = int(where["sandbox"].rpartition(".")[2])
        reads = [["/data/calibration.txt", None]]
        task = type("Named", (), {"id": number})
        place = {"host": where["host"], "sandbox": where["sandbox"]}
        more = {"undeclared": ["/data/calibration.txt"], "function": function}
        tell(task, kind, cell, place, reads, **more)


def look(*arguments):
    import os
    import socket

    with open("/data/calibration.txt") as file:
        file.read()
    return {"host": socket.gethostname(), "sandbox": os.getcwd()}


# %%
cell = execution()
names = [os.path.abspath(f"data/{n}.txt") for n in range(3)]
assert manager.map(read, names) == ["0\n", "1\n", "2\n"]
print("@cell", json.dumps({"execution": cell, "reads": names}))
# %%
cell = execution()
pairs = manager.pair(look, [1, 2], [3], chunksize=1)
tell_each(pairs, "PythonTask", cell, "Manager.pair.<locals>.fpairs(look)")
# %%
cell = execution()
tell_each([manager.tree_reduce(look, [1, 2], chunksize=2)], "PythonTask", cell, "look")
