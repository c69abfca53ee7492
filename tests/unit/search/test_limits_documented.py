"""docs/reference/search.md states the limits that hold."""

from __future__ import annotations

import re
from pathlib import Path

from hilum.interactions import resolve
from hilum.search import limits
from hilum.store.plan import phrases

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "search.md"


def test_every_limit_is_documented() -> None:
    written = PAGE.read_text().partition("## Limits")[2]
    numbers = {name: value for name, value in vars(limits).items() if name.startswith("MOST_")}
    numbers |= {"codes": resolve.MOST_CODES, "places": resolve.MOST_PLACES, "phrases": phrases.MOST}
    internal = {"MOST_OVER_TYPES"}
    for name, value in numbers.items():
        said = re.search(rf"(?<![\d,])({value}|{value:,})(?![\d,]*\d)", written)
        assert name in internal or said, name
