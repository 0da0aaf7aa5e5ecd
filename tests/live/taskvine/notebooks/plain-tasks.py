# Tasks of three kinds without surprises: shell commands, Python functions, a chain through a
# temporary file that never comes to the manager.
# prelude: none
# %%

for n in range(6):
    write(f"data/{n}.txt", f"line {n}\n" * (n + 1))
manager = open_manager()
# %%
cell = execution()
tasks = []
for n in range(6):
    task = vine.Task(f"sleep 0.3; tr a-z A-Z < in.txt > out.txt; {SAY}")
    task.add_input(manager.declare_file(f"data/{n}.txt"), "in.txt")
    task.add_output(manager.declare_file(f"results/{n}.txt"), "out.txt")
    task.set_cores(1)
    manager.submit(task)
    tasks.append(task)
for n, task in enumerate(finish(manager, tasks)):
    assert read(f"results/{n}.txt") == f"LINE {n}\n" * (n + 1)
    tell(
        task,
        "Task",
        cell,
        where_said(task.output),
        [["in.txt", f"data/{n}.txt"]],
        [["out.txt", f"results/{n}.txt"]],
    )
# %%
cell = execution()


def count(name, factor):
    import os
    import socket

    with open(name) as file:
        lines = len(file.readlines())
    with open("count.txt", "w") as file:
        file.write(str(lines * factor))
    return {"host": socket.gethostname(), "sandbox": os.getcwd(), "count": lines * factor}


tasks = []
for n in range(3):
    task = vine.PythonTask(count, "table.csv", n)
    task.add_input(manager.declare_file("data/5.txt"), "table.csv")
    task.add_output(manager.declare_file(f"results/count-{n}.txt"), "count.txt")
    task.set_cores(1)
    manager.submit(task)
    tasks.append(task)
for n, task in enumerate(finish(manager, tasks)):
    where = task.output
    assert where.pop("count") == 6 * n == int(read(f"results/count-{n}.txt"))
    tell(
        task,
        "PythonTask",
        cell,
        where,
        [["table.csv", "data/5.txt"]],
        [["count.txt", f"results/count-{n}.txt"]],
        function="count",
    )
# %%
cell = execution()
between = manager.declare_temp()
first = vine.Task(f"cat a b > joined; {SAY}")
first.add_input(manager.declare_file("data/1.txt"), "a")
first.add_input(manager.declare_file("data/2.txt"), "b")
first.add_output(between, "joined")
second = vine.Task(f"wc -l < joined > lines; {SAY}")
second.add_input(between, "joined")
second.add_output(manager.declare_file("results/lines.txt"), "lines")
for task in (first, second):
    task.set_cores(1)
    manager.submit(task)
first, second = finish(manager, [first, second])
assert int(read("results/lines.txt")) == 5
tell(
    first,
    "Task",
    cell,
    where_said(first.output),
    [["a", "data/1.txt"], ["b", "data/2.txt"]],
    [["joined", None]],
)
tell(
    second,
    "Task",
    cell,
    where_said(second.output),
    [["joined", None]],
    [["lines", "results/lines.txt"]],
)
