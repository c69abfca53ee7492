"""Profiles told as documents: the elements that a profile says something about, with what it says.

Must-support is an obligation whose meaning a guide explains in words; what a server can do is to show where it holds.
https://hl7.org/fhir/R4/conformance-rules.html#mustSupport
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

Body = dict[str, Any]

_SHOWN: Final = 12
"""Types and targets of one element that are listed."""


@dataclass(frozen=True, slots=True)
class Element:
    """One line of a profile's table. `depth`: how far below the resource; `must`: it must be supported."""

    name: str
    depth: int
    must: bool
    modifier: bool
    cardinality: str
    types: str
    value: str
    binding: str
    strength: str
    short: str


def elements(body: Body) -> list[Element]:
    """The elements of a StructureDefinition with a snapshot that it constrains, with what is above them, in order."""
    snapshot = body.get("snapshot", {}).get("element", ())
    said = {one.get("id") for one in body.get("differential", {}).get("element", ())}
    told = [one for one in snapshot if one.get("mustSupport") or one.get("id") in said or one.get("sliceName")]
    shown = {one.get("id") for one in told}
    for one in told:
        parts = str(one.get("id", "")).split(".")
        shown.update(".".join(parts[:end]) for end in range(2, len(parts)))
    return [_element(one) for one in snapshot if one.get("id") in shown and "." in str(one.get("id", ""))]


def _element(one: Body) -> Element:
    id = str(one["id"])
    binding = one.get("binding", {})
    value = next((_said(key, each) for key, each in one.items() if re.match("(fixed|pattern)[A-Z]", key)), "")
    return Element(
        id.partition(".")[2],
        id.count(".") - 1,
        bool(one.get("mustSupport")),
        bool(one.get("isModifier")),
        f"{one.get('min', 0)}..{one.get('max', '')}",
        ", ".join(_types(one)),
        value,
        str(binding.get("valueSet", "")),
        str(binding.get("strength", "")),
        " ".join(str(one.get("short", "")).split()),
    )


def _types(one: Body) -> Iterator[str]:
    if "contentReference" in one:
        yield f"as {str(one['contentReference']).partition('#')[2]}"
    types = one.get("type", ())
    for type in types[:_SHOWN]:
        code = str(type.get("code", "")).rpartition("/")[2].removeprefix("System.")
        meant = [name_of(url) for url in (*type.get("profile", ()), *type.get("targetProfile", ()))]
        yield f"{code}({' | '.join(meant[:_SHOWN])})" if meant else code
    if len(types) > _SHOWN:
        yield "…"


def name_of(canonical: str) -> str:
    """The last part of a canonical url, without the version."""
    return canonical.partition("|")[0].rstrip("/").rpartition("/")[2]


def _said(key: str, value: Any) -> str:
    word = "is" if key.startswith("fixed") else "like"
    return f"{word} {_plain(value)}"


def _plain(value: Any) -> str:
    if not isinstance(value, dict | list):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, list):
        return ", ".join(map(_plain, value[:_SHOWN]))
    if "coding" in value:
        return _plain(value["coding"])
    if "code" in value:
        return f"{value.get('system', '')}#{value['code']}"
    return ", ".join(f"{key}: {_plain(each)}" for key, each in list(value.items())[:_SHOWN])


def markdown(body: Body) -> str:
    """A profile as a page of Markdown."""
    title = str(body.get("title") or body.get("name") or body.get("url"))
    url, version = str(body.get("url", "")), str(body.get("version", ""))
    lines = [
        f"# {_cell(title)}",
        "",
        f"`{_cell(url)}`, version {_cell(version) or 'not given'}: a profile of {_cell(str(body.get('type', '')))}, "
        f"derived from `{_cell(str(body.get('baseDefinition', '')))}`.",
        "",
    ]
    if description := str(body.get("description", "")).strip():
        lines += [description, ""]
    lines += ["**S**: must be supported. **?!**: modifies the meaning of what is around it.", ""]
    lines += ["| Element | | Cardinality | Type | Binding or value | |", "|---|---|---|---|---|---|"]
    for one in elements(body):
        name = "\u00a0\u00a0" * one.depth + f"`{_cell(one.name)}`"
        flags = " ".join(flag for flag, on in (("**S**", one.must), ("?!", one.modifier)) if on)
        bound = f"{one.strength}: {one.binding}" if one.binding else ""
        cells = (one.cardinality, one.types, one.value or bound, one.short)
        lines.append(f"| {name} | {flags} | {' | '.join(map(_cell, cells))} |")
    lines += ["", *_constraints(body)]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Rule:
    """A constraint that a profile adds."""

    key: str
    element: str
    severity: str
    human: str


def rules(body: Body) -> list[Rule]:
    """The constraints that a profile adds, in the order of its differential."""
    return [
        Rule(_text(rule, "key"), _text(one, "id"), _text(rule, "severity"), _text(rule, "human"))
        for one in body.get("differential", {}).get("element", ())
        for rule in one.get("constraint", ())
    ]


def _constraints(body: Body) -> Iterator[str]:
    found = rules(body)
    if found:
        yield from ("## Rules", "", "| Rule | Element | Severity | |", "|---|---|---|---|")
        for one in found:
            yield f"| {' | '.join(map(_cell, (one.key, one.element, one.severity, one.human)))} |"
        yield ""


def overview(label: str, title: str, profiles: list[Body], files: list[str]) -> str:
    """The page that leads to those of a guide's profiles."""
    lines = [
        f"# {_cell(title)}",
        "",
        f"The profiles of `{label}`.",
        "",
        "| Profile | Type | Must-support | |",
        "|---|---|---|---|",
    ]
    for body, file in zip(profiles, files, strict=True):
        must = sum(one.must for one in elements(body))
        name, type, url = (
            _cell(str(body.get(key, ""))) for key in ("title" if "title" in body else "name", "type", "url")
        )
        lines.append(f"| [{name}]({file}) | {type} | {must} | `{url}` |")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    """Text that can't break out of a cell of a table, nor be read as markup of the page around it."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("`", "'").replace("<", "&lt;")


def _text(value: Body, name: str) -> str:
    return str(value.get(name, ""))
