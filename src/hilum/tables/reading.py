"""A file of tables, read: the table that it is, or what is made of each of its tables."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from hilum.problems import Invalid, Misconfigured

T = TypeVar("T")


def parsed(text: str, file: str) -> dict[str, Any]:
    """The table of a text. `file`: as a message begins. Raises Misconfigured."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{file} is not TOML: {error}.") from None


def text(path: Path, file: str) -> str:
    """The text of a file; "" where there is none. Raises Misconfigured."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeError):
        raise Misconfigured(f"{file} can't be read: expected a file of UTF-8 text.") from None


def converted(table: Any, type: type[T]) -> T:
    """The table as a Struct, whose keys and types it has to have. Raises Invalid."""
    try:
        return msgspec.convert(table, type)
    except msgspec.ValidationError as error:
        raise Invalid(f"a key is wrong: {error}.") from None


def each(path: Path, made: Callable[[str, Any], T]) -> Mapping[str, T]:
    """What is made of each table of a file, by its name; none where there is no file. `made`: of a name and a table;
    raises Invalid.

    Raises Misconfigured naming the file, the line, the table and what `made` said.
    """
    said = text(path, str(path))
    found: dict[str, T] = {}
    for name, table in parsed(said, str(path)).items():
        try:
            found[name] = made(name, table)
        except Invalid as problem:
            line = _line(said, name)
            raise Misconfigured(f"{path}, line {line} and below, [{name[:64]}]: {problem}") from None
    return MappingProxyType(found)


def secret_of(folder: Path, key: str, name: str) -> str:
    """The text of the file of this name in a folder, which a key of a table there names. Raises Invalid, which does not
    tell the name: somebody may have written the secret itself in its place.
    """
    try:
        return (folder / name).read_text("utf-8").strip()
    except (OSError, UnicodeError, ValueError):
        raise Invalid(f"{key} names no file that can be read: expected one of UTF-8 text in {folder}.") from None


def _line(text: str, name: str) -> int:
    header = re.compile(rf"\s*\[\s*[\"']?{re.escape(name)}[\"']?\s*[\].]")
    return next((number for number, one in enumerate(text.splitlines(), 1) if header.match(one)), 1)
