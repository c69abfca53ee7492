"""The requests that a search of a profile must answer, made from the values of one resource that it must find."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Any

from tests.conformance.us_core.elements import Body, read
from tests.conformance.us_core.metadata import PREFIXES, Case, Parameter

Pairs = list[tuple[str, str]]

DATES = frozenset(("date", "dateTime", "instant", "Period"))
TOKENS = frozenset(("CodeableConcept", "Coding", "Identifier", "code"))


def escape(text: str) -> str:
    r"""https://hl7.org/fhir/R4/search.html#escaping"""
    for letter in "\\,|$":
        text = text.replace(letter, "\\" + letter)
    return text


def values(resource: Body, parameter: Parameter) -> list[Any]:
    """What the resource says where the parameter looks; of codes and identifiers what has a code or value."""
    found = [value for path in parameter.paths for value in read(resource, path)]
    if parameter.type == "CodeableConcept":
        found = [coding for value in found for coding in value.get("coding", ())]
    if parameter.type in ("CodeableConcept", "Coding"):
        return [value for value in found if "code" in value]
    if parameter.type == "Reference":
        return [value["reference"] for value in found if "/" in value.get("reference", "")]
    if parameter.type == "Identifier":
        return [{"system": value.get("system"), "code": value["value"]} for value in found if "value" in value]
    if parameter.type in DATES:
        moments = [value if isinstance(value, str) else value.get("start") or value.get("end") for value in found]
        return [moment for moment in moments if isinstance(moment, str) and moment[:1].isdigit()]
    return found


def spellings(parameter: Parameter, value: Any, base: str) -> list[tuple[str, str]]:
    """(modifier, text): every way to ask for one value; the simplest first."""
    match parameter.type:
        case "Reference":
            return [("", value.rpartition("/")[2]), ("", value), ("", f"{base}/{value}")]
        case "CodeableConcept" | "Coding" | "Identifier":
            code = escape(value["code"])
            return [("", code), ("", f"{escape(value.get('system') or '')}|{code}")]
        case "HumanName":
            names = [value["family"], *value.get("given", ())] if "family" in value else value["given"]
            return [pair for name in names for pair in _texts(name)]
        case "Address":
            parts = [value[part] for part in ("city", "state", "postalCode") if part in value]
            return [pair for part in [*parts, *value.get("line", ())] for pair in _texts(part)]
        case "string":
            return _texts(value)
        case "canonical":
            return [("", value), ("", value.partition("|")[0])]
        case _:
            return [("", escape(value))]


def _texts(text: str) -> list[tuple[str, str]]:
    plain = escape(text)
    half = escape(text[: len(text) // 2 + 1])
    return [
        ("", plain),
        ("", half.upper()),
        ("", half.lower()),
        ("exact", plain),
        ("contains", escape(text[1:4] or text)),
    ]


def simple(parameter: Parameter, resource: Body, base: str) -> tuple[str, str]:
    """One name=value that must find the resource."""
    value = values(resource, parameter)[0]
    if parameter.type in DATES:
        exact = parameter.code == "_lastUpdated" or ("T" in value and not value.endswith("Z"))
        return parameter.code, f"{_direction(parameter, resource)}{value if exact else value[:10]}"
    _, text = spellings(parameter, value, base)[0]
    return parameter.code, text


def _direction(parameter: Parameter, resource: Body) -> str:
    """A Period is found by where it begins, or, where it doesn't, by where it ends; the rest by what is written."""
    found = [value for path in parameter.paths for value in read(resource, path) if isinstance(value, dict)]
    return "" if not found else "ge" if "start" in found[0] else "le"


def plain(case: Case, resource: Body, base: str) -> Pairs:
    """The search as the guide writes it."""
    return [simple(parameter, resource, base) for parameter in case.parameters]


def _but(pairs: Pairs, code: str, *instead: tuple[str, str]) -> Pairs:
    """The same pairs with others in the place of one."""
    return [new for pair in pairs for new in (instead if pair[0] == code else (pair,))]


def otherwise(case: Case, resource: Body, base: str) -> Iterator[Pairs]:
    """The same search, its values spelled in every other way."""
    pairs = plain(case, resource, base)
    for parameter in case.parameters:
        if parameter.type not in DATES:
            for value in values(resource, parameter):
                for modifier, text in spellings(parameter, value, base):
                    name = f"{parameter.code}:{modifier}" if modifier else parameter.code
                    if (name, text) not in pairs:
                        yield _but(pairs, parameter.code, (name, text))
    yield [*pairs, ("_total", "accurate"), ("_count", "2")]


def dates(case: Case, resource: Body, base: str) -> Iterator[Pairs]:
    """Every prefix, with the date as it is written, less and more precisely, the day before and the day after."""
    pairs = plain(case, resource, base)
    for parameter in case.parameters:
        if parameter.type in DATES:
            for value in values(resource, parameter)[:1]:
                for moment in moments(value):
                    yield _but(pairs, parameter.code, (parameter.code, moment))
                    for prefix in PREFIXES:
                        if prefix == "ap" and parameter.code == "_lastUpdated":
                            continue  # it reaches a tenth of seconds that pass between here and there
                        yield _but(pairs, parameter.code, (parameter.code, prefix + moment))
                year, *_ = value.split("-")
                window = ((parameter.code, f"ge{year}"), (parameter.code, f"lt{int(year) + 1}-02"))
                yield _but(pairs, parameter.code, *window)
                yield _but(pairs, parameter.code, (parameter.code, f"gt{value}"), (parameter.code, f"lt{value}"))


def moments(value: str) -> list[str]:
    """A date as it is written and at other precisions and places."""
    found = [value, value[:4], value[:7]]
    if len(value) >= 10:
        day = date.fromisoformat(value[:10])
        found += [str(day), str(day - timedelta(1)), str(day + timedelta(1)), f"{day}T12:00:00Z", f"{day}T12:00+02:00"]
    return list(dict.fromkeys(found))


def several(case: Case, resource: Body, others: list[Body], base: str, chance: Random) -> Iterator[Pairs]:
    """One of several values, all of several values, none of them."""
    pairs = plain(case, resource, base)
    for parameter in case.parameters:
        code = parameter.code
        mine = simple(parameter, resource, base)[1]
        having = [one for one in others if values(one, parameter)]
        foreign = [simple(parameter, one, base)[1] for one in chance.sample(having, min(4, len(having)))]
        known = list(dict.fromkeys([mine, *foreign, *(parameter.values if parameter.type == "code" else ())]))
        yield _but(pairs, code, (code, ",".join(known[:2])))
        yield _but(pairs, code, (code, ",".join(known)))
        if len(known) > 1:
            yield _but(pairs, code, (code, known[1]))
            yield _but(pairs, code, (code, mine), (code, known[1]))
        if parameter.type in TOKENS:
            yield _but(pairs, code, (f"{code}:not", mine))
            yield _but(pairs, code, (f"{code}:not", ",".join(known[1:] or ["no-such-code"])))
            both = [spellings(parameter, value, base)[-1][1] for value in values(resource, parameter)]
            yield _but(pairs, code, *((code, text) for text in both))
        elif parameter.type not in ("http://hl7.org/fhirpath/System.String",) and code != "_lastUpdated":
            yield _but(pairs, code, (f"{code}:missing", "false"))


def narrowed(case: Case, resource: Body, others: list[Body], base: str, chance: Random) -> Iterator[Pairs]:
    """By id and by when it was changed, beside the search itself."""
    pairs = plain(case, resource, base)
    at = resource["meta"]["lastUpdated"]
    ids = [resource["id"], *(one["id"] for one in chance.sample(others, min(3, len(others))))]
    yield [*pairs, ("_id", resource["id"])]
    yield [*pairs, ("_id", ",".join(ids))]
    yield [("_id", resource["id"])]
    yield [*pairs, ("_id", "no-such-id")]
    for moment in (at, at[:19] + "Z", at[:10]):
        for prefix in ("", "gt", "ge", "lt", "le"):
            yield [*pairs, ("_lastUpdated", prefix + moment)]


def chained(case: Case, resource: Body, target: Body, base: str) -> Iterator[Pairs]:
    """By what the resource refers to: the chains of the guide, and for patients who they are."""
    pairs = plain(case, resource, base)
    type = target["resourceType"]
    for parameter in case.parameters:
        for link in chains(parameter):
            probe = Parameter(link, (link,), LINKS[link], (), "", (), {})
            for value in values(target, probe)[:1]:
                for modifier, text in spellings(probe, value, base)[:2]:
                    assert not modifier
                    yield _but(pairs, parameter.code, (f"{parameter.code}.{link}", text))
                    yield _but(pairs, parameter.code, (f"{parameter.code}:{type}.{link}", text))


LINKS = {"identifier": "Identifier", "name": "HumanName"}


def chains(parameter: Parameter) -> tuple[str, ...]:
    """What may follow a reference."""
    return parameter.chain or (("identifier", "name") if parameter.code == "patient" else ())


def included(case: Case, resource: Body, base: str) -> Iterator[Pairs]:
    """With what refers to the matches and what they refer to."""
    pairs = plain(case, resource, base)
    forward = [("_include", text) for text in case.profile.includes]
    back = [("_revinclude", text) for text in case.profile.revincludes]
    for one in back + forward:
        yield [*pairs, one]
    if len(back + forward) > 1:
        yield [*pairs, *back, *forward]
    if back:
        yield [*pairs, *back, ("_count", "2")]


def says(resource: Body, parameter: Parameter, text: str) -> bool:
    """Inferno's look at what was found: is the searched value where the parameter looks? (Of dates: is one there?)"""
    found = values(resource, parameter)
    match parameter.type:
        case "Reference":
            return any(value.endswith(f"/{text}") for value in found)
        case "CodeableConcept" | "Coding" | "Identifier":
            return any(escape(value["code"]) == text for value in found)
        case "HumanName" | "Address" | "string":
            return any(text.casefold() in str(value).casefold() for value in found)
        case "canonical":
            return any(value.startswith(text) for value in found)
        case _:
            return bool(found) if parameter.type in DATES else any(escape(value).startswith(text) for value in found)
