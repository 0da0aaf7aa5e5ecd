# 1,000 tasks of a few milliseconds, all of which read one file.
# prelude: none
# %%
write("data/shared.txt", "shared\n")
manager = open_manager()
# %%
cell = execution()
shared = manager.declare_file("data/shared.txt")
tasks = []
for n in range(1000):
    # What the shell can do alone: no other program.
    say = "read host < /proc/sys/kernel/hostname; echo; echo $host $PWD"
    task = vine.Task(f"read word < shared.txt; echo {n} $word; {say}")
    task.add_input(shared, "shared.txt")
    task.set_cores(1)
    manager.submit(task)
    tasks.append(task)
started = time.monotonic()
done = finish(manager, tasks, limit_s=400)
print("@cell", json.dumps({"execution": cell, "seconds": time.monotonic() - started}))
for n, task in enumerate(done):
    assert task.output.startswith(f"{n} shared\n"), task.output
    tell(task, "Task", cell, where_said(task.output), [["shared.txt", "data/shared.txt"]])
