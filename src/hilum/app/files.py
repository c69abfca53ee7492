"""Room for connections: each is an open file, and a process may have only so many.

https://pubs.opengroup.org/onlinepubs/9799919799/functions/getrlimit.html
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

RESERVED: Final = 512
"""Open files beside connections: the store, its readers and log, libraries, and who is being turned away."""


def room(connections: int) -> int:
    """How many of these connections fit, once this process (and those that it starts) may open as many files as needed.

    The soft limit, 1024 on most systems, is raised as far as the hard one lets it. At least a few connections are left.
    """
    if os.name != "posix":  # Windows has no such limit
        return connections
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + RESERVED
    if resource.RLIM_INFINITY != soft < needed:
        wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(ValueError, OSError):  # macOS has another limit above this one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    if soft == resource.RLIM_INFINITY:
        return connections
    return min(connections, max(soft - RESERVED, soft // 4))
