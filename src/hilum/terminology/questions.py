"""Questions about codes that a pure function asks while it runs, and answers that are found in between.

Whoever validates is an ordinary function; code systems lie in a store. So it asks `Answers.ask`, goes on when the
answer is not known yet (PENDING), and is run again once `missing` has been answered, all of it in one batch:

    answers = Answers()
    for missing in rounds(answers):
        answers.learn(await answer(door, missing))
        issues = validate(body, answers)

An answer never changes while a resource is judged, so that a run without anything missing is the result.
https://hl7.org/fhir/R4/terminology-service.html#validation
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple


class Question(NamedTuple):
    """May this code stand here? At least one of `value_set` and `system` is given.

    `value_set`: the canonical url, perhaps with `|version`: is the code in it? Without one: does the code system have
    the code? `system` None: a bare code, whose system the value set tells. `display`, where one is to be checked too.
    """

    value_set: str | None
    system: str | None
    code: str
    display: str | None = None
    version: str | None = None


class Verdict(NamedTuple):
    """What is known. `valid` None: nothing can be said, and `reason` is why.

    `reason`: `pending` (ask again), `unknown-system`, `unknown-value-set`, `unknown-code`, `not-in-value-set`,
    `too-costly`, `incomplete` (the system is a fragment or an example, and does not list the code), or "".
    `display`: the code's own; `display_valid` False: the one that was asked about is none of its designations.
    `system`: which one it is, of a bare code. `inactive`: it is, but is retired; `abstract`: it can't be selected.
    """

    valid: bool | None
    reason: str = ""
    display: str | None = None
    display_valid: bool | None = None
    system: str | None = None
    inactive: bool = False
    abstract: bool = False


PENDING: Final = Verdict(None, "pending")


class Answers:
    """What is known so far, and what was asked beyond it."""

    def __init__(self, known: Mapping[Question, Verdict] | None = None) -> None:
        self.known: dict[Question, Verdict] = dict(known or {})
        self.missing: set[Question] = set()

    def ask(self, question: Question) -> Verdict:
        """The verdict, or PENDING, and then the question is among `missing`."""
        verdict = self.known.get(question)
        if verdict is None:
            self.missing.add(question)
            return PENDING
        return verdict

    def learn(self, found: Mapping[Question, Verdict]) -> None:
        """Add what was found; a question that it leaves open stays so, with the reason `unknown-system`."""
        self.known.update(found)
        for question in self.missing.difference(found):
            self.known[question] = Verdict(None, "unknown-system")
        self.missing.clear()


ROUNDS: Final = 8
"""Of questions and answers at most: an answer may lead to another question, as slices are chosen by codes."""


def rounds(answers: Answers) -> Iterator[set[Question]]:
    """What to find out before each run: nothing before the first one, and no more where none is missing."""
    yield set()
    for _ in range(ROUNDS - 1):
        if not answers.missing:
            return
        yield set(answers.missing)
