"""One delivery: how it is signed, where it may go, and what its answer means for the next one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.loopback import always, certificate, response, serving
from tests.unit.broker.receiver import SECRET, Receiver, receiving

from hilum.broker import deliver
from hilum.broker.deliver import Answer
from hilum.broker.destinations import Destination
from hilum.broker.order import DELIVERED, REFUSED, UNANSWERED
from hilum.web import retry
from hilum.web.outbound import Guard
from hilum.web.webhooks import decoded

NOW = 1_800_000_000.0
SANDBOX = Guard(loopback=True)


def destination(url: str, environment: str = "sandbox", *, private: bool = False) -> Destination:
    return Destination("video", url, environment, decoded(SECRET), private)


def test_a_signature_is_that_of_the_example_of_standard_webhooks() -> None:
    """Id, moment, secret and signature as its libraries are tested with (libraries/javascript/src/webhook.test.ts)."""
    secret = decoded("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    found = deliver.headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == {
        "content-type": "application/json",
        "accept": "application/json",
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "idempotency-key": '"msg_p5jXN8AQM9LWM0D4loKWxJek"',
    }


def test_each_secret_that_holds_signs_and_the_newest_first() -> None:
    """Several signatures, space delimited: standard-webhooks.md, "Signature scheme"."""
    new, old = decoded(SECRET), bytes(24)
    both = deliver.headers([new, old], "o-1", 1, b"{}")["webhook-signature"]
    assert both.split(" ") == [deliver.headers([one], "o-1", 1, b"{}")["webhook-signature"] for one in (new, old)]


async def test_a_receiver_verifies_by_whichever_secret_it_has_while_one_is_rotated() -> None:
    async with receiving(Receiver(any_time=True)) as receiver:
        for known, other in ((decoded(SECRET), bytes(24)), (bytes(24), decoded(SECRET))):
            one = replace(destination(receiver.url), secret=known, former=other)
            assert await deliver.post(one, "o-1", b"{}", SANDBOX, NOW) == Answer(DELIVERED, 200)
    assert receiver.wrong == []


async def test_a_receiver_can_verify_it_and_does_it_once() -> None:
    async with receiving(Receiver(any_time=True)) as receiver:
        for _ in range(2):
            answer = await deliver.post(destination(receiver.url), "o-1", b'{"data":1}', SANDBOX, NOW)
            assert answer == Answer(DELIVERED, 200)
    assert (receiver.wrong, receiver.effects, receiver.attempts) == ([], {"o-1": b'{"data":1}'}, ["o-1", "o-1"])


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        (response(b"Amy Quimby", status=b"204 No Content"), Answer(DELIVERED, 204)),
        (response(b"Amy Quimby", status=b"500 No"), Answer(REFUSED, 500)),
        (response(b"", b"retry-after: 120", status=b"503 No"), Answer(REFUSED, 503, wait=120.0)),
        (response(b"", b"location: https://elsewhere.test", status=b"302 Found"), Answer(UNANSWERED, kind="redirect")),
        (b"", Answer(UNANSWERED, kind="protocol")),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Answer(UNANSWERED, kind="protocol")),
    ],
)
async def test_of_an_answer_nothing_is_kept_but_its_status(raw: bytes, answer: Answer) -> None:
    async with serving(always(raw)) as server:
        assert await deliver.post(destination(server.url()), "o-1", b"{}", SANDBOX, NOW) == answer


@pytest.mark.parametrize(
    ("url", "environment", "private", "kind"),
    [
        ("http://127.0.0.1:1/in", "sandbox", False, "connect"),
        ("http://127.0.0.1:1/in", "production", False, "address"),
        ("https://10.0.0.1/in", "production", False, "address"),
        ("https://169.254.169.254/in", "production", True, "reserved"),
        ("http://10.0.0.1/in", "production", True, "scheme"),
        ("https://10.0.0.1:5432/in", "production", True, "port"),
        ("nowhere", "sandbox", False, "form"),
    ],
)
async def test_nothing_is_sent_where_it_may_not_go(url: str, environment: str, private: bool, kind: str) -> None:
    found = await deliver.post(destination(url, environment, private=private), "o-1", b"{}", SANDBOX, NOW)
    assert found == Answer(UNANSWERED, kind=kind)


async def test_a_private_host_is_reached_by_its_name_where_the_operator_says_so(tmp_path: Path) -> None:
    tls, trusting = certificate(tmp_path, "render.hilum.test")

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    guard = Guard(resolve=resolve, tls=trusting)
    async with serving(always(response(b"")), tls=tls, port=8443) as server:
        url = server.url("/in", host="render.hilum.test", scheme="https")
        for private, answer in ((False, Answer(UNANSWERED, kind="address")), (True, Answer(DELIVERED, 200))):
            one = destination(url, "production", private=private)
            assert await deliver.post(one, "o-1", b"{}", guard, NOW) == answer


def test_pauses_grow_over_days_and_end() -> None:
    waits = [deliver.again(Answer(REFUSED, 500), attempt) for attempt in range(1, 11)]
    assert waits[-1] is None
    for wait, planned in zip(waits, deliver.BACKOFF, strict=False):
        assert wait is not None
        assert 0.9 * planned <= wait <= 1.1 * planned
    assert list(deliver.BACKOFF) == sorted(deliver.BACKOFF)
    assert 3 * 86_400 < sum(deliver.BACKOFF) < 4 * 86_400


@pytest.mark.parametrize("status", sorted(deliver.NEVER_AGAIN))
def test_what_the_same_request_would_meet_for_good_is_not_tried_again(status: int) -> None:
    assert deliver.again(Answer(REFUSED, status), 1) is None


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 409, 425, 429, 500, 502, 503, 504])
def test_what_may_be_mended_meanwhile_is_tried_again(status: int) -> None:
    assert deliver.again(Answer(REFUSED, status), 1) is not None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 0),
        ("120", 120),
        (" 7 ", 7),
        ("999999999999999999999", retry.LONGEST),
        ("-5", 0),
        ("soon", 0),
        ("²", 0),
        ("Fri, 15 Jan 99999999999 08:10:00 GMT", 0),
        ("Fri, 15 Jan 2027 08:10:00 +99999999999999999999", 0),
        ("Fri, 15 Jan 2027 08:10:00 GMT", 600),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
        ("Fri, 15 Jan 2027 08:10:00 -0000", 600),
        ("Fri, 15 Jan 2099 08:10:00 GMT", retry.LONGEST),
    ],
)
def test_retry_after_is_a_number_or_a_date(text: str, seconds: float) -> None:
    assert retry.after(text, NOW) == seconds
    found = deliver.again(Answer(REFUSED, 503, wait=seconds), 1)
    assert found is not None
    assert found >= seconds
