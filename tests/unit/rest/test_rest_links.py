"""Cursors: sealed for one request, unreadable, unforgeable."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.problems import Malformed
from hilum.rest.links import Links

ME = "grant"
PATH, PARAMETERS = ("Patient",), [("family", "ngo"), ("_count", "20")]
QUERY = "family=ngo&_count=20"
POSITIONS = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
links = Links(b"k" * 32)


@given(POSITIONS)
def test_a_cursor_opens_to_its_position(position: str) -> None:
    assert links.open(PATH, QUERY, links.seal(PATH, QUERY, position, ME), ME) == position


@given(POSITIONS, st.integers(0, 24 * 8 - 1))
def test_no_bit_can_be_changed(position: str, bit: int) -> None:
    sealed = bytearray(urlsafe_b64decode(links.seal(PATH, QUERY, position, ME)))
    assert len(sealed) % 24 == 0  # the length tells little
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Malformed):
        links.open(PATH, QUERY, urlsafe_b64encode(bytes(sealed)).decode(), ME)


def test_a_cursor_holds_for_its_request_its_holder_and_key_only() -> None:
    cursor = links.seal(PATH, QUERY, "7", ME)
    for path, query, holder, key in (
        (("Observation",), QUERY, ME, b"k"),
        (("Patient", "_history"), QUERY, ME, b"k"),
        (PATH, "family=li&_count=20", ME, b"k"),
        (PATH, "family=ngo", ME, b"k"),
        (PATH, QUERY, "another", b"k"),
        (PATH, QUERY, "", b"k"),
        (PATH, QUERY, ME, b"l"),
    ):
        with pytest.raises(Malformed):
            Links(key * 32).open(path, query, cursor, holder)


def test_holder_and_path_are_told_apart() -> None:
    """A holder whose name runs into the path is another one."""
    with pytest.raises(Malformed):
        links.open(("atient",), QUERY, links.seal(("Patient",), QUERY, "7", "1:"), "1:P")


@pytest.mark.parametrize("cursor", ["", "x", "====", "7", "é", "A" * 31, "A" * 32, "A" * 10_000])
def test_nonsense_is_malformed(cursor: str) -> None:
    with pytest.raises(Malformed, match="_cursor"):
        links.open(PATH, QUERY, cursor, ME)


def test_a_cursor_does_not_show_its_position() -> None:
    """Two neighbouring positions differ in about half of all bits, so that nobody can count by them."""
    first, second = (urlsafe_b64decode(links.seal(PATH, QUERY, f"1099511627{n}", ME)) for n in (1, 2))
    differing = sum((a ^ b).bit_count() for a, b in zip(first, second, strict=True))
    assert 140 < differing < 244


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40)


@given(st.lists(st.tuples(TEXTS.filter(bool), TEXTS), max_size=5), POSITIONS)
def test_a_sealed_search_opens_to_its_parameters_and_position(pairs: list[tuple[str, str]], position: str) -> None:
    sealed = links.seal_search(PATH, pairs, position, ME)
    assert links.holds_search(sealed)
    assert links.open_search(PATH, sealed, ME) == (pairs, position)


def test_the_same_search_is_never_sealed_to_the_same_text() -> None:
    sealed = {links.seal_search(PATH, PARAMETERS, "7", ME) for _ in range(10)}
    assert len(sealed) == 10
    assert not any("ngo" in text for text in sealed)


def test_the_length_of_a_sealed_search_tells_nothing_of_its_position() -> None:
    """Whoever chooses the parameters repeats a guess in them: compressed together a right one would be shorter."""
    guess = "17592186044417,17592186044418,17592186044419"
    positions = (guess, "83640219573840,20385746190283,64910283746519", guess[:14], "8")
    lengths = [len(links.seal_search(PATH, [("_id", guess)], position, ME)) for position in positions]
    assert lengths[0] == lengths[1]
    assert lengths[2] == lengths[3]


@given(st.integers(0, 30 * 8 - 1))
def test_no_bit_of_a_sealed_search_can_be_changed(bit: int) -> None:
    sealed = bytearray(urlsafe_b64decode(links.seal_search(PATH, PARAMETERS, "7", ME)[2:]))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Malformed):
        links.open_search(PATH, "s." + urlsafe_b64encode(bytes(sealed)).decode(), ME)


def test_a_sealed_search_holds_for_its_path_its_holder_and_key_only() -> None:
    sealed = links.seal_search(PATH, PARAMETERS, "7", ME)
    for other, path, holder in ((links, ("Practitioner",), ME), (Links(b"l" * 32), PATH, ME), (links, PATH, "another")):
        with pytest.raises(Malformed):
            other.open_search(path, sealed, holder)
    with pytest.raises(Malformed):
        links.open(PATH, QUERY, sealed, ME)
    with pytest.raises(Malformed):
        links.open_search(PATH, links.seal(PATH, QUERY, "7", ME), ME)
