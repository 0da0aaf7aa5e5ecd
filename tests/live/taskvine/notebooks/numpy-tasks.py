# Tasks that each start Python, import numpy and read one file: as many as NUMPY_TASKS says.
# prelude: none
# %%
write("data/shared.txt", "1 2 3\n")
manager = open_manager()
# %%
cell = execution()
shared = manager.declare_file("data/shared.txt")
program = "import numpy; print(int(numpy.loadtxt('shared.txt').sum()))"
tasks = []
for n in range(int(os.environ.get("NUMPY_TASKS", 20))):
    task = vine.Task(f'python3 -c "{program}"; {SAY}')
    task.add_input(shared, "shared.txt")
    task.set_cores(1)
    manager.submit(task)
    tasks.append(task)
started = time.monotonic()
done = finish(manager, tasks, limit_s=1500)
print("@cell", json.dumps({"execution": cell, "seconds": time.monotonic() - started}))
for n, task in enumerate(done):
    assert task.output.startswith("6\n"), task.output
    tell(task, "Task", cell, where_said(task.output), [["shared.txt", "data/shared.txt"]])
