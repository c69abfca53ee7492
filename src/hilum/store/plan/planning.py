"""One search while it is planned: what is known of it so far, and what it may still do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hilum.store.plan import thresholds
from hilum.store.plan.dialect import Dialect, Steps
from hilum.store.plan.thresholds import Limits
from hilum.store.sql import Part


class Again(Exception):
    """More than one statement would decide what is found, and nothing holds their moments together: do it anew."""


@dataclass(slots=True)
class Beside:
    """What a page brings along, where the statement that finds the page can ask for it, too: a statement each.

    They name the page's rids, the first `count`, as `PAGE` says. `rows`: what they found.
    """

    statements: Sequence[Part]
    count: int
    rows: list[Sequence[Any]] = field(default_factory=list)


PAGE: Final = "(SELECT p.rid AS value FROM p ORDER BY p.rid DESC LIMIT {count}) j"


@dataclass(slots=True)
class Planning:
    """One search being planned: its dialect, a supply of aliases, and notes for `explain`.

    `named`: what a clause is called in the notes, where somebody reads them. `single`: each statement sees a moment of
    its own, so that one alone may decide; another raises Again. `beside`: what that one asks for, too.
    `wanted`: somebody will ask for `having`. `newest`: the greatest shape, once it is known.
    """

    dialect: Dialect
    notes: list[dict[str, Any]] = field(default_factory=list)
    limits: Limits = field(default_factory=lambda: thresholds.LIMITS)
    named: Callable[[Any, Sequence[str]], str] | None = None
    single: bool = False
    beside: Beside | None = None
    wanted: bool = False
    newest: int | None = None
    _having: Mapping[int, Collection[int]] | None = None
    _aliases: int = 0
    _decided: bool = False

    def alias(self) -> str:
        """A table alias that nothing else in the statement has."""
        self._aliases += 1
        return f"t{self._aliases}"

    def decide(self) -> None:
        """The next statement finds resources of the page. Raises Again."""
        if self.single and self._decided:
            raise Again
        self._decided = True

    def having(self) -> Steps[Mapping[int, Collection[int]]]:
        """See `Dialect.having`: once per search."""
        if self._having is None:
            self._having = yield from self.dialect.having(self.newest)
        return self._having

    def beside_counts(self) -> str:
        """What the next statement that counts asks for besides, in the end: the greatest shape, once it is wanted."""
        return ", (SELECT max(k.id) FROM shape k)" if self.wanted and self.newest is None else ""

    def note(self, step: str, **facts: Any) -> None:
        """Remember a decision, where somebody reads it."""
        if self.named is not None:
            self.notes.append({"step": step, **facts})
