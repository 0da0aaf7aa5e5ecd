"""Read a TaskVine manager's own logs while it runs: which observed workers are there."""


def matches(log, hints, pattern):
    """Yield where a pattern is found in the lines of a log that have one of the texts `hints`."""
    import re

    search = re.compile(pattern).search
    with open(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            match = any(hint in line for hint in hints) and search(line)
            if match:
                yield match


def observed_workers(debug):
    """Give the workers that said `feature nbrepro:ID`, by address, from the manager's debug log."""
    said = r"rx from (\S+) \((\S+)\): feature nbrepro:(\S+)"
    return {
        match[2]: {"host": match[1], "nbrepro_worker": match[3]}
        for match in matches(debug, ("feature nbrepro:",), said)
    }


def connected(transactions):
    """List the addresses of the workers that have not left, from the manager's log of attempts."""
    present = {}
    with open(transactions, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            words = line.split()
            if words[2:3] == ["WORKER"] and words[4:5] == ["CONNECTION"]:
                present[words[3]] = words[5]
            elif words[2:3] == ["WORKER"] and words[4:5] == ["DISCONNECTION"]:
                present.pop(words[3], None)
    return set(present.values())


def file_of(worker):
    """Give the name of a worker's archive."""
    return worker.replace("/", "_") + ".tar.zst"


def libraries_held(debug):
    """Give the names of the libraries that each worker has, by address, from the debug log."""
    told = r"tx to \S+ \((\S+)\): (task|provides_library|kill) (.+)"
    held, number = {}, {}
    for match in matches(debug, ("tx to ",), told):
        address, word, value = match[1], match[2], match[3].strip()
        if word == "task":
            number[address] = value
        elif word == "provides_library":
            held.setdefault(address, {})[number.get(address)] = value
        else:
            held.get(address, {}).pop(value, None)
    return {address: set(libraries.values()) for address, libraries in held.items()}


def minis_sent(debug):
    """List what workers were told to make by mini tasks, in order, by address, from the debug log.

    A worker numbers its mini tasks itself, from 1. Each has its `source`, the name of what it
    makes in the worker's `cache`, and its `status`, `unknown` until the worker tells.
    """
    told = (
        r"(?:tx to|rx from) \S+ \((\S+)\): (mini_task|cache-update|cache-invalid) (\S+)(?: (\S+))?"
    )
    sent, waiting = {}, {}
    for match in matches(debug, ("mini_task", ": cache-"), told):
        address, word, name, cache = match.groups()
        if word == "mini_task":
            mini = {"source": name, "cache": cache or "", "status": "unknown"}
            sent.setdefault(address, []).append(mini)
            waiting.setdefault((address, cache), []).append(mini)
        elif waiting.get((address, name)):
            mini = waiting[address, name].pop(0)
            mini["status"] = "ok" if word == "cache-update" else "failed"
    return sent
