"""Roles, read by hand from a `roles.toml`: what people may do, whatever an app was granted."""

from __future__ import annotations

import tomllib
from typing import Any, NamedTuple
from urllib.parse import parse_qsl


class Rule(NamedTuple):
    """`types`: names or `*`, less `but`. `own`: only in the record of the person. `search`: only what this finds."""

    types: frozenset[str]
    letters: frozenset[str]
    but: frozenset[str] = frozenset()
    own: bool = False
    search: tuple[tuple[str, str], ...] = ()


class Role(NamedTuple):
    """`shared`: which types may be asked for by name instead of the usual ones; None: the usual ones."""

    rules: tuple[Rule, ...]
    shared: frozenset[str] | None = None


def read(text: str) -> dict[str, Role]:
    """Every role of a file by its name."""
    return {name: _role(table) for name, table in tomllib.loads(text).items()}


def _role(table: dict[str, Any]) -> Role:
    shared = table.get("shared")
    return Role(tuple(map(_rule, table.get("rules", []))), None if shared is None else frozenset(shared))


def _rule(table: dict[str, Any]) -> Rule:
    types = frozenset({"*"}) if table["types"] == "*" else frozenset(table["types"])
    search = tuple(parse_qsl(table.get("search", ""), keep_blank_values=True))
    return Rule(types, frozenset(table["may"]), frozenset(table.get("but", [])), table.get("within") == "own", search)
