"""How often something may be done."""

from __future__ import annotations

import pytest

from hilum.oauth.errors import OAuthError
from hilum.smart import limits
from hilum.smart.limits import Limits, Rate


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
