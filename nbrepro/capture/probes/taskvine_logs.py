"""Read a TaskVine manager's own logs while it runs: which observed workers are there."""


def observed_workers(debug):
    """Give the workers that said `feature nbrepro:ID`, by address, from the manager's debug log."""
    import re

    said = re.compile(r"rx from (\S+) \((\S+)\): feature nbrepro:(\S+)")
    found = {}
    with open(debug, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            match = "feature nbrepro:" in line and said.search(line)
            if match:
                found[match[2]] = {"host": match[1], "nbrepro_worker": match[3]}
    return found


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
