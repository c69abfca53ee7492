"""Hierarchies of codes and expansions of value sets. https://hl7.org/fhir/R4/valueset.html#expansion"""

from __future__ import annotations

from typing import Any

import pytest

from hilum.problems import Invalid
from hilum.terminology.expansion import Code, Wanted, expand
from hilum.terminology.hierarchy import hierarchy

ANIMALS = {
    "url": "http://animals",
    "concept": [
        {"code": "bird", "concept": [{"code": "owl"}, {"code": "duck"}]},
        {"code": "fish", "concept": [{"code": "eel", "property": [{"code": "parent", "valueCode": "snake"}]}]},
        {"code": "snake", "property": [{"code": "child", "valueCode": "adder"}]},
        {"code": "adder"},
    ],
}


def test_a_code_is_under_what_it_is_nested_in_and_what_its_properties_name() -> None:
    tree = hierarchy(ANIMALS)
    assert tree.below("bird") == {"bird", "owl", "duck"}
    assert tree.below("snake") == {"snake", "eel", "adder"}
    assert tree.above("eel") == {"eel", "fish", "snake"}
    assert tree.below("unheard-of") == tree.above("unheard-of") == {"unheard-of"}


def test_a_hierarchy_that_goes_round_ends() -> None:
    tree = hierarchy(
        {"concept": [{"code": c, "property": [{"code": "parent", "valueCode": p}]} for c, p in ("ab", "ba")]}
    )
    assert tree.below("a") == tree.above("a") == {"a", "b"}


def expansion(*sets: dict[str, Any]) -> set[Code]:
    """Of the first of these value sets; the others are known by their urls."""
    known = {("ValueSet", one.get("url", "")): one for one in sets} | {("CodeSystem", "http://animals"): ANIMALS}
    steps = expand(sets[0].get("url", ""))
    wanted: Wanted = next(steps)
    try:
        while True:
            wanted = steps.send(known.get((wanted.type, wanted.name)))
    except StopIteration as end:
        return set(end.value)


def composed(*includes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"url": "http://v", "compose": {"include": list(includes)} | more}


def under(code: str, op: str = "is-a") -> dict[str, Any]:
    return {"system": "http://animals", "filter": [{"property": "concept", "op": op, "value": code}]}


@pytest.mark.parametrize(
    ("include", "codes"),
    [
        ({"system": "s", "concept": [{"code": "a"}, {"code": "b"}]}, {("s", "a"), ("s", "b")}),
        (under("bird"), {("http://animals", c) for c in ("bird", "owl", "duck")}),
        (under("bird", "descendent-of"), {("http://animals", c) for c in ("owl", "duck")}),
        (under("eel", "generalizes"), {("http://animals", c) for c in ("eel", "fish", "snake")}),
        (under("bird", "is-not-a"), {("http://animals", c) for c in ("fish", "eel", "snake", "adder")}),
        (under("owl,eel", "in"), {("http://animals", c) for c in ("owl", "eel")}),
        ({"system": "http://unknown"}, {("http://unknown", None)}),
    ],
)
def test_what_an_include_means(include: dict[str, Any], codes: set[Code]) -> None:
    assert expansion(composed(include)) == codes


def test_a_whole_code_system_is_all_its_codes() -> None:
    assert {code for _, code in expansion(composed({"system": "http://animals"}))} == set(hierarchy(ANIMALS).over)


def test_value_sets_named_by_an_include_must_all_have_the_code() -> None:
    birds = {"url": "http://birds", "compose": {"include": [under("bird")]}}
    both = composed(under("owl") | {"valueSet": ["http://birds"]})
    assert expansion(both, birds) == {("http://animals", "owl")}
    assert expansion(composed({"valueSet": ["http://birds"]}), birds) == expansion(birds)


def test_what_is_excluded_is_not_in() -> None:
    assert expansion(composed(under("bird"), exclude=[under("owl")])) == {
        ("http://animals", c) for c in ("bird", "duck")
    }
    assert expansion(composed({"system": "s", "concept": [{"code": "a"}]}, exclude=[{"system": "s"}])) == set()
    with pytest.raises(Invalid, match="excludes codes of a code system that is not known"):
        expansion(composed({"system": "s"}, exclude=[{"system": "s", "concept": [{"code": "a"}]}]))


def test_a_stored_expansion_counts_where_nothing_is_composed() -> None:
    inner = {"system": "s", "code": "b", "contains": [{"system": "s", "code": "c"}]}
    contains = [{"system": "s", "code": "a", "abstract": True, "contains": [inner]}]
    assert expansion({"url": "http://v", "expansion": {"contains": contains}}) == {("s", "b"), ("s", "c")}


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ({"valueSet": ["http://nowhere"]}, "The value set is not known here"),
        ({"valueSet": ["http://v"]}, "The value set includes itself"),
        ({"system": "s", "filter": under("x")["filter"]}, "filters a code system that is not known"),
        (under("x", "regex"), "a filter that is not supported"),
    ],
)
def test_what_can_not_be_listed_is_refused(include: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        expansion(composed(include))
