# A file that workers make themselves before a task that needs it, by a mini task; and an archive
# that they unpack.
# prelude: none
# %%
import tarfile

for n in range(3):
    write(f"data/{n}.txt", f"{n}\n")
write("data/raw.txt", "raw\n")
write("data/packed/inner.txt", "inner\n")
with tarfile.open("data/packed.tar.gz", "w:gz") as archive:
    archive.add("data/packed/inner.txt", "inner.txt")
manager = open_manager()
# %%
cell = execution()
mini = vine.Task(f"tr a-z A-Z < raw.txt > cooked.txt; ({SAY}) > said.txt; cat said.txt >> cooked.txt")
mini.add_input(manager.declare_file("data/raw.txt"), "raw.txt")
cooked = manager.declare_minitask(mini, "cooked.txt")
print("@mini", json.dumps({"cell": cell, "path": os.path.abspath("data/raw.txt")}))
# %%
cell = execution()
tasks = []
for n in range(6):
    task = vine.Task(f"sleep 0.3; cat cooked.txt in.txt > out.txt; {SAY}")
    task.add_input(cooked, "cooked.txt")
    task.add_input(manager.declare_file(f"data/{n % 3}.txt"), "in.txt")
    task.add_output(manager.declare_file(f"results/{n}.txt"), "out.txt")
    task.set_cores(1)
    manager.submit(task)
    tasks.append(task)
for n, task in enumerate(finish(manager, tasks)):
    assert read(f"results/{n}.txt").startswith("RAW\n")
    tell(
        task,
        "Task",
        cell,
        where_said(task.output),
        [["cooked.txt", None], ["in.txt", f"data/{n % 3}.txt"]],
        [["out.txt", f"results/{n}.txt"]],
    )
# %%
cell = execution()
unpacked = manager.declare_untar(manager.declare_file("data/packed.tar.gz"))
task = vine.Task(f"cat box/inner.txt > out.txt; {SAY}")
task.add_input(unpacked, "box")
task.add_output(manager.declare_file("results/inner.txt"), "out.txt")
task.set_cores(1)
manager.submit(task)
[task] = finish(manager, [task])
assert read("results/inner.txt") == "inner\n"
tell(
    task,
    "Task",
    cell,
    where_said(task.output),
    [["box/inner.txt", None]],
    [["out.txt", "results/inner.txt"]],
)
