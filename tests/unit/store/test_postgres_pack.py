"""Which indexes are worth building anew: arithmetic on what PostgreSQL says of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asyncpg.serverversion import split_server_version_string

from hilum.store.postgres.pack import SOUND, Tree

INTEGER, BIGINT, SMALLINT = (4, 4, 4), (8, 8, 8), (2, 2, 2)
TOKENS = Tree("token_key", 1772, 217_221, None, (INTEGER, BIGINT, BIGINT))
"""As PostgreSQL 18 had it; built anew it had 1,080 pages."""


def test_what_entries_need_is_what_a_new_index_has() -> None:
    assert TOKENS.needed() == pytest.approx(1080, rel=0.02)
    names = Tree("resource_name", 509, 40_000, None, (SMALLINT, (-1, 4, 37)))
    assert names.needed() == pytest.approx(291, rel=0.05)
    wide = Tree("resource_type_seq", 430, 40_000, None, (SMALLINT, BIGINT, BIGINT, INTEGER))
    assert wide.needed() == pytest.approx(245, rel=0.05)


def test_a_column_of_unknown_width_leaves_an_index_alone() -> None:
    names = Tree("resource_name", 509, 40_000, None, (SMALLINT, (-1, 4, None)))
    assert (names.needed(), names.sparse()) == (None, False)


@pytest.mark.parametrize(
    ("pages", "entries", "packed", "sparse"),
    [
        (1772, 217_221, None, True),
        (1090, 217_221, None, False),  # as dense as it can be
        (1772, 217_221, 1080, True),  # grown by half since
        (1772, 217_221, 1300, False),  # not yet
        (1772, 330_000, 1080, False),  # grown, but full
        (1772, 0.0, None, False),  # emptied since it was looked at, or never looked at
        (1772, -1.0, None, False),
    ],
)
def test_sparse_are_those_that_have_grown_and_are_far_larger_than_they_need(
    pages: int, entries: float, packed: int | None, sparse: bool
) -> None:
    assert replace(TOKENS, pages=pages, entries=entries, packed=packed).sparse() is sparse


@pytest.mark.parametrize(
    ("text", "sound"),
    [("14.3", False), ("14.4", True), ("14.11 (Debian 14.11-1)", True), ("15.0", True), ("18.6", True)],
)
def test_versions_that_lose_rows_are_told_apart(text: str, sound: bool) -> None:
    assert (split_server_version_string(text)[:3] >= SOUND) is sound
