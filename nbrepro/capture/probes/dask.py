"""Dask's client in the kernel: every graph carries its cell, and the workers' reports come home."""

import os

_ARCHIVE_BYTES = 256 << 20
_DRAIN_S = 12
_COLLECT_S = 40  # with the above less than the minute that a client takes to close
_KEYS = 1000  # of a graph in one event


def install(marks, imports, submits, worker):
    """Observe `distributed` once the notebook imports it; `worker` is what is sent to workers."""

    def observe(module):
        submits.guarded("dask", "distributed.client", observe_client, module)

    def observe_client(module):
        engine = Engine(marks, submits, worker)
        worker["observe_graphs"](module.Client, engine.cell, engine.submitted)
        observe_starts(module.Client, engine)
        observe_shutdown(module.Client, engine)

    imports.after("distributed.client", observe)


def observe_starts(client, engine):
    """Take part in each client's own start and close: Dask awaits its preloads there."""
    if "preloads" not in client.__init__.__code__.co_names:
        raise RuntimeError("this version of distributed has no client preloads; 2023.9 has")

    def get_preloads(self):
        return self.__dict__["preloads"]

    def set_preloads(self, preloads):
        engine.submits.guarded("dask", "Client", engine.add_preload, self, preloads)
        self.__dict__["preloads"] = preloads

    client.preloads = property(get_preloads, set_preloads)


def observe_shutdown(client, engine):
    """Fetch what workers know before a client has them ended."""
    shutdown = client._shutdown

    async def observed(self):
        await engine.finish(self)
        return await shutdown(self)

    client._shutdown = observed


class Preload:
    """One of a client's preloads: what Dask calls when a client starts and closes."""

    name = "nbrepro"
    module = None

    def __init__(self, engine, client):
        import weakref

        self.engine, self.client = engine, weakref.ref(client)

    async def start(self):
        """Send the plugin to the workers before the client can submit anything."""
        client = self.client()
        if client is not None:
            await self.engine.start(client)

    async def teardown(self):
        """Fetch what the workers know."""
        client = self.client()
        if client is not None:
            await self.engine.finish(client)


class Engine:
    """What the probe knows of the clients in this kernel."""

    def __init__(self, marks, submits, worker):
        self.marks, self.submits, self.worker = marks, submits, worker
        self.workers = {}
        self.heard = {}  # of each worker, by its address: its report's stamp and the next number
        self.at_exit = False

    def cell(self):
        """Give the cell of the present thread, as it travels in annotations."""
        cell = self.marks["owner"]()
        return cell and (self.marks["ROOT"], *cell)

    def add_preload(self, client, preloads):
        """Put our own beside the user's."""
        own = preloads if isinstance(preloads, list) else preloads._preloads
        own.append(Preload(self, client))

    def submitted(self, client, message, cell):
        """Log a graph that is on its way to the scheduler."""
        self.submits.guarded("dask", "submit", self._submitted, client, message, cell)

    def _submitted(self, client, message, cell):
        names = [self.worker["name_of"](key) for key in message.get("keys", ())]
        for first in range(0, len(names), _KEYS):
            keys = sorted(names[first : first + _KEYS])
            cell_words = cell and cell[1:]
            scheduler = address_of(client)
            self.submits.log("dask", "submit", cell_words, scheduler=scheduler, keys=keys)

    async def start(self, client):
        """Register the plugin and listen to the workers; what fails is logged."""
        try:
            self.submits.log("dask", "client", scheduler=address_of(client), id=client.id)
            client.subscribe_topic(self.worker["TOPIC"], lambda event: self.told(client, event))
            plugin = self.worker["make_plugin"](self.marks["ROOT"])
            register = getattr(client, "register_plugin", None) or client.register_worker_plugin
            await register(plugin, name=plugin.name)
            self._await_exit()
            await self._hear(client)
        except Exception as error:
            self.submits.problem("dask", "client start", error)

    def _await_exit(self):
        """Close after the notebook, before Dask's own exit handlers end the workers."""
        if not self.at_exit:
            import atexit

            self.at_exit = True
            atexit.register(self.exit)

    def told(self, client, event):
        """Log what a worker reports through the scheduler."""
        self.submits.guarded("dask", "report", self._told, client, event)

    def _told(self, client, event):
        self.read(event[1])

    def read(self, told):
        """Log a worker's records of this run that were not heard yet: some come twice."""
        address, first = told["worker"], told["first"]
        stamp, heard = self.heard.get(address, (told["stamp"], 0))
        heard = heard if stamp == told["stamp"] else 0
        if not told["records"] or first + len(told["records"]) <= heard:
            return
        self.heard[address] = told["stamp"], first + len(told["records"])
        for root, execution, at_ns, kind, *words in told["records"][max(heard - first, 0) :]:
            if root == self.marks["ROOT"]:
                act = getattr(self, "_read_" + kind)
                act(address, (str(execution), ""), at_ns, *words)

    def _read_worker(self, address, cell, at_ns, description):
        self.workers[address] = description
        self.submits.log("dask", "workers", workers={address: description}, at_ns=at_ns)

    def _read_started(self, address, cell, at_ns, key, function):
        fields = {"key": key, "function": function, "worker": address}
        self.submits.log("dask", "started", cell, at_ns=at_ns, **fields)

    def _read_done(self, address, cell, at_ns, key, status):
        fields = {"key": key, "status": status, "worker": address}
        self.submits.log("dask", "done", cell, at_ns=at_ns, **fields)

    def _read_unobservable(self, address, cell, at_ns, key, reason):
        fields = {"key": key, "reason": reason, "worker": address}
        self.submits.log("dask", "unobservable", cell, at_ns=at_ns, **fields)

    async def finish(self, client):
        """Fetch the workers' last reports and their traces; bounded in time and size."""
        import asyncio

        for act, seconds in ((self._drain, _DRAIN_S), (self._collect, _COLLECT_S + 10)):
            try:
                await asyncio.wait_for(act(client), seconds)
            except Exception as error:
                self.submits.problem("dask", "end of client", error)

    async def _drain(self, client):
        if not is_connected(client):
            return
        await self._hear(client)
        await self._ask_time(client)

    async def _hear(self, client):
        """Ask for what workers told and is still on its way: replies may overtake it."""
        ask = self._sent("report", dict(self.heard))
        reports = await client._run(ask, on_error="return")
        for told in reports.values():
            if isinstance(told, dict):
                self.read(told)

    async def _ask_time(self, client):
        """Ask the workers the time, which bounds how far their clocks are off this one."""
        import time

        sent = time.time_ns()
        clocks = await client._run(self._sent("now"), on_error="return")
        answered = time.time_ns()
        for address, there in clocks.items():
            if isinstance(there, int):
                times = {"sent": sent, "there": there, "answered": answered}
                self.submits.log("dask", "clock", worker=address, **times)

    async def _collect(self, client):
        """Fetch one archive a worker that `nbrepro worker` started."""
        chosen = {d["nbrepro_worker"]: a for a, d in self.workers.items() if d["nbrepro_worker"]}
        if not chosen or not self.submits.path:
            return
        import asyncio

        await asyncio.gather(*(self._fetch(client, *pair) for pair in chosen.items()))

    async def _fetch(self, client, worker, address):
        """Fetch one worker's archive: a slow worker takes nothing from the others."""
        import asyncio

        given = "it went away before its trace was fetched"
        if is_connected(client):
            collect = self._sent("collect", _ARCHIVE_BYTES, _COLLECT_S)
            asked = client._run(collect, workers=[address], on_error="return")
            try:
                given = (await asyncio.wait_for(asked, _COLLECT_S + 5)).get(address, given)
            except asyncio.TimeoutError:
                given = "it did not answer for %d seconds" % _COLLECT_S
        self._keep(worker, given)

    def _keep(self, worker, given):
        """Store an archive beside the submit log, or say why there is none."""
        if not isinstance(given, bytes):
            reason = given if isinstance(given, str) else "%s: %s" % (type(given).__name__, given)
            self.submits.log("dask", "collected", worker=worker, reason=reason)
            return
        name = worker.replace("/", "_") + ".tar.zst"
        folder = os.path.join(os.path.dirname(self.submits.path), "workers")
        os.makedirs(folder, exist_ok=True)
        part = os.path.join(folder, name + ".part")
        with open(part, "wb") as stream:
            stream.write(given)
        os.replace(part, os.path.join(folder, name))
        self.submits.log("dask", "collected", worker=worker, archive="workers/" + name)

    def _sent(self, name, *arguments):
        return self.worker["Sent"]("function", name, *arguments)

    def exit(self):
        """Fetch from the clients that the notebook leaves open when the kernel ends."""
        import sys

        for client in list(sys.modules["distributed.client"].Client._instances):
            if client.status != "closed":
                self.submits.guarded("dask", "exit", self._exit, client)

    def _exit(self, client):
        if client._asynchronous:
            raise RuntimeError("an asynchronous client's loop ended before its workers could tell")
        run_last(client, self.finish(client))


def run_last(client, coroutine):
    """Await in the client's loop, from the exiting main thread."""
    client.sync(lambda: coroutine, callback_timeout=_DRAIN_S + _COLLECT_S + 10)


def is_connected(client):
    """Tell whether the scheduler can still be asked."""
    stream = getattr(client, "scheduler_comm", None)
    return stream is not None and stream.comm is not None and not stream.comm.closed()


def address_of(client):
    """Give the address of a client's scheduler."""
    return str(getattr(getattr(client, "scheduler", None), "address", ""))
