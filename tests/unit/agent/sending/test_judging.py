"""What an HTTP status means for a batch: nothing is lost by it, and nothing becomes a dead letter by what passes."""

from __future__ import annotations

import pytest

from hilum.agent.batch import Fate, Later, Refused, Stopped
from hilum.agent.http import Answer
from hilum.agent.sending.judging import CONFLICTS, judged

EXPECTED: dict[type[Fate], tuple[int, ...]] = {
    Later: (200, 201, 202, 204, 206, 408, 409, 421, 423, 424, 425, 429, 500, 502, 503, 504, 507, 511, 599),
    Refused: (400, 412, 413, 422),
    Stopped: (301, 302, 303, 304, 307, 308, 401, 403, 404, 405, 406, 407, 410, 411, 415, 418, 426, 428, 431, 451, 501,
              505),
}  # fmt: skip


@pytest.mark.parametrize(("status", "fate"), [(one, fate) for fate, all_ in EXPECTED.items() for one in all_])
def test_a_status_that_is_not_a_receipt(status: int, fate: type[Fate]) -> None:
    assert type(judged(Answer(status, {}, b""), 0)) is fate


def test_a_conflict_that_stays_is_one_with_the_content() -> None:
    assert type(judged(Answer(409, {}, b""), 0, CONFLICTS)) is Refused


@pytest.mark.parametrize(
    ("said", "after"),
    [
        ("120", 120.0),
        ("Tue, 24 Nov 2026 02:01:00 GMT", 60.0),
        ("Tue, 24 Nov 2026 01:00:00 GMT", 0.0),
        ("99999999999", 86400.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_what_a_far_side_asks_for_by_retry_after_is_kept_to(said: str, after: float | None) -> None:
    fate = judged(Answer(503, {"retry-after": said}, b""), 1795485600.0)
    assert isinstance(fate, Later) and fate.after == after


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceType":"OperationOutcome","issue":[{"code":"Ms Doe has 18.9","expression":["Ms Doe"]}]}',
        b'{"issue":"no"}',
        b"\xff\xfe",
        b'{"issue":[{"x":' + b"[" * 100_000,
    ],
    ids=["words where codes are", "no list", "no text", "deep"],
)
def test_nothing_of_the_far_sides_words_is_told(body: bytes) -> None:
    assert judged(Answer(400, {}, body), 0).why == "The far side answered 400: it does not take this content."
