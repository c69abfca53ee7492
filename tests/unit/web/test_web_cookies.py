"""Cookies, read and written. https://www.rfc-editor.org/rfc/rfc6265"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.web import cookies


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (b"hilum=abc", "abc"),
        (b"a=b; hilum=abc; c=d", "abc"),
        (b"a=b;hilum=abc", "abc"),
        (b'hilum="abc"', "abc"),
        (b"hilum=a=b", "a=b"),
        (b"hilum=abc; hilum=abc", "abc"),
        (b"a=b, hilum=abc", "abc"),
        (b"hilum=", ""),
        (b"", None),
        (b"hilum", None),
        (b"xhilum=abc; hilumx=abc; Hilum=abc", None),
        (b"hilum=abc; hilum=def", None),
        (b"hilum=abc; other=1; hilum=", None),
    ],
)
def test_reading_one(header: bytes, value: str | None) -> None:
    assert cookies.read({b"cookie": header}, "hilum") == value


def test_without_the_header_there_is_none() -> None:
    assert cookies.read({}, "hilum") is None


@given(st.binary())
def test_no_header_breaks_it(header: bytes) -> None:
    cookies.read({b"cookie": header}, "hilum")


def test_over_https_no_other_host_can_set_it() -> None:
    name = cookies.name("hilum", secure=True)
    assert cookies.written(name, "abc", secure=True) == (
        b"set-cookie",
        b"__Host-hilum=abc; Path=/; HttpOnly; SameSite=Lax; Secure",
    )


def test_over_http_it_has_a_plain_name() -> None:
    name = cookies.name("hilum", secure=False)
    assert cookies.written(name, "abc", secure=False, seconds=60, same_site="Strict") == (
        b"set-cookie",
        b"hilum=abc; Path=/; HttpOnly; SameSite=Strict; Max-Age=60",
    )
    assert cookies.cleared(name, secure=False) == (
        b"set-cookie",
        b"hilum=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0",
    )


@pytest.mark.parametrize(
    ("name", "value"), [("a b", "c"), ("", "c"), ("a=b", "c"), ("a", "b;c"), ("a", "b c"), ("a", "b\r\nc"), ("a", "ä")]
)
def test_what_would_be_another_header_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        cookies.written(name, value, secure=False)


def test_the_prefix_goes_with_the_whole_site_only() -> None:
    with pytest.raises(ValueError, match="__Host-x"):
        cookies.written("__Host-x", "a", secure=True, path="/auth")


@given(st.text(st.sampled_from("abcXYZ019-_."), max_size=60))
def test_what_is_written_is_read(value: str) -> None:
    _, header = cookies.written("hilum", value, secure=False)
    assert cookies.read({b"cookie": header.split(b";")[0]}, "hilum") == value


def test_a_cookie_for_frames_is_one_over_https_only() -> None:
    assert cookies.written("a", "b", secure=True, framed=True) == (
        b"set-cookie", b"a=b; Path=/; HttpOnly; SameSite=None; Secure; Partitioned",
    )  # fmt: skip
    assert cookies.written("a", "b", secure=False, framed=True) == (
        b"set-cookie",
        b"a=b; Path=/; HttpOnly; SameSite=Lax",
    )
