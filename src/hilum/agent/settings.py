"""What a person sets: `agent.toml` in the agent's data folder. `hilum agent enroll` writes the first one.

[send]                    where batches go, and how: `hilum.agent.sending` reads it
[[source]]                one for each source; `kind` is the module of `hilum.agent.sources` that reads the rest
[[patient]]               whose readings are, where the far side is no gateway that knows
[queue]                   bytes, readings, at_once
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from hilum.agent.queue.durable import MOST_BYTES, MOST_READINGS
from hilum.problems import Misconfigured

NAME: Final = "agent.toml"
DATA: Final = Path("hilum-agent")
VARIABLE: Final = "HILUM_AGENT_DATA"
AT_ONCE: Final = 4
_TABLES: Final = {"send": dict, "queue": dict, "source": list, "patient": list}


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`bytes`: from which size of the queue's file on devices keep what they have. `readings`: in a batch at most,
    those that belong together apart. `at_once`: batches under way, each of another device.
    """

    bytes: int = MOST_BYTES
    readings: int = MOST_READINGS
    at_once: int = AT_ONCE

    def __post_init__(self) -> None:
        if self.bytes < 1 << 20 or not 1 <= self.readings <= 1000 or not 1 <= self.at_once <= 64:
            raise ValueError("expected bytes of 1048576 or more, readings of 1 to 1000, at_once of 1 to 64")


@dataclass(frozen=True, slots=True)
class Settings:
    """`data`: the folder. `table`: all of the file, as TOML has it. Paths in it are relative to the folder."""

    data: Path
    table: Mapping[str, Any]
    bounds: Bounds

    @property
    def sources(self) -> list[Mapping[str, Any]]:
        """One table for each."""
        return list(self.table.get("source", []))


def folder(given: Path | None) -> Path:
    """The data folder that is meant."""
    return given or Path(os.environ.get(VARIABLE) or DATA)


def read(data: Path) -> Settings:
    """Raises Misconfigured: there is none, or it says what nobody understands."""
    file = data / NAME
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise Misconfigured(f"There is no {file}: `hilum agent enroll` writes it, or choose another --data.") from None
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise Misconfigured(f"{file} is not TOML: {error}") from None
    for name, value in table.items():
        if name not in _TABLES:
            raise Misconfigured(f"{file}: {name}: expected one of {', '.join(_TABLES)}")
        if not isinstance(value, _TABLES[name]):
            brackets = f"[[{name}]]" if _TABLES[name] is list else f"[{name}]"
            raise Misconfigured(f"{file}: {name}: expected {brackets}")
    for name in ("source", "patient"):
        if not all(isinstance(one, dict) for one in table.get(name, [])):
            raise Misconfigured(f"{file}: {name}: expected [[{name}]]")
    try:
        bounds = msgspec.convert(table.get("queue", {}), Bounds)
    except (msgspec.ValidationError, ValueError) as error:
        raise Misconfigured(f"{file}: queue: {error}") from None
    return Settings(data, table, bounds)
