"""Reviews of phrase tables, as a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilum.problems import Misconfigured
from hilum.video.phrases import Review
from hilum.video.reviews import read

SIGNED = """
[[review]]
language = "es"
version = "2026-11-23"
by = "Dr. Marisol Ibarra, MD"
on = 2026-11-30
"""


def test_a_file_of_reviews_is_read_and_none_is_no_review(tmp_path: Path) -> None:
    file = tmp_path / "reviews.toml"
    assert read(file) == ()
    file.write_text(SIGNED)
    assert read(file) == (Review("es", "2026-11-23", "Dr. Marisol Ibarra, MD", "2026-11-30"),)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"es"', '"xx"'),
        ("Dr. Marisol Ibarra, MD", " "),
        ("on = 2026-11-30", ""),
        ("by =", "who ="),
        ("[[review]]", "[["),
    ],
)
def test_what_is_wrong_is_told_with_the_file(tmp_path: Path, old: str, new: str) -> None:
    file = tmp_path / "reviews.toml"
    file.write_text(SIGNED.replace(old, new))
    with pytest.raises(Misconfigured, match=r"reviews\.toml"):
        read(file)
