# What each worker has under /data was never declared, and differs between them; one input is
# declared and never read.
# prelude: none
# %%
write("data/used.txt", "used\n")
write("data/unused.txt", "unused\n")
manager = open_manager()
# %%
cell = execution()
tasks = []
for n in range(6):
    task = vine.Task(f"sleep 0.5; cat used.txt /data/calibration.txt > both.txt; {SAY}")
    task.add_input(manager.declare_file("data/used.txt"), "used.txt")
    task.add_input(manager.declare_file("data/unused.txt"), "unused.txt")
    task.add_output(manager.declare_file(f"results/both-{n}.txt"), "both.txt")
    task.set_cores(1)
    manager.submit(task)
    tasks.append(task)
for n, task in enumerate(finish(manager, tasks)):
    where = where_said(task.output)
    assert read(f"results/both-{n}.txt") == f"used\ncalibration of {where['host']}\n"
    tell(
        task,
        "Task",
        cell,
        where,
        [["used.txt", "data/used.txt"], ["/data/calibration.txt", None]],
        [["both.txt", f"results/both-{n}.txt"]],
        undeclared=["/data/calibration.txt"],
        unused=[os.path.join(where["sandbox"], "unused.txt")],
    )
