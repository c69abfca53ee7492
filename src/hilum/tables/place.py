"""Where something stands in a table, and what is wrong there: file, tables and keys, what was expected and found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from hilum.problems import Misconfigured

Text = TypeVar("Text", bound=str)
_MOST: Final = 40
_KINDS: Final = {dict: "a table", list: "a list", type(None): "nothing"}
_UNSAID: Final = object()


@dataclass(frozen=True, slots=True)
class Place:
    """`file`: as a message begins, `Recipe recipes/visits.toml`. `key`: the tables and keys down to it; "" for all of
    the file.
    """

    file: str
    key: str = ""

    def at(self, key: str) -> Place:
        """What stands there under this key."""
        return Place(self.file, f"{self.key}.{key}" if self.key else key)

    def wrong(self, what: str, found: object = _UNSAID) -> Misconfigured:
        """`what`: goes on from the key: `must be a text`. `found`: what stands there; None for nothing."""
        end = "" if found is _UNSAID else f"; found {_said(found)}"
        return Misconfigured(f"{self.file}: {self.key or 'the file'} {what.removesuffix('.')}{end}.")

    def known(self, table: Any, keys: Iterable[str]) -> Mapping[str, Any]:
        """The table, which has no other keys. Raises Misconfigured, as all do that follow."""
        if type(table) is not dict:
            raise self.wrong("must be a table", table)
        for key in table:
            if key not in keys:
                raise self.at(key).wrong(f"is not known; known here: {', '.join(keys)}")
        return table

    def tables(self, value: Any) -> list[tuple[Place, Any]]:
        """Each of a list of tables, with its place."""
        if type(value) is not list:
            raise self.wrong(f"must be tables: [[{self.key}]]", value)
        return [(Place(self.file, f"{self.key}[{number}]"), one) for number, one in enumerate(value, 1)]

    def text(self, value: Any) -> str:
        """A text that says something."""
        if type(value) is not str or not value.strip():
            raise self.wrong("must be a text", value)
        return value

    def texts(self, value: Any, among: Collection[str] = ()) -> tuple[str, ...]:
        """One text or more, each once. `among`: those that there are, where not any will do."""
        if type(value) is not list or not value or not all(type(one) is str for one in value):
            raise self.wrong(f"must be a list of {', '.join(among) or 'texts'}", value)
        for one in value:
            if among and one not in among:
                raise self.wrong(f"must be a list of {', '.join(among)}", one)
        return tuple(dict.fromkeys(value))

    def one_of(self, value: Any, among: Collection[Text]) -> Text:
        """One of these texts."""
        for one in among:
            if one == value:
                return one
        raise self.wrong(f"must be one of {', '.join(filter(None, among))}", value)

    def whole(self, value: Any, least: int, most: int) -> int:
        """A whole number."""
        if type(value) is not int or not least <= value <= most:
            raise self.wrong(f"must be a whole number from {least} to {most}", value)
        return value

    def flag(self, value: Any) -> bool:
        """True or false."""
        if type(value) is not bool:
            raise self.wrong("must be true or false", value)
        return value


def _said(value: object) -> str:
    if type(value) in _KINDS:
        return _KINDS[type(value)] if value or value is None else f"{_KINDS[type(value)]} that is empty"
    if type(value) is bool:
        return str(value).lower()
    return repr(value[:_MOST]) if isinstance(value, str) else str(value)[:_MOST]
