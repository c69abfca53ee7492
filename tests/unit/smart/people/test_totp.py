"""Codes by time, against the test vectors of RFC 6238, appendix B (SHA-1; the last six of eight digits)."""

from __future__ import annotations

import base64

import pytest

from hilum.smart.people import totp

SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("now", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_the_codes_of_the_rfc_are_right(now: int, code: str) -> None:
    assert totp.step(SECRET, code, now, 0) == now // 30
    assert totp.step(SECRET, f"{code[:3]} {code[3:]}", now, 0) == now // 30


@pytest.mark.parametrize(("off", "right"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_clock_may_be_one_step_off(off: int, right: bool) -> None:
    assert (totp.step(SECRET, "050471", 1111111111 + off, 0) is not None) is right


def test_a_code_holds_once() -> None:
    step = totp.step(SECRET, "050471", 1111111111, 0)
    assert step is not None
    assert totp.step(SECRET, "050471", 1111111111, step) is None
    assert totp.step(SECRET, "050471", 1111111111, step - 1) == step


@pytest.mark.parametrize("code", ["", "05047", "0504711", "05047a", "٠٥٠٤٧١", "050471\n1"])
def test_what_is_no_code_is_not_right(code: str) -> None:
    assert totp.step(SECRET, code, 1111111111, 0) is None


def test_an_app_reads_whose_secret_it_is() -> None:
    uri = totp.uri(SECRET, "kim.doe", "Lake Clinic")
    assert uri == f"otpauth://totp/Lake%20Clinic:kim.doe?secret={SECRET}&issuer=Lake%20Clinic"
    assert totp.qr(uri).startswith("<svg ")
    assert totp.spaced("ABCDEFGH") == "ABCD EFGH"
    assert len(base64.b32decode(totp.new_secret())) == 20
