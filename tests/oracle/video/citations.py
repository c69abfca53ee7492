"""Citations, followed: the version is there and holds, the path leads to that value, and the words are what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.oracle.video.record import Body, Record, at, plain, words
from tests.oracle.video.supports import (
    Key,
    Support,
    concept,
    dosed,
    duration,
    moment,
    quantity,
    site,
    stated,
    timing,
    weekday,
)
from tests.oracle.video.words import Reading


def wrong_citations(sentence: Body, record: Record, language: str) -> Iterator[str]:
    """Why a sentence's citations do not hold."""
    for cite in sentence.get("cites", ()):
        reference, path, told = cite["reference"], cite["path"], cite.get("said", "")
        if reference not in record.references:
            yield f"{reference} is no version that holds"
            continue
        body = record.versions[reference]
        try:
            value = at(body, path)
        except (LookupError, TypeError):
            yield f"{path} leads nowhere"
            continue
        if not same(value, cite["value"]):
            yield f"{path} has another value"
        elif told and not any(places(told, sentence["text"])):
            yield f"{told!r} is not in the text"
        elif told and not says(body, path, value, told, language):
            yield f"{path} does not say {told!r}"


def places(told: str, text: str) -> Iterator[re.Match[str]]:
    """Where words stand in a text, and are not the end of a longer word or number."""
    return re.finditer(rf"(?<!\w)(?<!\d[.,]){re.escape(told)}(?!\w)", text)


def same(one: Any, other: Any) -> bool:
    """Equal as JSON, digit by digit."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and str(one) == str(other)


def says(body: Body, path: str, value: Any, told: str, language: str) -> bool:
    """Whether these words are what the value says."""
    support = _of(body, path, value)
    reading = Reading(told, language, support.strings)
    stray = [one for one in reading.facts if weekday(one.key) not in support.facts and not one.means(support.words)]
    return not stray and bool(reading.told or reading.facts)


def _of(body: Body, path: str, value: Any) -> Support:
    """What a value may be said as."""
    if ".timing" in path:
        whole = at(body, path.partition(".timing")[0])
        return stated(_timed(whole, path.rpartition(".")[2], value))
    if path.endswith(".route"):
        whole = at(body, path.rpartition(".")[0])
        return next((one for one in dosed(whole, 0) if one.label[0] == "dose"), Support())
    if isinstance(value, bool):
        return stated({("needed",)})
    if isinstance(value, dict) and "value" in value:
        facts, strings = quantity(value)
        if (not facts and not value.get("unit")) or duration(value)[2] in ("s", "min", "h", "d", "wk", "mo", "a"):
            facts = {duration(value)}
        return Support(facts=frozenset(facts), strings=frozenset(strings))
    if isinstance(value, dict):
        made, place = concept(value), site(value, more=(body.get("code"),))
        return Support(strings=made.strings, facts=place.facts | made.facts, words=made.words)
    if isinstance(value, (int, Decimal)):
        return Support()
    if re.fullmatch(r"\d{4}-\d\d-\d\d(?:T.*)?", value):
        return stated(moment(value))
    if path.endswith(".code") and ".coding[" in path:
        return concept(at(body, path.rpartition(".coding[")[0]))
    text = plain(value)
    parts = re.split(r"(?<=[.!?]) ", text) if path.endswith("nstruction") else []
    return Support(strings=frozenset({text, *parts, *words({"text": text})}))


def _timed(dosage: Body, name: str, value: Any) -> set[Key]:
    repeat = dosage["timing"].get("repeat", {})
    if name in ("start", "end"):
        return moment(value, timed=False)
    if name == "boundsDuration" or name == "bounds":
        return {duration(value)}
    if name == "count":
        return {("times", str(value))}
    found = timing(dosage["timing"])
    often = next((key for key in found if key[0] == "often"), None)
    if often is not None:  # how many times, and in how long, are said by an element each
        found |= {("times", often[1]), ("often", "1", *often[2:])}
    return found if repeat or name == "code" else set()


def uncited(sentence: Body, reading: Reading) -> Iterator[str]:
    """Facts and words of the record that stand outside the words of all citations."""
    text = sentence["text"]
    cited = {
        n
        for cite in sentence.get("cites", ())
        if cite.get("said")
        for found in places(cite["said"], text)
        for n in range(*found.span())
    }
    when_needed = any(".asNeeded" in cite["path"] for cite in sentence.get("cites", ()))
    for fact in reading.facts:
        if fact.kind == "needed" and when_needed:
            continue
        if not cited & set(range(fact.start, fact.end)):
            yield fact.text
    for told in reading.told:
        if not any(cited >= set(range(*found.span())) - _spaces(text) for found in places(told, text)):
            yield told


def _spaces(text: str) -> set[int]:
    return {n for n, one in enumerate(text) if one.isspace()}
