"""Runs a packaged notebook inside its image: this file is the image's command.

It stands alone: it imports the standard library, and of the notebook's own environment only
`jupyter_client`, which every Python kernel brings along. What to run is in `plan.json` beside it,
`notebook.ipynb` has the sources. It writes the executed notebook to the output directory, and
says on standard output what happens, one JSON object a line.

    driver.py [--plan FILE] [--notebook FILE] [--out DIRECTORY]
"""

import argparse
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
FAILED, NO_KERNEL = 1, 6


def say(event, **more):
    """Tell whoever listens what happens."""
    print(json.dumps({"event": event, **more}), flush=True)


class Outputs:
    """Collects what a cell prints and shows, as nbformat holds it; `shown` finds displays by id."""

    def __init__(self, cell, shown):
        self.cell = cell
        self.shown = shown
        self.clearing = False
        cell["outputs"] = []
        cell["execution_count"] = None

    def take(self, kind, content):
        """Take one message of the kernel."""
        if kind == "clear_output":
            self.clearing = content.get("wait", False)
            if not self.clearing:
                self.clear()
        elif kind == "execute_input":
            self.cell["execution_count"] = content.get("execution_count")
        elif kind == "update_display_data":
            self.update(content)
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if self.clearing:
                self.clear()
            self.add(kind, content)

    def clear(self):
        """Forget what the cell has shown so far."""
        self.cell["outputs"].clear()
        self.clearing = False

    def add(self, kind, content):
        """Add one output; texts of a stream that follow each other are one."""
        outputs = self.cell["outputs"]
        if kind == "stream":
            name, text = content["name"], content["text"]
            last = outputs[-1] if outputs else {}
            if last.get("output_type") == "stream" and last["name"] == name:
                last["text"] += text
            else:
                outputs.append({"output_type": "stream", "name": name, "text": text})
            return
        keys = {
            "display_data": ("data", "metadata"),
            "execute_result": ("data", "metadata", "execution_count"),
            "error": ("ename", "evalue", "traceback"),
        }[kind]
        output = {"output_type": kind, **{key: content[key] for key in keys}}
        outputs.append(output)
        display = content.get("transient", {}).get("display_id")
        if display:
            self.shown.setdefault(display, []).append(output)

    def update(self, content):
        """Change what is shown under the display id of `content`, in whichever cell it is."""
        display = content.get("transient", {}).get("display_id")
        for output in self.shown.get(display, ()):
            output["data"], output["metadata"] = content["data"], content["metadata"]


class Kernel:
    """The kernel of the notebook, and the client that talks to it over local sockets."""

    def __init__(self, argv, cwd, folder):
        from jupyter_client.blocking.client import BlockingKernelClient
        from jupyter_client.connect import write_connection_file

        connection = os.path.join(folder, "kernel.json")
        write_connection_file(connection, transport="ipc", ip=os.path.join(folder, "kernel-ipc"))
        command = [connection if word == "{connection_file}" else word for word in argv]
        self.log = open(os.path.join(folder, "kernel.log"), "w+b")
        # A kernel that knows its parent ends when that is the first process of a container.
        environment = {k: v for k, v in os.environ.items() if k != "JPY_PARENT_PID"}
        self.process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log,
        )  # fmt: skip
        self.client = BlockingKernelClient(connection_file=connection)
        self.client.load_connection_file()
        self.client.start_channels()

    def wait_ready(self, seconds):
        """Wait until the kernel answers; raise RuntimeError with what it said if it does not."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and self.process.poll() is None:
            try:
                self.client.wait_for_ready(timeout=1)
                return
            except RuntimeError:
                continue
        raise RuntimeError(f"the kernel did not start: {self.last_words()}")

    def last_words(self):
        """Give the end of what the kernel printed by itself."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace").strip()[-2000:]

    def execute(self, source, cell_id, outputs, timeout):
        """Execute a cell; give `ok`, `error`, `timeout` or `dead`."""
        client = self.client
        client.session.metadata = {"cellId": cell_id}
        message = client.execute(source, allow_stdin=False, stop_on_error=False)
        ends = time.monotonic() + timeout if timeout else None
        status, idle, replied = "ok", False, False
        while not (idle and replied):
            if not idle:
                for kind, content in self.messages(message):
                    idle = idle or (kind == "status" and content["execution_state"] == "idle")
                    outputs.take(kind, content)
            if not replied:
                found = self.reply(message)
                replied, status = found is not None, found or status
            if ends and time.monotonic() > ends:
                return "timeout"
            if self.process.poll() is not None:
                return "dead"
        return status

    def messages(self, parent):
        """Yield what the kernel published for an execution, as far as it is there now."""
        wait = 0.05
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=wait)
            except queue.Empty:
                return
            wait = 0
            if message["parent_header"].get("msg_id") == parent:
                yield message["msg_type"], message["content"]
                if message["content"].get("execution_state") == "idle":
                    return

    def reply(self, parent):
        """Give the status of the reply, if it is there."""
        try:
            message = self.client.get_shell_msg(timeout=0.02)
        except queue.Empty:
            return None
        return (
            message["content"]["status"] if message["parent_header"]["msg_id"] == parent else None
        )

    def stop(self, patience):
        """Ask the kernel to end, and end it."""
        with contextlib.suppress(Exception):
            self.client.shutdown()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.client.stop_channels()
        self.log.close()


def start_helpers(plan):
    """Start what the notebook expects to run beside it (workers); give their processes."""
    helpers = []
    for helper in plan.get("beside", ()):
        say("beside", name=helper["name"])
        helpers.append(
            subprocess.Popen(
                helper["command"], cwd=helper["cwd"], stdin=subprocess.DEVNULL,
                stdout=sys.stderr, env={**os.environ, **helper.get("environment", {})},
                start_new_session=True,
            )
        )  # fmt: skip
    return helpers


def stop_helpers(helpers):
    """End what was started beside the notebook."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for helper in helpers:
            if helper.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(helper.pid, number)
        ends = time.monotonic() + 3
        while time.monotonic() < ends and any(helper.poll() is None for helper in helpers):
            time.sleep(0.02)


def run_cells(kernel, plan, notebook):
    """Execute what is planned, in order; give the exit code."""
    shown = {}
    say("started", cells=len(plan["cells"]))
    for planned in plan["cells"]:
        cell = notebook["cells"][planned["index"]]
        source = cell["source"]
        source = source if isinstance(source, str) else "".join(source)
        say("cell_started", position=planned["position"], source=source[:200])
        outputs = Outputs(cell, shown)
        status = kernel.execute(source, cell.get("id", ""), outputs, plan.get("timeout_s"))
        say("cell_ended", position=planned["position"], status=status)
        tags = cell.get("metadata", {}).get("tags", ())
        allowed = plan.get("allow_errors") or "raises-exception" in tags
        if status in ("timeout", "dead") or (status != "ok" and not allowed):
            last = cell["outputs"][-1] if cell["outputs"] else {}
            reason = f"{last.get('ename')}: {last.get('evalue')}" if "ename" in last else status
            if status == "dead":
                reason = f"the kernel died: {kernel.last_words()}"
            say("failed", position=planned["position"], reason=reason)
            return FAILED
    return 0


def write_notebook(notebook, out):
    """Write the executed notebook, in one step."""
    os.makedirs(out, exist_ok=True)
    part = os.path.join(out, "executed.ipynb.part")
    with open(part, "w", encoding="utf-8") as stream:
        json.dump(notebook, stream, indent=1, ensure_ascii=False)
        stream.write("\n")
    os.replace(part, os.path.join(out, "executed.ipynb"))


def main():
    """Run the plan and give the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", default=os.path.join(HERE, "plan.json"))
    parser.add_argument("--notebook", default=os.path.join(HERE, "notebook.ipynb"))
    parser.add_argument("--out", default=os.path.join(HERE, "out"))
    given = parser.parse_args()
    with open(given.plan, encoding="utf-8") as stream:
        plan = json.load(stream)
    with open(given.notebook, encoding="utf-8") as stream:
        notebook = json.load(stream)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        helpers = start_helpers(plan)
        kernel = Kernel(plan["kernel"], plan["cwd"], folder)
        try:
            kernel.wait_ready(plan.get("startup_s", 60))
            code = run_cells(kernel, plan, notebook)
        except RuntimeError as error:
            say("failed", position=0, reason=str(error))
            code = NO_KERNEL
        finally:
            write_notebook(notebook, given.out)
            kernel.stop(plan.get("patience_s", 15))
            stop_helpers(helpers)
    say("ended", code=code)
    return code


if __name__ == "__main__":
    sys.exit(main())
