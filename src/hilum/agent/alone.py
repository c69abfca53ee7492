"""`hilum` where only the agent is installed: the wheel hilum-agent. The same command as hilum's, `hilum agent …`."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

from hilum import __version__

_HELP: Final = f"""hilum-agent {__version__}: the part of hilum that runs beside devices.

  hilum agent --help    its commands
  hilum --version

Servers, loading and all else come with `pip install hilum`, in an environment of its own.
"""


def main() -> None:
    """Exit status: the agent's; 2: another command."""
    match sys.argv[1:]:
        case ["agent", *rest]:
            sys.argv[1:] = rest
            import_module("hilum.agent.cli").main()
        case ["--version", *_]:
            print(f"hilum-agent {__version__}")
        case [] | ["-h" | "--help", *_]:
            print(_HELP, end="")
        case [other, *_]:
            print(
                f"hilum: this is hilum-agent, which has no command {other[:40]!r}.\n\n{_HELP}", end="", file=sys.stderr
            )
            sys.exit(2)
