"""How often something may be done."""

from __future__ import annotations

import pytest

from hilum.oauth.errors import OAuthError
from hilum.web import limits
from hilum.web.limits import Limits, Rate


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_and_then_at_an_even_pace(clock: Clock) -> None:
    found = Limits(clock, {"x": Rate(3, 6)})
    for _ in range(3):
        found.spend("x", "a")
    with pytest.raises(OAuthError) as refused:
        found.spend("x", "a")
    assert (refused.value.status, refused.value.error, refused.value.retry_after) == (429, "temporarily_unavailable", 2)
    found.spend("x", "b")
    clock.now = 2
    found.spend("x", "a")
    with pytest.raises(OAuthError):
        found.spend("x", "a")


def test_what_is_forgotten_is_what_was_asked_longest_ago(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_KEYS", 2)
    found = Limits(clock, {"x": Rate(1, 60)})
    for key in ("a", "b", "c"):
        found.spend("x", key)
    found.spend("x", "a")
    assert found.wait("x", "c") > 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "unix", False),
    ],
)
def test_the_addresses_of_one_network_count_as_one(clock: Clock, one: str, other: str, same: bool) -> None:
    found = Limits(clock, {"x by address": Rate(1, 60), "x by client": Rate(1, 60)})
    for limit in ("x by address", "x by client"):
        found.spend(limit, one)
    assert (found.wait("x by address", other) > 0) is same
    assert found.wait("x by client", other) == 0
