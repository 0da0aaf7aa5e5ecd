# A thread that one cell started goes on submitting while the next cell submits too.
# prelude: none
# %%
import threading

for n in range(6):
    write(f"data/{n}.txt", f"{n}\n")
manager = open_manager()
turn = threading.Lock()
submitted = []
both_began = threading.Event()


def submit(n, cell, pause_s):
    task = vine.Task(f"sleep 0.2; cp in.txt out.txt; {SAY}")
    task.add_input(manager.declare_file(f"data/{n}.txt"), "in.txt")
    task.add_output(manager.declare_file(f"results/{cell}-{n}.txt"), "out.txt")
    task.set_cores(1)
    with turn:
        manager.submit(task)
        submitted.append((task, n, cell, time.monotonic()))
    time.sleep(pause_s)


def submit_in_the_background(cell):
    submit(0, cell, 0)
    assert both_began.wait(60)
    for n in range(1, 6):
        submit(n, cell, 0.05)


# %%
first_cell = execution()
background = threading.Thread(target=submit_in_the_background, args=(first_cell,))
background.start()
# %%
second_cell = execution()
both_began.set()
for n in range(6):
    submit(n, second_cell, 0.05)
background.join(60)
# %%
order = [cell for _, _, cell, _ in sorted(submitted, key=lambda each: each[3])]
changes = sum(a != b for a, b in zip(order, order[1:]))
print("@cell", json.dumps({"execution": execution(), "changes": changes}))
for task, (_, n, cell, _) in zip(finish(manager, [each[0] for each in submitted]), submitted):
    assert read(f"results/{cell}-{n}.txt") == f"{n}\n"
    tell(
        task,
        "Task",
        cell,
        where_said(task.output),
        [["in.txt", f"data/{n}.txt"]],
        [["out.txt", f"results/{cell}-{n}.txt"]],
    )
