"""Numbers for hierarchies, sets of concepts, words, regular expressions and systems that are rules."""

from __future__ import annotations

import random
import time
from array import array

import pytest

from hilum.problems import Invalid
from hilum.terminology import bits, grammars, numbering, regexes
from hilum.terminology.concepts import WORD
from hilum.terminology.numbering import numbered
from hilum.terminology.resource import Resource
from hilum.terminology.rows import Plan
from hilum.terminology.words import span, wanted, words

ANIMALS = {
    "url": "http://animals",
    "concept": [
        {"code": "bird", "concept": [{"code": "owl"}, {"code": "duck"}]},
        {"code": "fish", "concept": [{"code": "eel", "property": [{"code": "parent", "valueCode": "snake"}]}]},
        {"code": "snake", "property": [{"code": "child", "valueCode": "adder"}]},
        {"code": "adder"},
    ],
}


def reached(start: int, step: list[list[int]]) -> set[int]:
    found, waiting = {start}, [start]
    while waiting:
        for one in step[waiting.pop()]:
            if one not in found:
                found.add(one)
                waiting.append(one)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_what_is_under_and_over_a_concept_is_what_a_walk_finds(seed: int) -> None:
    dice = random.Random(seed)
    size = dice.randint(1, 60)
    circles = seed % 4 == 0
    parents = [
        [p for p in range(size if circles else one) if p != one and dice.random() < 2 / size] for one in range(size)
    ]
    children: list[list[int]] = [[] for _ in parents]
    for one, over in enumerate(parents):
        for p in over:
            children[p].append(one)
    made = numbered(parents)
    assert sorted(made.number) == list(range(size))
    index = {n: one for one, n in enumerate(made.number)}
    for one in range(size):
        n = made.number[one]
        under = {index[m] for m in bits.each(bits.union([made.under[n]]))}
        over = {index[m] for m in bits.numbers(made.over[n])} | {one}
        assert under == reached(one, children)
        assert over == reached(one, parents)
        assert {index[m] for m in made.parents[n]} == set(parents[one])
        assert {index[m] for m in range(n, made.last[n] + 1)} <= under


@pytest.mark.parametrize("circle", [False, True])
def test_a_hierarchy_that_is_too_deep_is_refused(monkeypatch: pytest.MonkeyPatch, *, circle: bool) -> None:
    parents = [[n - 1] if n else [29] if circle else [] for n in range(30)]
    monkeypatch.setattr(numbering, "MOST_OVER", 30 * 29)
    numbering.numbered(parents)
    monkeypatch.setattr(numbering, "MOST_OVER", (30 * 29 if circle else 30 * 29 // 2) - 1)
    with pytest.raises(Invalid, match="too deep"):
        numbering.numbered(parents)


def test_a_hierarchy_is_nested_or_written_by_properties() -> None:
    plan = Plan(Resource(ANIMALS))
    rows = {row.code: row for row in plan.rows()}
    by = {row.n: code for code, row in rows.items()}

    def named(data: bytes) -> set[str]:
        return {by[n] for n in bits.numbers(data)}

    def under(code: str) -> set[str]:
        return {by[n] for n in bits.each(bits.union([rows[code].under]))}

    assert under("bird") == {"bird", "owl", "duck"}
    assert under("snake") == {"snake", "eel", "adder"}
    assert named(rows["eel"].over) == {"fish", "snake"}
    assert [row.n for row in rows.values()] == [0, 1, 2, 3, 4, 5, 6]


def test_a_code_that_is_defined_twice_is_refused() -> None:
    with pytest.raises(Invalid, match="defined twice"):
        Plan(Resource({"concept": [{"code": "a"}, {"code": "a"}]}))


@pytest.mark.parametrize("seed", range(10))
def test_a_posting_is_the_set_that_it_was_made_of(seed: int) -> None:
    dice = random.Random(seed)
    size = 5000
    some = sorted(dice.sample(range(size), dice.choice([0, 1, 7, 100, 4000, size])))
    found = bits.union([bits.posting(array("I", some), size)])
    assert (list(bits.each(found)), found.bit_count()) == (some, len(some))
    assert list(bits.each(found, 3, 10)) == some[3:13]
    assert bits.of(some) == found
    assert all(bits.has(found, n) for n in some)


def test_words_are_found_by_how_they_begin_without_accents_and_case() -> None:
    assert words("Ménière's disease, NOS (H81.0)") == ["meniere", "s", "disease", "nos", "h81", "0"]
    assert wanted("dis  MEN men") == ["dis", "men"]
    plan = Plan(Resource({"concept": [{"code": "a", "display": "Ménière"}, {"code": "b", "display": "Mensch"}]}))
    list(plan.rows())
    keys = sorted(one.key for one in plan.postings() if one.kind == WORD)

    def found(word: str) -> list[str]:
        low, high = span(word)
        return [key for key in keys if low <= key <= high]

    assert found("men") == ["men*"]
    assert found("menier") == ["meniere"]
    assert found("mensch") == ["mensch"]
    assert found("mx") == []


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("a.*", "abc", True),
        ("a.*", "ba", False),
        (r"[0-9]{2,4}", "123", True),
        ("(x|y)+z", "xyz", True),
        ("a?", "", True),
    ],
)
def test_a_regex_matches_the_whole_value(pattern: str, value: str, *, matches: bool) -> None:
    assert (regexes.matching(regexes.compiled(pattern), [value]) == [0]) is matches


@pytest.mark.parametrize(
    "pattern", [".?" * 60 + "!", "(a|b|.)" * 28, "a{0,64}" * 25, "(a+)+b", ".*.*.*.*c", "((a|b)*c)*"]
)
def test_a_regex_ends_soon_whatever_it_repeats(pattern: str) -> None:
    began = time.process_time()
    assert regexes.matching(regexes.compiled(pattern), ["a" * 199 + "!", "ab" * 100]) in ([], [0])
    assert time.process_time() - began < 5


@pytest.mark.parametrize("pattern", ["(", "(?=a)a", r"(a)\1", "x" * 201, "a{1001}", "(a{9}){999}", "\ud800"])
def test_a_regex_that_is_none_of_re2_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid, match="regex"):
        regexes.compiled(pattern)


def test_a_large_regex_looks_through_few_values() -> None:
    pattern = regexes.compiled("(?:.{0,100}){0,9}!")
    assert regexes.matching(pattern, ["a!", "\ud800!", "x" * 201]) == [0]
    with pytest.raises(Invalid, match="too large"):
        regexes.matching(pattern, ["ab" * 100] * 1000)


@pytest.mark.parametrize(
    ("system", "right", "wrong"),
    [
        (grammars.UCUM, ["mg/dL", "mm[Hg]", "{score}", "10*3/uL", "%", "/min"], ["foo", "kg m", "", "milligram"]),
        (
            grammars.BCP47,
            ["en", "en-US", "de-CH-1996", "zh-Hant-TW", "x-mine", "sr-Latn"],
            ["e", "en_US", "qq", "en-XQ"],
        ),
        (grammars.BCP13, ["text/plain", "application/fhir+json", "text/html; charset=utf-8"], ["text", "a b/c", "/x"]),
        (grammars.COUNTRIES, ["US", "DEU", "276"], ["XQ", "us", ""]),
        (grammars.SUBDIVISIONS, ["US-CA", "DE-BY"], ["XQ-1", "US"]),
        (grammars.ZONES, ["Europe/Berlin"], ["Europe/Nowhere"]),
        (grammars.URIS, ["urn:x:y", "http://a.b/c"], ["no uri", "x"]),
    ],
)
def test_systems_that_are_rules(system: str, right: list[str], wrong: list[str]) -> None:
    assert grammars.known(system)
    assert [grammars.judge(system, code) for code in right] == [True] * len(right)
    assert [grammars.judge(system, code) for code in wrong] == [False] * len(wrong)
    assert grammars.judge("http://nowhere", "x") is None
