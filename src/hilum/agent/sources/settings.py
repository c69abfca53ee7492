"""What `agent.toml` says of a source: a Struct with its keys and types, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import getnode

import msgspec

from hilum.problems import Misconfigured

T = TypeVar("T")
_ALL: Final = ("kind", "name", "system_id")
"""Keys of every source."""
_OTHERS: Final = 0o077
_MACHINE: Final = Path("/etc/machine-id")
_LOCAL: Final = 0x02
"""Of the first byte of an EUI: not from a maker's range."""


def named(table: Mapping[str, Any]) -> tuple[str, bytes]:
    """What a source is called, and the EUI-64 that it gives devices as the gateway's: `system_id`, or one that stays
    the same on this machine. Raises Misconfigured.
    """
    name, said = table.get("name", table.get("kind", "source")), table.get("system_id", "")
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= 64:
        raise Misconfigured("[[source]]: name: expected a short text.")
    if said == "":
        return name, _ours()
    try:
        system_id = bytes.fromhex(said.replace("-", ""))
    except (AttributeError, ValueError):
        system_id = b""
    if len(system_id) != 8:
        raise Misconfigured(f"Source {name}: system_id: expected an EUI-64 such as FE-ED-AB-EE-DE-AD-77-C3.")
    return name, system_id


def _ours() -> bytes:
    """Of the machine, which does not tell its id to others: machine-id(5)."""
    try:
        machine = _MACHINE.read_bytes().strip()
    except OSError:
        machine = b""
    made = sha256(b"hilum-agent" + (machine or getnode().to_bytes(8, "big"))).digest()[:8]
    return bytes([made[0] & 0xFE | _LOCAL]) + made[1:]


def settled(name: str, table: Mapping[str, Any], type: type[T]) -> T:
    """The table as that Struct. `name`: of the source. Raises Misconfigured."""
    try:
        return msgspec.convert({key: one for key, one in table.items() if key not in _ALL}, type)
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
