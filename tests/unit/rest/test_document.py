"""A Binary's content by itself: what can run nothing is shown to a browser with a ticket, all else is for saving."""

from __future__ import annotations

import pytest

from hilum.rest.document import headers, media_type


def said(content_type: object, *, shown: bool) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers(content_type, "b1", shown=shown)}


@pytest.mark.parametrize(
    ("media", "content", "name", "sandbox"),
    [
        ("application/pdf", "application/pdf", 'inline; filename="b1.pdf"', False),
        ("image/png", "image/png", 'inline; filename="b1.png"', True),
        ("Text/Plain; charset=latin-1", "text/plain; charset=utf-8", 'inline; filename="b1.txt"', True),
        ("text/html", "application/octet-stream", 'attachment; filename="b1"', True),
        ("image/svg+xml", "application/octet-stream", 'attachment; filename="b1"', True),
        ("application/xhtml+xml", "application/octet-stream", 'attachment; filename="b1"', True),
        ("text/javascript", "application/octet-stream", 'attachment; filename="b1"', True),
        ("", "application/octet-stream", 'attachment; filename="b1"', True),
        ("a\r\nset-cookie: x=y", "application/octet-stream", 'attachment; filename="b1"', True),
    ],
)
def test_what_a_browser_gets_by_a_ticket(media: str, content: str, name: str, sandbox: bool) -> None:
    found = said(media, shown=True)
    assert found["content-type"] == content
    assert found["content-disposition"] == name
    assert found["cache-control"] == "no-store"
    assert found["referrer-policy"] == "no-referrer"
    assert ("sandbox" in found["content-security-policy"]) is sandbox
    assert "set-cookie" not in found


@pytest.mark.parametrize(
    ("media", "content", "name"),
    [
        ("application/pdf", "application/pdf", "b1.pdf"),
        ("text/html; charset=utf-8", "text/html; charset=utf-8", "b1.html"),
        ('text/html; title="a b"', 'text/html; title="a b"', "b1.html"),
        ("application/dicom", "application/dicom", "b1"),
        ("text/html\nset-cookie: x=y", "application/octet-stream", "b1.bin"),
        ("text/html; a=\r\n\r\n<script>", "application/octet-stream", "b1.bin"),
        ("no media type", "application/octet-stream", "b1.bin"),
        ("bild/größe", "application/octet-stream", "b1.bin"),
    ],
)
def test_an_app_gets_what_it_says_it_is_for_saving_and_never_to_run(media: str, content: str, name: str) -> None:
    found = said(media, shown=False)
    assert found["content-type"] == content
    assert found["content-disposition"] == f'attachment; filename="{name}"'
    assert found["content-security-policy"].startswith("default-src 'none'; sandbox")


@pytest.mark.parametrize("wrong", [None, 5, "", "text", "text/", "a/b;c", "a/b ", "a/b, c/d"])
def test_what_is_no_media_type_is_unknown_content(wrong: object) -> None:
    assert media_type(wrong) == "application/octet-stream"
