"""Threads and pools outlive the cell that made them: credit each work item to its own cell."""


def install(marks, imports):
    """Have the items of every executor and pool marked with the cell that submitted them."""

    def after(names, act):
        for name in names:
            imports.after(name, lambda module: act(module, marks))

    after(("threading",), observe_threads)
    after(("concurrent.futures.thread",), observe_thread_items)
    after(
        (
            "concurrent.futures.process",
            "loky.process_executor",
            "joblib.externals.loky.process_executor",
        ),
        observe_process_items,
    )
    after(("multiprocessing.pool",), observe_pool_tasks)


def observe_threads(module, marks):
    """Let a thread know the cell of the thread that starts it, as the trace will have it."""

    class Bootstrap:
        """Looked up by the starting thread just before it makes the new one."""

        def __init__(self, function):
            self.function = function

        def __get__(self, thread, kind=None):
            if thread is not None:
                thread.__dict__[marks["ATTRIBUTE"]] = marks["owner"]()
            return self.function.__get__(thread, kind)

    module.Thread._bootstrap = Bootstrap(module.Thread._bootstrap)


def observe_thread_items(module, marks):
    """Mark around the items of a ThreadPoolExecutor; `run` itself catches what they raise."""
    item = module._WorkItem
    begin, run = item.__init__, item.run

    def init(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        self.__dict__[marks["ATTRIBUTE"]] = marks["owner"]()

    def observed(self, *args, **kwargs):
        marks["stepping"](run, self.__dict__.get(marks["ATTRIBUTE"]))(self, *args, **kwargs)

    item.__init__, item.run = init, observed


def observe_process_items(module, marks):
    """Send the items of a ProcessPoolExecutor (or of loky) with their cell."""
    begin = module._WorkItem.__init__

    def init(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        self.fn = with_cell(self.fn, marks)

    module._WorkItem.__init__ = init


def observe_pool_tasks(module, marks):
    """Send the tasks of a multiprocessing Pool with their cell, whichever method made them."""

    class Tasks:
        """The queue between a pool's methods, called by the user, and its own threads."""

        def __init__(self, queue):
            self.queue = queue

        def __getattr__(self, name):
            return getattr(self.queue, name)

        def put(self, work, *args, **kwargs):
            if isinstance(work, tuple) and len(work) == 2:
                work = (tasks_of(work[0], marks["owner"]()), work[1])
            return self.queue.put(work, *args, **kwargs)

    def tasks_of(tasks, cell):
        if cell is None:
            return tasks
        return (task_of(task, cell) for task in tasks)

    def task_of(task, cell):
        job, number, function, args, kwargs = task
        if function is module._helper_reraises_exception:
            return task
        return (job, number, marks["Item"](function, marks["ROOT"], cell), args, kwargs)

    def get_queue(pool):
        return pool.__dict__["_taskqueue"]

    def set_queue(pool, queue):
        pool.__dict__["_taskqueue"] = Tasks(queue)

    module.Pool._taskqueue = property(get_queue, set_queue)


def with_cell(function, marks):
    """Give `function` as an item of the current cell, itself where that is unknown."""
    cell = marks["owner"]()
    return function if cell is None else marks["Item"](function, marks["ROOT"], cell)
