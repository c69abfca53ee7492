"""docs/reference/validation.md lists what is not evaluated as R4 writes it: no more and no less."""

import re
from pathlib import Path

from hilum.fhir import definitions
from hilum.validation import codes_by_rule, invariants

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "validation.md").read_text()


def table(heading: str) -> dict[str, str]:
    """The rows of the first table under a heading."""
    section = PAGE.split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)
    return dict(rows[1:])


def test_the_invariants_that_are_not_evaluated_as_they_are_written() -> None:
    expected = {
        **{key: f"by {where}" for key, where in invariants.ELSEWHERE.items()},
        **{key: f"`{how}`: {why}" if how else why for key, (how, why) in invariants.CORRECTED.items()},
        **{key: f"not at all: {why}" for key, why in invariants.UNEVALUATED.items()},
        **invariants.HARMLESS,
    }
    assert table("Invariants that are not evaluated") == expected
    assert f"Nothing is no breach of: {', '.join(sorted(invariants.UNDECIDED))}." in PAGE


def test_how_many_invariants_there_are() -> None:
    found = {
        (one.key, one.expression)
        for name in definitions.names()
        for some in definitions.type_(name).invariants.values()
        for one in some
    }
    assert f"all {len(found)} constraints" in PAGE


def test_value_sets_by_rule_and_left_open() -> None:
    open_ = definitions.value_sets_open()
    rules = table("Value sets that follow a rule")
    assert rules == {url: rule.expected for url in rules if (rule := codes_by_rule.rule(url))}
    left = {url: why for url, why in open_.items() if codes_by_rule.rule(url) is None}
    assert table("Required bindings that are left open") == left
    assert {url for url in open_ if url not in left} <= set(rules)
