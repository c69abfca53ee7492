"""A made-up code system of any size.

The concepts are in the shape of SNOMED CT: a hierarchy in which a third of the concepts have several parents,
terms of two to seven words of a long-tailed vocabulary, two synonyms each, a few properties.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from hilum.terminology.concepts import Designation, Entry, Property

SYSTEM = "http://bench.example/terms"


@dataclass(frozen=True)
class Generated:
    """A `rows.Source` of so many concepts; the same ones each time."""

    size: int
    seed: int = 7

    def vocabulary(self) -> list[str]:
        """Words, the commonest first."""
        dice = random.Random(self.seed)
        starts = (
            "card",
            "neur",
            "derm",
            "gastr",
            "hepat",
            "nephr",
            "oste",
            "pneum",
            "hem",
            "arthr",
            "my",
            "path",
            "cyt",
        )
        ends = ("itis", "osis", "oma", "algia", "ectomy", "scopy", "emia", "uria", "plasty", "ic", "al", "ous")
        middles = ("o", "i", "ar", "ol", "en", "at", "io", "ul", "er", "am")
        found = {"of", "disorder", "procedure", "structure", "left", "right", "acute", "chronic", "with", "entire"}
        while len(found) < max(60, self.size // 5):
            found.add(dice.choice(starts) + "".join(dice.choices(middles, k=dice.randint(0, 4))) + dice.choice(ends))
        return sorted(found, key=lambda word: (len(word), word))

    def _dice(self) -> tuple[random.Random, list[str], list[float]]:
        words = self.vocabulary()
        weights = [1 / (rank + 3) for rank in range(len(words))]
        total, sums = 0.0, []
        for weight in weights:
            total += weight
            sums.append(total)
        return random.Random(self.seed + 1), words, sums

    def edges(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each has one to four parents among those before it, mostly of its own neighbourhood."""
        dice = random.Random(self.seed + 2)
        for n in range(self.size):
            yield code(n), self._parents(dice, n)

    def _parents(self, dice: random.Random, n: int) -> tuple[str, ...]:
        if n == 0:
            return ()
        found = {max(0, (n - 1) // dice.randint(3, 12))}
        while dice.random() < 0.28 and len(found) < 4:
            found.add(min(n - 1, max(0, (n - 1) // 8 + dice.randint(-40, 40))))
        return tuple(code(p) for p in sorted(found))

    def entries(self) -> Iterator[Entry]:
        """Displays, two synonyms, and properties with few and with many values."""
        dice, words, sums = self._dice()
        over = random.Random(self.seed + 2)
        for n in range(self.size):
            self._parents(over, n)
            terms = [" ".join(dice.choices(words, cum_weights=sums, k=dice.randint(2, 7))) for _ in range(3)]
            yield Entry(
                code(n),
                terms[0].capitalize(),
                "",
                tuple(Designation(term, "en") for term in terms[1:]),
                (
                    Property("moduleId", "code", "900000000000207008"),
                    Property("sufficientlyDefined", "boolean", n % 3 == 0),
                    Property("363698007", "code", code(dice.randrange(self.size) // 50)),
                ),
                dice.random() < 0.05,
            )


def code(n: int) -> str:
    """Looks like an SCTID."""
    return str(100_000_000 + n * 7)
