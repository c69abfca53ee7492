"""How a setting is documented, and how its text becomes its value."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Form(NamedTuple):
    """How a setting's text becomes its value (`read` raises ValueError), and what it must look like, for messages."""

    expects: str
    read: Callable[[str], Any]


class Entry(NamedTuple):
    """One setting as it is documented: its flag, form and meaning."""

    flag: str
    form: Form
    help: str

    @property
    def variable(self) -> str:
        """The environment variable: `--max-body-bytes` is HILUM_MAX_BODY_BYTES."""
        return "HILUM_" + self.flag.split("/")[0].removeprefix("--").replace("-", "_").upper()


def number(low: int, high: int) -> Form:
    """A whole number of this range."""

    def read(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(value)
        return value

    return Form(f"a whole number from {low} to {high}", read)


def one_of(*choices: str) -> Form:
    """One of these words."""

    def read(text: str) -> str:
        return choices[choices.index(text.strip().lower())]

    return Form(" or ".join(choices), read)


def _switch(text: str) -> bool:
    return ("off", "false", "no", "0", "on", "true", "yes", "1").index(text.strip().lower()) >= 4


def _networks(text: str) -> str:
    for part in filter(None, text.split(",")):
        ipaddress.ip_network(part.strip())
    return text.strip()


TEXT = Form("text", str.strip)
NETWORKS = Form("networks such as 10.0.0.0/8, separated by commas", _networks)
SWITCH = Form("on or off", _switch)
FOLDER = Form("a folder", lambda text: Path(text).expanduser())
