"""What strace saw of a server: whether what it wrote was flushed before it answered."""

from __future__ import annotations

import re


def answered_after_flush(trace: str, file: str, status: int) -> int:
    """How many answers of this status were sent to a client who asks for one thing after the other; fails when the
    file, whose path ends as `file` says, was not written and flushed since the one before.

    A flush counts from when it *returns*, for what was written before it began: strace splits a call that another
    thread overtakes into two lines. What else a server writes by itself meanwhile is no matter of the client's.
    """
    answers, written, flushed = 0, False, False
    began: dict[str, tuple[int, bool]] = {}
    "Of a thread that flushes: how many answers there had been, and whether there was something to flush."
    for line in trace.splitlines():
        thread = line.split(maxsplit=1)[0]
        if re.search(rf"pwrite64\(\d+<[^>]*{file}>", line):
            written = True
        elif re.search(rf"(fdatasync|fsync)\(\d+<[^>]*{file}>", line):
            if "unfinished" in line:
                began[thread] = (answers, written)
            else:
                flushed = flushed or written
        elif re.search(r"<\.\.\. (fdatasync|fsync) resumed>", line) and thread in began:
            flushed = flushed or began.pop(thread) == (answers, True)
        elif re.search(r"(sendto|write|writev|sendmsg)\(\d+<TCP", line) and f"HTTP/1.1 {status}" in line:
            assert written, f"an answer before anything was written:\n{line}"
            assert flushed, f"answered before the flush returned:\n{line}"
            answers += 1
            written = flushed = False
    return answers
