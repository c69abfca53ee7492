"""Pictures that stand for apps hold nothing but pixels, and stand within the page."""

from __future__ import annotations

import base64

import pytest

from hilum.smart.apps import logos


def url(kind: str, raw: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"


PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    "logo",
    ["", url("image/png", PNG + b"x"), url("image/jpeg", b"\xff\xd8\xff\xe0"), url("image/webp", b"RIFF1234WEBPVP8 ")],
)
def test_small_pictures_of_pixels_are_logos(logo: str) -> None:
    assert logos.fault(logo) == ""


@pytest.mark.parametrize(
    ("logo", "said"),
    [
        ("https://app.example.org/logo.png", "Logos are not fetched"),
        (url("image/svg+xml", b"<svg onload='x()'/>"), "A logo is a PNG, JPEG or WebP"),
        (url("text/html", b"<script>"), "A logo is a PNG, JPEG or WebP"),
        (url("image/gif", b"GIF89a"), "A logo is a PNG, JPEG or WebP"),
        ("data:image/png,plain", "A logo is a PNG, JPEG or WebP"),
        ("DATA:image/png;base64,iVBORw0KGgo=", "A logo is a PNG, JPEG or WebP"),
        (url("image/png", b"<svg/>"), "The logo is not what it says it is"),
        (url("image/png", b"\xff\xd8\xff\xe0"), "The logo is not what it says it is"),
        (url("image/webp", b"RIFF1234AVI LIST"), "The logo is not what it says it is"),
        (url("image/png", PNG) + '" onload="x()', "can't be read"),
        (url("image/png", PNG + b"x" * 24 * 1024), "at most 32,768 characters"),
    ],
)
def test_everything_else_is_refused(logo: str, said: str) -> None:
    assert said in logos.fault(logo)


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Growth Chart", "GC"), ("growth", "G"), ("A b c d", "AD"), ("(x) Ärzte", "Ä"), ("!", "?"), ("ßa", "SS")],
)
def test_one_or_two_letters_stand_for_an_app_without_a_logo(name: str, letters: str) -> None:
    assert logos.initials(name) == letters
