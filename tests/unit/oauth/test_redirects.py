"""Redirect URIs. https://www.rfc-editor.org/rfc/rfc9700#section-2.1, https://www.rfc-editor.org/rfc/rfc8252"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.oauth import redirects


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.org/callback",
        "https://app.example.org",
        "https://app.example.org:8443/callback?tenant=1",
        "https://xn--bcher-kva.example/c",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:5173/callback",
        "http://[::1]:9000/",
        "http://localhost:3000/index.html",
        "org.example.app:/callback",
        "org.example.app://oauth",
    ],
)
def test_what_may_be_registered(uri: str) -> None:
    assert redirects.refusal(uri) is None
    assert redirects.is_registered(uri, [uri])


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/callback",
        "//app.example.org/callback",
        "app.example.org/callback",
        "https://app.example.org/callback#x",
        "https://app.example.org/*",
        "https://*.example.org/",
        "https://app.example.org/a b",
        "https://app.example.org/\n",
        "https://app.example.org\\@evil.example/",
        "https://user@app.example.org/",
        "https://user:x@app.example.org/",
        "https://äpp.example.org/",
        "https:///callback",
        "https:callback",
        "https://app.example.org:99999/",
        "https://app.example.org:0/",
        "https://app.example.org:x/",
        "https://app.example.org/a/../b",
        "https://app.example.org/a/%2e%2E/b",
        "https://app.example.org/./b",
        "http://app.example.org/callback",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "http://127.0.0.2/",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "vbscript:x",
        "blob:https://x/y",
        "about:blank",
        "intent://x#Intent;end",
        "ftp://x/",
        "ws://x/",
        "mailto:a@example.org",
        "Org.Example.App:/callback",
        "exampleapp://callback",
        "ms-msdt:/id",
        "search-ms:query",
        "org.example.app:",
        "org.example.app://",
        "https://app.example.org/" + "a" * 2048,
    ],
)
def test_what_may_not(uri: str) -> None:
    assert redirects.refusal(uri)


REGISTERED = ("https://app.example.org/callback", "http://127.0.0.1/native", "http://localhost:3000/dev")


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.org/callback/",
        "https://app.example.org/callbac",
        "https://app.example.org/callback?x",
        "https://app.example.org/callback#",
        "https://app.example.org/Callback",
        "https://APP.example.org/callback",
        "HTTPS://app.example.org/callback",
        "https://app.example.org:443/callback",
        "https://app.example.org./callback",
        "https://app.example.org/%63allback",
        "https://app.example.org/x/../callback",
        "https://app.example.org@evil.example/callback",
        "https://evil.example/https://app.example.org/callback",
        "https://app.example.org.evil.example/callback",
        "http://app.example.org/callback",
        " https://app.example.org/callback",
        "https://app.example.org/callback\n",
        "",
        "http://127.0.0.1:5000/other",
        "http://127.0.0.1:5000",
        "http://127.0.0.1:5000/native?x=y",
        "http://127.0.0.1:99999/native",
        "http://127.0.0.1:5000@evil.example/native",
        "http://127.0.0.2:5000/native",
        "http://[::1]:5000/native",
        "https://127.0.0.1:5000/native",
        "http://localhost:3001/dev",
        "http://localhost/dev",
    ],
)
def test_nearly_equal_is_not_registered(uri: str) -> None:
    assert not redirects.is_registered(uri, REGISTERED)


@pytest.mark.parametrize("port", ["", ":1", ":5173", ":65535"])
def test_a_native_app_on_loopback_may_use_any_port(port: str) -> None:
    assert redirects.is_registered(f"http://127.0.0.1{port}/native", REGISTERED)
    assert redirects.is_registered(f"http://[::1]{port}/cb", ["http://[::1]:7/cb"])


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://App.example.org/callback", "https://app.example.org"),
        ("https://app.example.org:443/callback", "https://app.example.org"),
        ("https://app.example.org:8443/callback", "https://app.example.org:8443"),
        ("http://127.0.0.1:3000/x", "http://127.0.0.1:3000"),
        ("http://[::1]:80/x", "http://[::1]"),
        ("org.example.app:/callback", None),
    ],
)
def test_the_origin_of_a_page(uri: str, origin: str | None) -> None:
    assert redirects.origin(uri) == origin


@given(
    st.sampled_from(["https://a.example/cb", "https://a.example/cb?x=1", "org.example.app:/cb"]),
    st.dictionaries(st.sampled_from(["code", "state", "error"]), st.text(max_size=20), min_size=1),
)
def test_answers_come_after_the_uri_and_are_read_back(uri: str, parameters: dict[str, str]) -> None:
    found = redirects.answer(uri, parameters)
    assert found.startswith(uri)
    before = parse_qsl(urlsplit(uri).query, keep_blank_values=True)
    assert parse_qsl(urlsplit(found).query, keep_blank_values=True) == [*before, *parameters.items()]
    assert found.isascii()
