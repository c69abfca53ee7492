"""The words of a stored body."""

from __future__ import annotations

import pytest

from hilum.search.prose import content, read


@pytest.mark.parametrize("number", ["1.10", "-0", "1e400", "1" * 30, "1" * 5000])
def test_a_body_is_read_for_its_words_whatever_its_numbers(number: str) -> None:
    raw = f'{{"resourceType":"Observation","valueQuantity":{{"value":{number},"unit":"mg"}}}}'.encode()
    assert content(read(raw)) == "mg"
