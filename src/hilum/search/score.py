"""How well a resource matches the words of a search, from 0 to 1. https://hl7.org/fhir/R4/search.html#score

Okapi BM25's saturation of a word's frequency, held to the length of the text, and nothing about other resources: so a
score is the same in every store, and stays what it is while others write. Words that are in every resource count as
much as rare ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from hilum.search.clauses import AllClause, AnyClause, Clause, PhraseClause, TextClause
from hilum.search.prose import content, narrative

_SATURATION: Final = 1.2
_LENGTH: Final = 0.75
"""BM25's k1 and b as usual."""
_USUAL: Final = 100
"""Words of a text that is neither long nor short."""
DIGITS: Final = 4
"""Of a score: beyond them is no difference that anybody means."""
TEXTS: Final[dict[str, Callable[[dict[str, Any]], str]]] = {"text": narrative, "content": content}
"""What `where` of a TextClause means, of a body."""


def ranked(clauses: Iterable[Clause]) -> bool:
    """Whether the clauses ask for words, so that one resource can match better than another."""
    for clause in clauses:
        match clause:
            case TextClause() | PhraseClause():
                return True
            case AllClause(some) | AnyClause(some):
                if ranked(some):
                    return True
    return False


def score(clauses: Iterable[Clause], body: dict[str, Any]) -> float | None:
    """How well the resource matches the words that the clauses ask for; None when they ask for none.

    Of alternatives the best one counts, of several conditions their mean, of what must not be nothing.
    """
    counts: dict[str, tuple[Counter[str], int]] = {}
    found = _mean(_score(clause, body, counts) for clause in clauses)
    return None if found is None else round(found, DIGITS)


def _score(clause: Clause, body: dict[str, Any], counts: dict[str, tuple[Counter[str], int]]) -> float | None:
    match clause:
        case AllClause(some):
            return _mean(_score(one, body, counts) for one in some)
        case AnyClause(some):
            found = [one for one in (_score(one, body, counts) for one in some) if one is not None]
            return max(found, default=None)
        case PhraseClause(where, phrase):  # that its words stand side by side is what all results have in common
            return _score(TextClause(where, (phrase,)), body, counts)
        case TextClause(where, values):
            if where not in counts:
                words = TEXTS[where](body).split()
                counts[where] = Counter(words), len(words)
            return max((_words(value.split(), *counts[where]) for value in values), default=0.0)
    return None


def _words(wanted: list[str], counts: Counter[str], length: int) -> float:
    """Of words that must all occur: nothing if one does not."""
    if not all(counts[word] for word in wanted):
        return 0.0
    less = _SATURATION * (1 - _LENGTH + _LENGTH * length / _USUAL)
    return sum(counts[word] / (counts[word] + less) for word in wanted) / len(wanted)


def _mean(some: Iterable[float | None]) -> float | None:
    found = [one for one in some if one is not None]
    return sum(found) / len(found) if found else None
