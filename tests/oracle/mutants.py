"""Seeded mutants of the search code: small lies, each of which the oracle must notice.

`python -m tests.oracle.mutants FROM TO` asks questions of these populations and stops at the first difference: the
tests run it on a copy of the source in which one mutant's text is replaced. The store is SQLite.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from typing import NamedTuple

from tests.oracle import adapter
from tests.oracle.comparing import differs
from tests.oracle.evaluator import Population
from tests.oracle.populations import population
from tests.oracle.queries import Asker

from hilum.store.plan import thresholds
from hilum.store.sqlite import open_sqlite

QUESTIONS = 150


class Mutant(NamedTuple):
    """`old` stands once in `file` (below src/hilum); `new` is the lie."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "ge is gt",
        "store/sql.py",
        'f"({high} > ? OR ({low} >= ? AND {high} <= ?))", (value.high, value.low, value.high)',
        'f"({high} > ?)", (value.high,)',
    ),
    Mutant(
        "no resource has two dates",
        "search/parameters.py",
        'single=parameter.type == "date" and len(selections) == 1 and single(parameter.base, selections[0].leaves)',
        'single=parameter.type == "date"',
    ),
    Mutant(
        "zones shift the wrong way",
        "search/dates.py",
        'low += -offset if sign == "+" else offset',
        'low += offset if sign == "+" else -offset',
    ),
    Mutant(
        "an open period ends at its start",
        "search/dates.py",
        "(MAX_DATE if end is None",
        "(interval(start)[1] if end is None",
    ),
    Mutant("accents matter", "search/text.py", "if not combining(c)", "if True"),
    Mutant(
        "later words of a family name are lost",
        "search/text.py",
        "if (folded := fold(rest))]",
        "if False and (folded := fold(rest))]",
    ),
    Mutant(
        "one digit and an exponent are one digit",
        "search/values.py",
        "if found[2] and len(found[1]) == 1:",
        "if False:",
    ),
    Mutant(
        "a url begins with itself alone",
        "store/plan/leaves.py",
        'pieces += on.dialect.text("starts", value)\n',
        'pieces += on.dialect.text("whole", value)\n',
    ),
    Mutant(
        "`:not` with several values is what any of them is not",
        "search/modified.py",
        "return NotClause(token(parameter, texts, asked))",
        "return any_of([NotClause(token(parameter, [text], asked)) for text in texts])",
    ),
    Mutant(
        "system| also finds what has no system",
        "store/plan/leaves.py",
        "ranges.append(keys.system_range(numbers[value.system]))",
        "ranges.append(keys.system_range(numbers[value.system])); ranges.append(keys.system_range(0))",
    ),
    Mutant(
        "|code finds the code in any system",
        "search/values.py",
        "system = parts[0] if len(parts) == 2 else None\n    code = parts[-1] or None\n    if len",
        "system = (parts[0] or None) if len(parts) == 2 else None\n    code = parts[-1] or None\n    if len",
    ),
    Mutant(
        "units of the same code are not asked about their system",
        "search/matches.py",
        'if (system or "") != value.system:',
        "if False:",
    ),
    Mutant(
        ":missing asks the wrong way",
        "store/plan/leaves.py",
        "if wanted.isdisjoint(numbers) is clause.missing]",
        "if wanted.isdisjoint(numbers) is not clause.missing]",
    ),
    Mutant(
        "a chain passes by the policy",
        "store/plan/chains.py",
        "(*part.clauses, permitted(part.permits))",
        "part.clauses",
    ),
    Mutant(
        "includes pass by the policy",
        "access/confine.py",
        "found = ((type, policy.permits(type, SEARCH))",
        "found = ((type, (Permit(),))",
    ),
    Mutant("every include iterates", "store/plan/includes.py", "if first or one.iterate:", "if True:"),
    Mutant("no include iterates", "store/plan/includes.py", "if first or one.iterate:", "if first:"),
    Mutant(
        "an include brings any type",
        "search/results.py",
        "tuple(Include(source, parameter.numbers, one, iterate, reverse) for one in only)",
        "tuple(Include(source, parameter.numbers, None, iterate, reverse) for one in only)",
    ),
    Mutant(
        "a url with a version names every version",
        "search/notes.py",
        "strings.append(({one.whole}, u, {v}))",
        "strings.append(({one.whole}, u, u))",
    ),
    Mutant(
        "a phrase is its words in any order",
        "store/plan/phrases.py",
        "if says(clause.where, read(raw), clause.words)",
        "if True",
    ),
    Mutant(
        "ties are oldest first",
        "store/plan/sorting.py",
        '[*pieces, "rid DESC"]',
        '[*pieces, "rid ASC"]',
    ),
    Mutant(
        "descending takes the least", "store/plan/sorting.py", 'take = "max" if key.down else "min"', 'take = "min"'
    ),
    Mutant("what has no value comes first", "store/plan/sorting.py", 'f"{c} IS NULL, {c}', 'f"{c} IS NOT NULL, {c}'),
    Mutant(
        "a page begins where the last one ended",
        "store/plan/sorting.py",
        'found.append(every([*same, Part("rid < ?", (rid,))]))',
        'found.append(every([*same, Part("rid <= ?", (rid,))]))',
    ),
    Mutant(
        "permits must all hold",
        "store/plan/plan.py",
        "return AnyClause(tuple(found)) if len(found) != 1",
        "return AllClause(tuple(found)) if len(found) != 1",
    ),
    Mutant(
        "ne of _filter finds what is equal",
        "store/plan/leaves.py",
        "if key not in equal and not any(",
        "if not any(",
    ),
    Mutant(
        "codes of _filter keep their case",
        "search/tested.py",
        "return list(dict.fromkeys([code, *some]))",
        "return [code]",
    ),
    Mutant(
        "degrees begin where others do",
        "fhir/units.py",
        "* how.by + how.plus)",
        "* how.by)",
    ),
    Mutant(
        "a reference by its identifier is missing",
        "search/modified.py",
        "MissingClause((*parameter.numbers, *parameter.identifier), missing)",
        "MissingClause(parameter.numbers, missing)",
    ),
    Mutant(
        "_filter takes and for or",
        "search/filter.py",
        'return AllClause(found) if word == "and" else AnyClause(found)',
        'return AnyClause(found) if word == "and" else AllClause(found)',
    ),
    Mutant(
        "clauses may hold of several contained resources",
        "store/plan/judging.py",
        "return [decided(clauses[id(one.part)], partial(_holds, one, n, led)) for n, one in enumerate(some)]",
        "return [True for _ in some]",
    ),
    Mutant(
        "chains do not lead into what is contained",
        "store/plan/judging.py",
        "strict=True) if holds))",
        "strict=True) if not holds))",
    ),
    Mutant(
        "several contained resources count as one",
        "search/contained.py",
        "ONE if n == 1 else SEVERAL",
        "ONE if n else SEVERAL",
    ),
    Mutant(
        "what contains passes by the policy",
        "access/confine.py",
        "containers=_visible(policy, TYPES))",
        "containers=tuple((type, (Permit(),)) for type in TYPES))",
    ),
    Mutant(
        "what is contained passes by the policy of its type",
        "store/plan/judging.py",
        "return AllClause((*part.clauses, permitted(part.permits)))",
        "return AllClause(part.clauses)",
    ),
    Mutant("near is twice as near", "store/plan/near.py", "lat, lon) <= meters]", "lat, lon) <= meters / 2]"),
    Mutant(
        "ap is a hundredth",
        "search/values.py",
        "half = _EXACT.scaleb(abs(value), -1)",
        "half = _EXACT.scaleb(abs(value), -2)",
    ),
)


async def first_difference(start: int, stop: int) -> str | None:
    """Words about the first question of these populations on which the store and the oracle differ."""
    for seed in range(start, stop):
        thresholds.LIMITS = adapter.WAYS[seed % len(adapter.WAYS)]
        with tempfile.TemporaryDirectory() as folder:
            store = await open_sqlite(f"{folder}/store.sqlite")
            try:
                kept = Population(await adapter.fill(store, population(seed), seed), now=adapter.NOW)
                asker = Asker(kept, seed)
                for number in range(QUESTIONS):
                    question = asker.question()
                    if found := await differs(store, kept, question):
                        return f"seed {seed}, number {number}: {question}: {found}"
            finally:
                await store.close()
    return None


if __name__ == "__main__":
    difference = asyncio.run(first_difference(int(sys.argv[1]), int(sys.argv[2])))
    print(difference or "")
    sys.exit(3 if difference else 0)
