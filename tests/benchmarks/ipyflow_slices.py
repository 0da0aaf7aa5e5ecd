"""Ask ipyflow for the slices of the corpus; run by the Python of an environment that has it.

Each line on standard input is a job: cells, a folder, goals (numbers of executions). Each answer
maps a goal to the cells of its slice, by number, as ipyflow cut them; or has the `error`.
"""

import contextlib
import io
import json
import os
import signal
import sys


def answer(shell, job):
    """Run the cells of a job in this process, and slice."""
    from ipyflow.data_model.cell import cells

    os.chdir(job["folder"])
    sys.path[0] = job["folder"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for source in job["cells"]:
            shell.run_cell(source, store_history=True)
        slices = {}
        for goal in job["goals"]:
            found = cells().at_counter(goal).make_cell_dict_slice()
            slices[goal] = {number: str(text) for number, text in found.items()}
    return {"slices": slices}


def main():
    """Answer jobs until the standard input ends, each in a fork."""
    from ipyflow.shell.interactiveshell import IPyflowInteractiveShell

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    shell = IPyflowInteractiveShell.instance()
    shell.history_manager.enabled = False
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(60)  # some cells keep it busy for ever
            try:
                said = answer(shell, json.loads(line))
            except BaseException as error:
                said = {"error": f"{type(error).__name__}: {error}"}
            with os.fdopen(writing, "w") as stream:
                stream.write(json.dumps(said))
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as stream:
            answers.write((stream.read() or '{"error": "died"}') + "\n")
        os.waitpid(child, 0)
        answers.flush()


if __name__ == "__main__":
    main()
