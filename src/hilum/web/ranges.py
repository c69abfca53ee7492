"""Which bytes of a representation are wanted. https://www.rfc-editor.org/rfc/rfc9110#section-14"""

from __future__ import annotations

import re
from typing import Final

MOST: Final = 16
"""Parts of one answer; who wants more gets all of it, which a server may always answer with."""
_UNIT: Final = re.compile(r"bytes[ \t]*=(.*)", re.IGNORECASE | re.DOTALL)
_ONE: Final = re.compile(r"[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII)
_LONGEST: Final = 18
"""Digits of a number that is read: no content has more bytes than that."""

Range = tuple[int, int]
"""From the first byte to before the second."""


def wanted(header: str | None, size: int) -> list[Range] | None:
    """The ranges, those that touch made one; None: all of it, since none is asked for, or in a way that counts as none.

    Empty: none of those asked for is there (416).
    """
    found = None if header is None else _UNIT.fullmatch(header.strip())
    if found is None:
        return None
    ranges: list[Range] = []
    parts = [part for part in found[1].split(",") if part.strip()]
    for part in parts:
        one = _ONE.fullmatch(part)
        if one is None or not (one[1] or one[2]) or max(len(one[1]), len(one[2])) > _LONGEST:
            return None
        if one[1] and one[2] and int(one[1]) > int(one[2]):
            return None
        start, stop = _range(one[1], one[2], size)
        if start < stop:
            ranges.append((start, stop))
    if not parts:
        return None
    joined = _joined(ranges)
    return joined if len(joined) <= MOST else None


def content_range(one: Range | None, size: int) -> bytes:
    """The value of Content-Range: of what is sent, or of what is not there."""
    return b"bytes */%d" % size if one is None else b"bytes %d-%d/%d" % (one[0], one[1] - 1, size)


def _range(first: str, last: str, size: int) -> Range:
    if not first:  # the last so many
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size


def _joined(ranges: list[Range]) -> list[Range]:
    """In order, and none twice: overlapping ranges could ask for the same content a thousand times."""
    out: list[Range] = []
    for start, stop in sorted(ranges):
        if out and start <= out[-1][1]:
            out[-1] = out[-1][0], max(stop, out[-1][1])
        else:
            out.append((start, stop))
    return out
