"""Strongly connected components of a directed graph of numbered nodes, in linear time."""

from __future__ import annotations

from collections.abc import Sequence


def strongly_connected(links: Sequence[Sequence[int]]) -> list[int]:
    """Number the strongly connected component of each node (Tarjan 1972, without recursion).

    What cannot lie on a cycle is put aside first, each node a component of its own.
    """
    component = [-1] * len(links)
    count = _put_aside(links, component)
    index, low = [-1] * len(links), [0] * len(links)
    stack: list[int] = []
    clock = 0
    for root in range(len(links)):
        if component[root] >= 0 or index[root] >= 0:
            continue
        work = [(root, 0)]
        while work:
            node, position = work.pop()
            if index[node] < 0:
                index[node] = low[node] = clock
                clock += 1
                stack.append(node)
            descended = False
            for place in range(position, len(links[node])):
                other = links[node][place]
                if component[other] >= 0:
                    continue
                if index[other] < 0:
                    work += [(node, place), (other, 0)]
                    descended = True
                    break
                low[node] = min(low[node], low[other])
            if descended:
                continue
            if low[node] == index[node]:
                while True:
                    member = stack.pop()
                    component[member] = count
                    if member == node:
                        break
                count += 1
    return component


def _put_aside(links: Sequence[Sequence[int]], component: list[int]) -> int:
    incoming = [0] * len(links)
    for out in links:
        for target in out:
            incoming[target] += 1
    ready = [node for node, number in enumerate(incoming) if number == 0]
    for count, node in enumerate(ready):
        component[node] = count
        for target in links[node]:
            incoming[target] -= 1
            if incoming[target] == 0:
                ready.append(target)
    return len(ready)
