"""The `hilum` command. Faults of the set-up or of the input end in one clear line, never in a traceback."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script. Exit status: 0 done, 1 something was refused or unsound, 2 a wrong command or set-up."""
    from hilum.cli.commands import app
    from hilum.cli.terminal import fail
    from hilum.problems import Misconfigured, Problem

    try:
        app(prog_name="hilum")
    except Misconfigured as problem:
        sys.exit(fail(problem, status=2))
    except Problem as problem:
        sys.exit(fail(problem, status=1))
    except PermissionError as error:
        sys.exit(
            fail(f"No permission for {error.filename}. Run as its owner, or choose another with --data.", status=2)
        )
    except BrokenPipeError:  # `hilum … | head`: the reader has seen enough
        sys.stderr.close()
        sys.exit(0)
