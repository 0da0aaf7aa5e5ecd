"""Bring the traces of TaskVine's workers home, as outputs of tasks of our own.

A library holds cores of its worker. A task that wants one of them has TaskVine end the library
first, and a vine_worker of 7.14.5 now and then waits for ever when it ends one, whether it is
traced or not. So the libraries of an observed notebook have one more function, and a worker with
such a library is asked by a call of it: calls take no core. That is done before the notebook
removes the library, too.
"""

import os

_ARCHIVE_BYTES = 256 << 20
_SENDINGS = ((8, 64), (22, 0))  # seconds of patience, and the disk to ask for in MB (0: all of it)
_WENT = "it went away before its trace was fetched"
_TAG = "nbrepro-collect"
_COMMAND = (
    '"$NBREPRO_COLLECT" -o archive.tar.zst && test "$(wc -c <archive.tar.zst)" -le %d'
    % _ARCHIVE_BYTES
)


def nbrepro_collect(command):
    """Pack the trace of the worker that the library runs on."""
    import subprocess

    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(done.stderr.decode("utf-8", "replace")[-500:])


# Nobody shall read this file as the function's source: it would count as touched by the cell.
nbrepro_collect.__code__ = nbrepro_collect.__code__.replace(co_filename="<nbrepro>")


class Collecting:
    """Fetches the workers' traces for a manager, each at most once after its last task."""

    def __init__(self, engine, logs):
        self.engine, self.submits, self.logs = engine, engine.submits, logs
        self.libraries = set()  # names of those that have our function
        self.kept = set()  # workers whose traces are home and that did nothing since

    def extend_libraries(self, module):
        """Have what makes libraries put our function beside the user's."""
        for name, argument in (
            ("generate_library_hash", "function_list"),
            ("generate_library", "functions"),
        ):
            setattr(module, name, self.extended(getattr(module, name), argument))

    def extended(self, make, argument):
        """Give a function like `make` that is given our function too."""
        import inspect

        signature = inspect.signature(make)

        def observed(*arguments, **named):
            bound = signature.bind(*arguments, **named)
            functions = bound.arguments.get(argument)
            if functions is not None:
                bound.arguments[argument] = (*functions, nbrepro_collect)
                self.libraries.add(str(bound.arguments.get("library_name", "")))
            return make(*bound.args, **bound.kwargs)

        return observed

    def collect(self, manager, last=True):
        """Have each observed worker return its trace; `last` tells that no later chance comes."""
        debug = os.path.join(manager.logging_directory, "debug")
        known = self.logs["observed_workers"](debug)
        known = {a: d for a, d in known.items() if d["nbrepro_worker"] not in self.kept}
        busy = is_busy(manager)
        if not known or (busy and not last):
            return
        name = self.engine.name_of(manager._taskvine)
        self.submits.log("taskvine", "workers", manager=name, workers=known)
        minis = self.logs["minis_sent"](debug)
        if minis:
            self.submits.log("taskvine", "minis", manager=name, minis=minis)
        present = self.present(manager)
        asked = {}
        for address, description in known.items():
            worker = description["nbrepro_worker"]
            if address in present:
                asked[worker] = address
            elif last:
                self.keep(worker, _WENT)
        if asked:
            self.ask(manager, asked, _SENDINGS if last and not busy else _SENDINGS[:1], debug)
            for worker in set(asked) - self.kept if last else ():
                reason = "it was busy when the manager ended" if busy else "it did not answer"
                self.keep(worker, reason)

    def ask(self, manager, asked, sendings, debug):
        """Send each worker its task and wait for what they return."""
        import time

        folder = os.path.join(os.path.dirname(self.submits.path), "workers")
        os.makedirs(folder, exist_ok=True)
        waiting = dict(asked)
        for patience, disk in sendings:
            until = time.time() + patience
            held = self.logs["libraries_held"](debug)
            sent = {}
            for worker, address in waiting.items():
                libraries = self.libraries & held.get(address, set()) if disk else set()
                task = self.task(manager, libraries, disk)
                self.dress(manager, task, worker, folder, until)
                number = manager.submit(task)
                self.engine.log_task(manager, number, task)
                sent[number] = worker
            self.fetch(manager, sent, waiting, until)
            if not waiting:
                return

    def fetch(self, manager, sent, waiting, until):
        """Wait for the traces that tasks were sent for, and strike their workers off."""
        import time

        while waiting and time.time() < until:
            task = manager.wait_for_tag(_TAG, 1)
            if task is not None and task.id in sent:
                result = "" if task.successful() else "%s %s" % (task.result, task.std_output)
                worker = sent.pop(task.id)
                if worker in waiting:
                    del waiting[worker]
                    self.keep(worker, result[:500])
            present = self.present(manager)
            for worker in [w for w, address in waiting.items() if address not in present]:
                del waiting[worker]
                self.keep(worker, _WENT)
        for number in sent:
            manager.cancel_by_task_id(number)

    def present(self, manager):
        """List the addresses of the workers that are there."""
        return self.logs["connected"](os.path.join(manager.logging_directory, "transactions"))

    def task(self, manager, libraries, disk):
        """Make the task that packs a worker's trace: a call of one of its libraries, if any."""
        module = self.engine.module
        if libraries:
            return module.FunctionCall(min(libraries), nbrepro_collect.__name__, _COMMAND)
        task = module.Task(_COMMAND)
        # What is not asked for would be the whole worker.
        task.set_cores(0 if not disk else 1)
        task.set_memory(1 if disk else 0)
        task.set_disk(disk)
        return task

    def dress(self, manager, task, worker, folder, until):
        """Bind the task to one worker, and its output to a file of the run."""
        task.add_feature("nbrepro:" + worker)
        task.set_tag(_TAG)
        task.set_category(_TAG)
        task.set_retries(1)
        task.set_time_end(int(until * 1e6))
        archive = manager.declare_file(os.path.join(folder, self.logs["file_of"](worker)))
        task.add_output(archive, "archive.tar.zst")

    def keep(self, worker, reason):
        """Log that a trace came home, or why not."""
        archive = "workers/" + self.logs["file_of"](worker)
        self.kept.add(worker)
        there = os.path.exists(os.path.join(os.path.dirname(self.submits.path), archive))
        if there and not reason:
            self.submits.log("taskvine", "collected", worker=worker, archive=archive)
        else:
            reason = reason or "its task ended without an archive"
            self.submits.log("taskvine", "collected", worker=worker, reason=reason)


def is_busy(manager):
    """Tell whether tasks of the notebook's wait or run; libraries, and what is done, do not."""
    stats = manager.stats
    done = stats.tasks_done + stats.tasks_cancelled
    return not manager.empty() and stats.tasks_submitted > done
