"""What `agent.toml` says of a source: a Struct with its keys and types, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from hilum.problems import Misconfigured

T = TypeVar("T")
_OTHERS: Final = 0o077


def settled(name: str, table: Mapping[str, Any], type: type[T]) -> T:
    """The table as that Struct. `name`: of the source; its `kind` and `name` may stand in the table. Raises
    Misconfigured."""
    try:
        return msgspec.convert({key: one for key, one in table.items() if key not in ("kind", "name")}, type)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"Source {name}: {error}.") from None


def secret(name: str, key: str, path: str) -> str:
    """What a file holds that only its owner may read. Raises Misconfigured."""
    file = Path(path)
    try:
        if file.stat().st_mode & _OTHERS:
            raise Misconfigured(f"Source {name}: {key}: others may read {path}; expected mode 0600: chmod 600 {path}")
        return file.read_text("utf-8").strip("\r\n")
    except (OSError, UnicodeError):
        raise Misconfigured(f"Source {name}: {key}: {path} can't be read; expected a file of UTF-8 text.") from None
