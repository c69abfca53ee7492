"""Programs that stand in for ffmpeg, espeak-ng and piper: to see what is asked of them, and to fail."""

from __future__ import annotations

import sys
from pathlib import Path


def program(folder: Path, name: str, body: str) -> Path:
    """A script in Python, as a program in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!{sys.executable} -IS\nimport json, os, struct, sys, time\n{body}")
    path.chmod(0o755)
    return path
