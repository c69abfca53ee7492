"""Reading what may be anything: lists of objects, texts."""

from __future__ import annotations

from typing import Any


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects in an array; nothing of anything else."""
    return [one for one in value if type(one) is dict] if type(value) is list else []


def numbered(value: Any, step: str) -> list[tuple[str, dict[str, Any]]]:
    """The objects in an array, each with its path: `.entry[3]`."""
    if type(value) is not list:
        return []
    return [(f"{step}[{index}]", one) for index, one in enumerate(value) if type(one) is dict]


def text(value: Any) -> str | None:
    """A string, or None."""
    return value if type(value) is str else None
