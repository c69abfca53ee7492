"""The table of vendors: what it says, that every row says where that is told, and what is wrong with a bad one."""

from __future__ import annotations

from datetime import date

import pytest

from hilum.broker.vendors import CHOSEN, KINDS, NOTE, NOTHING, PARTIAL, TOLD, Code, Parts, packaged, vendor, vendors
from hilum.problems import Misconfigured

ROW = 'says = "Gone."\nsource = "https://ehr.example/"\nread = 2026-11-23'


def test_the_vendors_are_those_of_the_issue() -> None:
    assert list(packaged()) == ["plain", "epic", "oracle", "meditech"]


@pytest.mark.parametrize("name", packaged())
def test_every_row_says_where_it_is_told_and_when_it_was_read(name: str) -> None:
    for row in vendor(name).rows:
        assert row.source.startswith("https://") or row.source in (TOLD, CHOSEN), row
        assert date(2026, 1, 1) <= row.read, row
        assert row.says.endswith("."), row


def test_a_plain_server_has_nothing_peculiar() -> None:
    plain = vendor("plain")
    assert (dict(plain.codes), dict(plain.parts), dict(plain.counts), plain.rows) == ({}, {}, {}, ())
    assert plain.per_second == 0
    assert plain.transactions
    assert plain.wildcard_scopes


def test_epic_is_as_the_issue_tells() -> None:
    epic = vendor("epic")
    means = {code: epic.codes[code].means for code in ("4101", "4119", "4127", "4113", "4130", "4131", "4134", "4135")}
    assert means == {
        "4101": NOTHING,
        "4119": PARTIAL,
        "4127": "ambiguous",
        "4113": "gone",
        "4130": "break-the-glass",
        "4131": "break-the-glass",
        "4134": "break-the-glass",
        "4135": "throttled",
    }
    assert all(code.means in KINDS | {NOTHING, PARTIAL, NOTE} for code in epic.codes.values())
    assert {"category", "code"} <= epic.parts["Observation"].unless
    assert not epic.transactions
    assert epic.mrn_system_differs
    assert epic.retry_bare_400 > 0
    assert epic.code_system is not None
    assert epic.code_system.fullmatch("urn:oid:1.2.840.114350.1.13.5325.1.7.2.657369")
    assert not epic.code_system.fullmatch("urn:oid:1.2.840.114350.1.13.5325.1.7.2.657370")


def test_oracle_and_meditech_are_as_the_issue_tells() -> None:
    oracle, meditech = vendor("oracle"), vendor("meditech")
    assert (oracle.token_seconds, oracle.new_refresh_token, oracle.wildcard_scopes) == (570, False, False)
    assert oracle.counts["Observation"] == 200
    assert meditech.issuer_slash


def test_a_vendor_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with pytest.raises(Misconfigured, match="No vendor is called 'acme': expected plain, epic, oracle, meditech"):
        vendor("acme")


def test_a_text_becomes_vendors() -> None:
    text = f"""
    [acme]
    title = "Acme"
    [acme.facts.concurrency]
    value = 1
    {ROW}
    [acme.parts.Task]
    by = "status"
    values = ["draft", "ready"]
    unless = ["status"]
    {ROW}
    [acme.codes.17]
    means = "gone"
    {ROW}
    [acme.counts.Task]
    value = 7
    {ROW}
    """
    acme = vendors(text)["acme"]
    assert (acme.name, acme.title, acme.concurrency) == ("acme", "Acme", 1)
    assert dict(acme.parts) == {"Task": Parts("status", ("draft", "ready"), frozenset({"status"}))}
    assert dict(acme.codes) == {"17": Code("gone", "Gone.")}
    assert dict(acme.counts) == {"Task": 7}
    assert [row.about for row in acme.rows] == ["facts.concurrency", "parts.Task", "codes.17", "counts.Task"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "[acme.facts.concurrency]\nvalue = 1",
            "acme.facts.concurrency: found value; expected value, says, source, read",
        ),
        (f"[acme.facts.concurrency]\nvalue = 'x'\n{ROW}", "acme.facts.concurrency: found str, expected int"),
        (f"[acme.facts.speed]\nvalue = 1\n{ROW}", "acme.facts.speed: found int, expected one of concurrency, "),
        (f"[acme.codes.1]\nmeans = 'bad'\n{ROW}", "acme.codes.1: 'bad' is no meaning of a code"),
        (f"[acme.counts.Task]\nvalue = 'x'\n{ROW}", "acme.counts.Task: value must be of type int"),
        (
            "[acme.counts.Task]\nvalue = 1\nsays = ''\nsource = 'hearsay'\nread = 2026-11-23",
            "acme.counts.Task: source must be",
        ),
        ("[acme", "not TOML"),
    ],
)
def test_a_row_that_is_wrong_is_named(row: str, message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        vendors(row if row == "[acme" else f"[acme]\ntitle = 'Acme'\n{row}")
