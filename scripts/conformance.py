"""Write docs/reference/smart-conformance.md: which requirements have a test with their id in its name. A test compares.

python scripts/conformance.py

A test's name carries the ids that it shows: `test_smart22_86_87_no_answer_is_kept`, `test_g10_AUT_PAT_13_37_...`,
`test_smart22_352_g10_AUT_PAT_2_...`. Tests that ask a running server count: those of tests/conformance and of
tests/journeys. What is asked is in tests/conformance/smart/requirements.toml, why something has no test in
untested.toml beside it.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests"
TABLES = TESTS / "conformance" / "smart"
PAGE = ROOT / "docs" / "reference" / "smart-conformance.md"
MADE = "<!-- Made by scripts/conformance.py from the names of tests. Run `make docs` after changes. -->\n"
MOST_NOT_COVERED = 0.1
VERBS = {"shall": "SHALL", "shall-not": "SHALL NOT", "should": "SHOULD", "should-not": "SHOULD NOT", "may": "MAY"}
REASONS = {"not-testable": "not testable", "later": "issue 5", "not-covered": "not covered"}
"""Keys of untested.toml, and what the page calls them."""


@dataclass(frozen=True)
class Test:
    """A test function. `file`: relative to the project."""

    name: str
    file: str

    @property
    def link(self) -> str:
        """As Markdown, from the page."""
        return f"[`{self.name}`](../../{self.file})"


@dataclass(frozen=True)
class Requirement:
    """`state`: covered, or a value of REASONS. `why`: the reason where there is no test."""

    id: str
    verb: str
    words: str
    tests: tuple[Test, ...] = ()
    state: str = "covered"
    why: str = ""

    @property
    def must(self) -> bool:
        """Whether it is asked for, and not only advised."""
        return self.verb.startswith("SHALL")


@dataclass
class List:
    """A list of requirements. `same`: ids that say the same as in another list."""

    key: str
    title: str
    requirements: list[Requirement] = field(default_factory=list)
    same: tuple[str, ...] = ()

    @property
    def asked(self) -> list[Requirement]:
        """Those with SHALL."""
        return [one for one in self.requirements if one.must]

    def count(self, state: str) -> int:
        """How many of those with SHALL are in this state."""
        return sum(one.state == state for one in self.asked)


def carried(name: str) -> Iterator[tuple[str, str]]:
    """The ids in the name of a test: (key of the list, id)."""
    list_, letters, fresh = "", list[str](), True
    for part in name.split("_")[1:]:
        if part in ("smart22", "smart20", "g10"):
            list_, letters, fresh = part, [], True
        elif list_ == "g10" and re.fullmatch(r"[A-Z]+", part):
            letters, fresh = (letters if fresh else []) + [part], True
        elif list_ and part.isdigit() and (letters or list_ != "g10"):
            yield list_, "-".join([*letters, part])
            fresh = False
        else:
            list_ = ""


def tests() -> dict[tuple[str, str], list[Test]]:
    """(key of the list, id) -> the tests that show it, but for those that are expected to fail."""
    found: dict[tuple[str, str], list[Test]] = {}
    for path in sorted([*(TESTS / "conformance").rglob("test_*.py"), *(TESTS / "journeys").glob("test_*.py")]):
        source = path.read_text()
        if "test_smart2" not in source and "test_g10" not in source and "_g10_" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _fails(node):
                for place in carried(node.name) if node.name.startswith("test_") else ():
                    found.setdefault(place, []).append(Test(node.name, path.relative_to(ROOT).as_posix()))
    return found


def _fails(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("xfail" in ast.unparse(mark) or "mark.skip(" in ast.unparse(mark) for mark in node.decorator_list)


def lists() -> list[List]:
    """What is asked, and what shows it. Raises SystemExit naming what does not go together."""
    asked = tomllib.loads((TABLES / "requirements.toml").read_text())
    untested = tomllib.loads((TABLES / "untested.toml").read_text())
    shown = tests()
    known = {(key, id) for key, table in asked.items() for id in _ids(table)}
    wrong = [f"{test.name} names {id}, which no list has" for (key, id), of in shown.items() for test in of
             if (key, id) not in known]  # fmt: skip
    for key in asked.get("smart20", {}).get("same", ()):
        shown.setdefault(("smart20", str(key)), []).extend(shown.get(("smart22", str(key)), ()))
    reasons = {
        (key, id): (REASONS[kind], why)
        for key, kinds in untested.items()
        for kind, whys in kinds.items()
        for id, why in whys.items()
    }
    wrong += [f"untested.toml names {key} {id}, which no list has" for key, id in reasons if (key, id) not in known]
    wrong += [f"untested.toml names {key} {id}, which has a test" for key, id in reasons if shown.get((key, id))]
    if wrong:
        raise SystemExit("\n".join(wrong))
    return [_list(key, table, asked, shown, reasons) for key, table in asked.items()]


def _ids(table: Mapping[str, Any]) -> list[str]:
    own = [id for kind in VERBS for id in table.get(kind, ())]
    return [*own, *map(str, table.get("same", ())), *map(str, table.get("later", ()))]


def _list(
    key: str,
    table: Mapping[str, Any],
    asked: Mapping[str, Any],
    shown: Mapping[tuple[str, str], list[Test]],
    reasons: Mapping[tuple[str, str], tuple[str, str]],
) -> List:
    same = tuple(map(str, table.get("same", ())))
    rows = [(id, verb, words) for kind, verb in VERBS.items() for id, words in table.get(kind, {}).items()]
    for kind, verb in VERBS.items():
        rows += [(id, verb, words) for id, words in asked["smart22"].get(kind, {}).items() if id in same]
    rows += [(str(id), "SHALL", "") for id in table.get("later", ())]
    if key.startswith("smart"):
        rows.sort(key=lambda row: int(row[0]))
    found = List(key, table["title"], same=same)
    later = set(map(str, table.get("later", ())))
    for id, verb, words in rows:
        of = tuple(shown.get((key, id), ()))
        state, why = reasons.get((key, id), ("not covered", "no test yet"))
        if of:
            state, why = "covered", ""
        elif id in later:
            state, why = REASONS["later"], "bulk export"
        found.requirements.append(Requirement(id, verb, words, of, state, why))
    return found


def page(found: list[List]) -> str:
    """The page, as Markdown."""
    states = ("covered", "not covered", "not testable", "issue 5")
    parts = [
        "# What is asked of SMART servers, and what shows that hilum does it\n",
        MADE,
        "Numbered lists of what the guides and the certification of the ONC ask of servers with SHALL and SHALL NOT; "
        "the words here are hilum's own. Each is shown by a test that has its id in its name (`smart22_31`: 2.2.0's "
        "number 31; `g10_AUT_PAT_13`: AUT-PAT-13) and asks a running `hilum serve` over HTTP, or it is said why not.\n",
        "| list | asked | " + " | ".join(states) + " |\n|---|--:" + "|--:" * len(states) + "|",
        *(
            f"| {one.title} | {len(one.asked)} | " + " | ".join(str(one.count(state)) for state in states) + " |"
            for one in found
        ),
        "",
        "The ids are those of the lists of [smart-app-launch-test-kit]"
        "(https://github.com/inferno-framework/smart-app-launch-test-kit), [bulk-data-test-kit]"
        "(https://github.com/inferno-framework/bulk-data-test-kit) and [onc-certification-g10-test-kit]"
        "(https://github.com/onc-healthit/onc-certification-g10-test-kit). Issue 5 is bulk export: hilum has none "
        "yet.\n",
    ]
    for one in found:
        parts.append(f"## {one.title}\n")
        parts += _section(one)
    return "\n".join(parts)


def _section(one: List) -> list[str]:
    if all(row.state == REASONS["later"] for row in one.requirements):
        return ["Comes with bulk export: " + ", ".join(row.id for row in one.requirements) + ".\n"]
    parts = []
    if one.same:
        shown = [row for row in one.requirements if row.id in one.same and row.state == "covered"]
        parts.append(
            "These have the number and the words that they have in 2.2.0, and the tests above show them: "
            + ", ".join(row.id for row in shown)
            + ".\n"
        )
    rows = [row for row in one.asked if row.id not in one.same or row.state != "covered"]
    parts += ["| id | | asked | shown by |", "|---|---|---|---|"]
    for row in rows:
        proof = "<br>".join(test.link for test in row.tests) or f"**{row.state}**: {row.why}"
        parts.append(f"| {row.id} | {row.verb} | {row.words} | {proof} |")
    advised = [row for row in one.requirements if not row.must]
    if advised:
        parts += ["", "What is only advised or allowed (SHOULD, MAY), and has a test that names it:\n"]
        parts += ["| id | | what | shown by |", "|---|---|---|---|"]
        parts += [
            f"| {row.id} | {row.verb} | {row.words} | {'<br>'.join(test.link for test in row.tests)} |"
            for row in advised
            if row.tests
        ]
        parts += ["", "Without a test that names it: " + ", ".join(row.id for row in advised if not row.tests) + "."]
    return [*parts, ""]


def not_covered(found: list[List]) -> float:
    """The share of what is asked, but for what comes later, that no test shows: what can't be tested counts as well."""
    rows = [row for one in found for row in one.asked if row.state != REASONS["later"]]
    return sum(row.state != "covered" for row in rows) / len(rows)


if __name__ == "__main__":
    found = lists()
    PAGE.write_text(page(found))
    print(PAGE.relative_to(ROOT))
    share = not_covered(found)
    print(f"not covered: {share:.1%}")
    sys.exit(share > MOST_NOT_COVERED)
