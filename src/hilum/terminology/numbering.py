"""Numbers for concepts, such that what is under one is a few runs of them.

A walk down a tree gives each concept a run: itself and all that is under it. A concept with several parents stands in
the run of one of them; the others get its run beside their own. Of R. Agrawal, A. Borgida and H. V. Jagadish,
"Efficient management of transitive relationships in large data and knowledge bases", SIGMOD 1989. What goes round in a
circle is under each other.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from hilum.problems import Invalid
from hilum.terminology import bits

MOST_OVER: Final = 30_000_000
"""Ancestors of all concepts together: SNOMED CT has some 6 million. A chain of 7,700 concepts has so many."""


class Numbered(NamedTuple):
    """By the index in which concepts were given: their numbers; by number: the rest. See `concepts.Row`."""

    number: array[int]
    last: array[int]
    parents: list[array[int]]
    over: list[bytes]
    under: list[bytes]


def numbered(parents: Sequence[Sequence[int]]) -> Numbered:
    """Number concepts, given the indexes of the parents of each. Raises Invalid for a hierarchy that is too deep."""
    groups, group_of = _circles(parents)
    up = [sorted({group_of[p] for one in group for p in parents[one]} - {g}) for g, group in enumerate(groups)]
    down: list[list[int]] = [[] for _ in groups]
    for g, above_it in enumerate(up):
        for p in above_it:
            down[p].append(g)
    order, depth = _topological(up, down)
    tree = [max(over, key=depth.__getitem__) if over else -1 for over in up]
    low, high = _walk(groups, down, tree)
    number, last = array("I", bytes(4 * len(parents))), array("I", bytes(4 * len(parents)))
    for g, group in enumerate(groups):
        for place, one in enumerate(group):
            number[one] = low[g] + place
            last[low[g] + place] = high[g] if place == 0 else low[g] + place
    parents_of = [array("I")] * len(parents)
    for one, over in enumerate(parents):
        parents_of[number[one]] = array("I", sorted(number[p] for p in over))
    beside = _beside(order, down, tree, low, high)
    under = [b""] * len(parents)
    above: list[array[int]] = [array("I")] * len(groups)
    over_of = [b""] * len(parents)
    many = 0
    for g in order:
        found: set[int] = set()
        for p in up[g]:
            found.update(above[p])
            found.update(range(low[p], low[p] + len(groups[p])))
        many += (len(found) + len(groups[g]) - 1) * len(groups[g])
        if many > MOST_OVER:
            raise Invalid(
                f"The hierarchy of the code system is too deep: its concepts have more than {MOST_OVER:,} ancestors."
            )
        above[g] = array("I", sorted(found))
        runs = bits.runs((low[g], high[g], *(end for pair in beside[g] for end in pair)))
        packed = above[g].tobytes()
        for place in range(len(groups[g])):
            n = low[g] + place
            under[n] = runs
            others = [low[g] + other for other in range(len(groups[g])) if other != place]
            over_of[n] = array("I", sorted(found.union(others))).tobytes() if others else packed
    return Numbered(number, last, parents_of, over_of, under)


def _walk(groups: list[list[int]], down: list[list[int]], tree: list[int]) -> tuple[list[int], list[int]]:
    """The first and last number of each group: before what is nested in it, in the order that was given."""
    low, high, next = [0] * len(groups), [0] * len(groups), 0
    roots = [g for g, parent in enumerate(tree) if parent < 0]
    waiting = [(g, False) for g in reversed(roots)]
    while waiting:
        g, done = waiting.pop()
        if done:
            high[g] = next - 1
            continue
        low[g] = next
        next += len(groups[g])
        waiting.append((g, True))
        waiting.extend((child, False) for child in reversed(down[g]) if tree[child] == g)
    return low, high


def _topological(up: list[list[int]], down: list[list[int]]) -> tuple[list[int], list[int]]:
    """All of them, parents first, and how deep each lies."""
    left = [len(over) for over in up]
    depth = [0] * len(up)
    order = [g for g, many in enumerate(left) if not many]
    for g in order:
        for child in down[g]:
            depth[child] = max(depth[child], depth[g] + 1)
            left[child] -= 1
            if not left[child]:
                order.append(child)
    return order, depth


def _beside(
    order: list[int], down: list[list[int]], tree: list[int], low: list[int], high: list[int]
) -> list[list[tuple[int, int]]]:
    """Of each the runs that are under it beside its own, merged."""
    found: list[list[tuple[int, int]]] = [[] for _ in order]
    for g in reversed(order):
        some: list[tuple[int, int]] = []
        for child in down[g]:
            if tree[child] != g:
                some.append((low[child], high[child]))
            some += found[child]
        if some:
            found[g] = _merged([one for one in some if one[0] < low[g] or one[1] > high[g]])
    return found


def _merged(some: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(some):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], high)
        else:
            merged.append((low, high))
    return merged


def _circles(parents: Sequence[Sequence[int]]) -> tuple[list[list[int]], Sequence[int]]:
    """Groups of concepts that are over and under each other, mostly of one each, and the group of each. Tarjan 1972."""
    index: list[int] = [-1] * len(parents)
    least, open_, stack, groups = [0] * len(parents), bytearray(len(parents)), [], []
    next = 0
    for start in range(len(parents)):
        if index[start] >= 0:
            continue
        path: list[tuple[int, int]] = [(start, 0)]
        while path:
            one, at = path.pop()
            if at == 0:
                index[one] = least[one] = next
                next += 1
                stack.append(one)
                open_[one] = 1
            over = parents[one]
            while at < len(over):
                other = over[at]
                at += 1
                if index[other] < 0:
                    path += [(one, at), (other, 0)]
                    break
                if open_[other]:
                    least[one] = min(least[one], index[other])
            else:
                if least[one] == index[one]:
                    group = []
                    while True:
                        other = stack.pop()
                        open_[other] = 0
                        group.append(other)
                        if other == one:
                            break
                    groups.append(sorted(group))
                if path:
                    above = path[-1][0]
                    least[above] = min(least[above], least[one])
    groups.sort(key=lambda group: group[0])
    of = [0] * len(parents)
    for g, group in enumerate(groups):
        for one in group:
            of[one] = g
    return groups, of
