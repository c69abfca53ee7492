"""The ways `pcd01` and `soap`: what of an acknowledgement says that a message is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent.sending.far_sides import BATCH, Reply, Request, Side, agent, batch, far_side
from tests.unit.phd.fhir.making import CUFF, MMOL_L, glucose, pressure, reading, taken

from hilum.agent.batch import Batch, Fate, Held, Later, Refused, Stopped, Stored
from hilum.agent.sending.judging import CONFLICTS
from hilum.agent.sending.pcd01 import Pcd01, Soap
from hilum.hl7v2 import ack, message, pcd01, soap
from hilum.hl7v2.message import Message
from hilum.hl7v2.refused import Condition, Place
from hilum.hl7v2.refused import Refused as NotTaken
from hilum.hl7v2.soap import Code, Fault
from hilum.phd.reading import Quantity

HERS = {"patient": [{"device": CUFF.key, "id": "p1"}]}
ONE = batch(taken(glucose("18.90")))
NOW = datetime(2026, 11, 24, tzinfo=UTC)
WAYS = {"pcd01": Pcd01, "soap": Soap}


def asked_for(asked: Request) -> Message:
    """The message that came, by either way."""
    if asked.headers["content-type"].startswith("application/soap+xml"):
        return message.parse(soap.parse_request(asked.body).content, codec="utf-8")
    return message.parse(asked.body)


def replied(asked: Request, said: Message, status: int = 200) -> Reply:
    if asked.headers["content-type"].startswith("application/soap+xml"):
        envelope = soap.parse_request(asked.body)
        body = soap.response(said, message_id="urn:uuid:1", relates_to=envelope.message_id)
        return Reply(status, body, {"content-type": "application/soap+xml; charset=UTF-8"})
    return Reply(status, said.write(), {"content-type": "application/hl7-v2; charset=utf-8"})


def acknowledging(*errors: NotTaken, status: int = 200, **more: Any) -> Callable[[Request], Reply]:
    def answering(asked: Request) -> Reply:
        return replied(asked, ack.acknowledge(asked_for(asked), errors, at=NOW, control_id="1", **more), status)

    return answering


async def sent(
    folder: Path, way: str, answering: Callable[[Request], Reply], one: Batch = ONE, table: dict[str, Any] = HERS
) -> tuple[Fate, Side]:
    async with far_side(folder, answering) as side:
        found = WAYS[way](agent(folder, side, way, "/hl7", table))
        try:
            return await found.send(one), side
        finally:
            await found.close()


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_aa_is_stored_and_the_acknowledgement_is_the_receipt(tmp_path: Path, way: str) -> None:
    fate, side = await sent(tmp_path, way, acknowledging())
    assert isinstance(fate, Stored) and "\rMSA|AA|7d3f6c1e-2f1a-4c55-9a63-0d5d7c1c7a10" in fate.receipt
    assert "18.90" not in fate.receipt
    upload = pcd01.read(asked_for(side.seen[0]))
    assert upload.control_id == BATCH.removeprefix("urn:uuid:")
    assert [one.value for one in upload.patient] == ["p1"]
    quantity = upload.taken[0].readings[0].value
    assert isinstance(quantity, Quantity) and (str(quantity.value), quantity.unit) == ("18.90", MMOL_L)


async def test_a_commit_accept_is_stored(tmp_path: Path, way: str) -> None:
    fate, _ = await sent(tmp_path, way, acknowledging(stage=ack.Stage.COMMIT))
    assert isinstance(fate, Stored)


async def test_what_is_accepted_and_waits_is_held(tmp_path: Path, way: str) -> None:
    fate, _ = await sent(tmp_path, way, acknowledging(status=202))
    assert isinstance(fate, Held)


@pytest.mark.parametrize(("code", "expected"), [("HELD", Held), ("ODD", Stored)], ids=["held", "another warning"])
async def test_a_warning_beside_aa_says_whether_it_is_held(
    tmp_path: Path, way: str, code: str, expected: type[Fate]
) -> None:
    def answering(asked: Request) -> Reply:
        said = ack.acknowledge(asked_for(asked), at=NOW, control_id="1")
        warning = message.Segment.of("ERR", "", "", "0", "W", message.components(code, "", "L"))
        return replied(asked, message.built(*said.segments, warning))

    assert isinstance((await sent(tmp_path, way, answering))[0], expected)


AT = Place("OBX", 3, 5)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition.DATA_TYPE, Refused),
        (Condition.UNKNOWN_KEY, Refused),
        (Condition.UNSUPPORTED_VERSION, Stopped),
        (Condition.UNSUPPORTED_MESSAGE, Stopped),
        (Condition.LOCKED, Later),
        (Condition.INTERNAL, Later),
    ],
    ids=lambda one: one.name if isinstance(one, Condition) else one.__name__,
)
@pytest.mark.parametrize("status", [200, 400, 500])
async def test_what_an_error_means(
    tmp_path: Path, way: str, condition: Condition, expected: type[Fate], status: int
) -> None:
    fate, _ = await sent(tmp_path, way, acknowledging(NotTaken(condition, "18.90 Doe", AT), status=status))
    assert isinstance(fate, expected)
    assert f"condition {int(condition)}, at OBX[3]-5" in fate.why and "Doe" not in fate.why


async def test_an_error_that_may_pass_and_does_not_is_of_the_content(tmp_path: Path, way: str) -> None:
    answering = acknowledging(NotTaken(Condition.INTERNAL, ""))
    fate, _ = await sent(tmp_path, way, answering, replace(ONE, tries=CONFLICTS))
    assert isinstance(fate, Refused)


async def test_the_same_batch_is_the_same_message(tmp_path: Path, way: str) -> None:
    async with far_side(tmp_path, lambda asked: Reply(503)) as side:
        found = WAYS[way](agent(tmp_path, side, way, "/hl7", HERS))
        await found.send(ONE)
        await found.send(replace(ONE, tries=2))
    assert side.seen[0].body == side.seen[1].body


def other(asked: Request) -> Reply:
    said = ack.acknowledge(asked_for(asked), at=NOW, control_id="1").write()
    said = said.replace(b"MSA|AA|7d3f", b"MSA|AA|0000")
    return replied(asked, message.parse(said))


WRONG: dict[str, Callable[[Request], Reply]] = {
    "of another message": other,
    "nothing": lambda asked: Reply(200, b"", {"content-type": "application/hl7-v2"}),
    "a page": lambda asked: Reply(200, b"<html>AA</html>", {"content-type": "text/html"}),
    "the message itself": lambda asked: Reply(200, asked.body, {"content-type": asked.headers["content-type"]}),
    "no acknowledgement": lambda asked: replied(asked, asked_for(asked)),
    "aa with 500": acknowledging(status=500),
    "garbage": lambda asked: Reply(200, b"\xff\x00MSH", {"content-type": "application/hl7-v2"}),
    "garbage in XML": lambda asked: Reply(200, b"<!DOCTYPE x><x/>", {"content-type": "application/soap+xml"}),
    "cut": lambda asked: Reply(cut=True),
}


@pytest.mark.parametrize("answering", WRONG.values(), ids=WRONG.keys())
async def test_what_does_not_say_it_is_not_stored(
    tmp_path: Path, way: str, answering: Callable[[Request], Reply]
) -> None:
    fate, _ = await sent(tmp_path, way, answering)
    assert isinstance(fate, Later)


async def test_without_an_acknowledgement_the_status_tells(tmp_path: Path, way: str) -> None:
    assert isinstance((await sent(tmp_path, way, lambda asked: Reply(403)))[0], Stopped)
    assert isinstance((await sent(tmp_path, way, lambda asked: Reply(413)))[0], Refused)
    assert isinstance((await sent(tmp_path, way, lambda asked: Reply(503)))[0], Later)


@pytest.mark.parametrize(
    ("code", "expected"),
    [(Code.SENDER, Refused), (Code.RECEIVER, Later), (Code.VERSION, Stopped), (Code.NOT_UNDERSTOOD, Stopped)],
    ids=lambda one: one.name if isinstance(one, Code) else one.__name__,
)
async def test_what_a_soap_fault_means(tmp_path: Path, code: Code, expected: type[Fate]) -> None:
    raw = soap.fault(Fault(code, "Doe"), message_id="urn:uuid:1", relates_to=BATCH)
    fate, _ = await sent(
        tmp_path, "soap", lambda asked: Reply(500, raw, {"content-type": "application/soap+xml; charset=UTF-8"})
    )
    assert isinstance(fate, expected) and "Doe" not in fate.why


async def test_nobody_guesses_whose_it_is(tmp_path: Path, way: str) -> None:
    fate, side = await sent(tmp_path, way, acknowledging(), table={})
    assert isinstance(fate, Stopped) and "[[patient]]" in fate.why
    assert side.seen == []


async def test_hilums_gateway_is_told_which_user_of_which_device_it_is(tmp_path: Path, way: str) -> None:
    async with far_side(tmp_path, acknowledging()) as side:
        far = agent(tmp_path, side, way, "/devices/hl7v2", {})
        far.identity = replace(far.identity, gateway=side.url, issuer="https://hilum.example")
        fate = await WAYS[way](far).send(replace(ONE, person=2))
    assert isinstance(fate, Stored)
    found = pcd01.read(asked_for(side.seen[0])).patient[0]
    assert (found.value, found.universal, found.universal_type) == (
        "71-10-00-FE-FF-5F-49-B0#2", "https://hilum.example/devices/person", "URI",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("system", "authority"), [("urn:oid:1.2.3", ("1.2.3", "ISO")), ("https://x/mrn", ("https://x/mrn", "URI"))]
)
async def test_who_assigned_an_identifier_is_told(
    tmp_path: Path, way: str, system: str, authority: tuple[str, str]
) -> None:
    table = {"patient": [{"device": CUFF.key, "system": system, "value": "77"}]}
    _, side = await sent(tmp_path, way, acknowledging(), batch(taken(glucose(), pressure())), table)
    found = pcd01.read(asked_for(side.seen[0])).patient[0]
    assert (found.value, found.universal, found.universal_type) == ("77", *authority)


async def test_what_xml_has_no_way_to_say_is_refused(tmp_path: Path) -> None:
    strange = batch(taken(reading("a\x01b")))
    fate, side = await sent(tmp_path, "soap", acknowledging(), strange)
    assert isinstance(fate, Refused) and side.seen == []
