# A worker dies in the middle of a task: the one whose host has /data/hang. The task is given to
# another worker and repeated from its start.
# prelude: none
# %%
write("data/in.txt", "in\n")
manager = open_manager()
# %%
cell = execution()
HANG = "if [ -e /data/hang ]; then : > /data/hanging; sleep 100; fi"
tasks = []
for n in range(6):
    task = vine.Task(f"cp in.txt partial.txt; {HANG}; sleep 0.5; mv partial.txt whole.txt; {SAY}")
    task.add_input(manager.declare_file("data/in.txt"), "in.txt")
    task.add_output(manager.declare_file(f"results/whole-{n}.txt"), "whole.txt")
    task.set_cores(1)
    manager.submit(task)
    tasks.append(task)
for n, task in enumerate(finish(manager, tasks)):
    assert read(f"results/whole-{n}.txt") == "in\n"
    tell(
        task,
        "Task",
        cell,
        where_said(task.output),
        [["in.txt", "data/in.txt"]],
        [["partial.txt", None], ["whole.txt", f"results/whole-{n}.txt"]],
    )
