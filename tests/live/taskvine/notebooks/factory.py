# A factory in the notebook itself starts its workers, by a program that observes them.
# prelude: none
# %%
for n in range(6):
    write(f"data/{n}.txt", f"{n}\n")
manager = vine.Manager(9123)
workers = vine.Factory("local", manager=manager, worker_binary="/work/observed_worker")
workers.min_workers = workers.max_workers = 3
workers.cores, workers.memory, workers.disk = 1, 1000, 2000
workers.start()
deadline = time.monotonic() + 90
while manager.stats.workers_connected < 3:
    assert time.monotonic() < deadline, "no workers came"
    manager.wait(1)
# %%
cell = execution()
tasks = []
for n in range(6):
    task = vine.Task(f"sleep 0.3; cp in.txt out.txt; {SAY}")
    task.add_input(manager.declare_file(f"data/{n}.txt"), "in.txt")
    task.add_output(manager.declare_file(f"results/{n}.txt"), "out.txt")
    task.set_cores(1)
    manager.submit(task)
    tasks.append(task)
for n, task in enumerate(finish(manager, tasks)):
    tell(
        task,
        "Task",
        cell,
        where_said(task.output),
        [["in.txt", f"data/{n}.txt"]],
        [["out.txt", f"results/{n}.txt"]],
    )
# %%
workers.stop()
