"""The way `gateway`: what of its answers says that a batch is stored, and what does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey
from tests.unit.agent.sending.far_sides import BATCH, Reply, Request, agent, batch, far_side
from tests.unit.phd.fhir.making import glucose, taken

from hilum.agent.batch import Batch, Fate, Held, Later, Refused, Stopped, Stored
from hilum.agent.sending.far import Far
from hilum.agent.sending.gateway import Gateway
from hilum.oauth.envelope import opened, recipient
from hilum.problems import Misconfigured

ONE = batch(taken(glucose("18.90")))


def answered(asked: dict[str, Any], status: str = "201 Created", **more: Any) -> dict[str, Any]:
    entries = [
        {"response": {"status": status, "location": f"https://x/fhir/Observation/{number}/_history/1"}}
        for number, _ in enumerate(asked["entry"])
    ]
    return {
        "resourceType": "Bundle",
        "type": "transaction-response",
        "identifier": asked["identifier"],
        "entry": entries,
    } | more


async def sent(folder: Path, answering: Callable[[Request], Reply], one: Batch = ONE) -> tuple[Fate, list[Request]]:
    async with far_side(folder, answering) as side:
        way = Gateway(agent(folder, side, "gateway"))
        try:
            return await way.send(one), side.seen
        finally:
            await way.close()


async def test_a_batch_is_stored_when_the_answer_says_so_entry_by_entry(tmp_path: Path) -> None:
    fate, seen = await sent(tmp_path, lambda asked: Reply(200, answered(asked.json)))
    entries = [f"Observation/{number}" for number in range(5)]
    assert fate == Stored(json.dumps({"bundle": BATCH, "entries": entries}, separators=(",", ":")))
    assert [(one.method, one.target, one.headers["content-type"]) for one in seen] == [
        ("POST", "/devices/bundles", "application/fhir+json")
    ]


async def test_numbers_are_sent_with_their_digits(tmp_path: Path) -> None:
    _, seen = await sent(tmp_path, lambda asked: Reply(200, answered(asked.json)))
    assert b'"value":18.90,' in seen[0].body


async def test_the_gateway_is_told_which_user_of_which_device_it_is(tmp_path: Path) -> None:
    _, seen = await sent(tmp_path, lambda asked: Reply(200, answered(asked.json)), replace(ONE, person=2))
    patient = next(one["resource"] for one in seen[0].json["entry"] if one["resource"]["resourceType"] == "Patient")
    found = patient["identifier"][0]
    assert found["system"].endswith("/devices/person") and found["system"].startswith("https://localhost:")
    assert found["value"] == "71-10-00-FE-FF-5F-49-B0#2"


async def test_the_same_batch_is_the_same_bytes(tmp_path: Path) -> None:
    async with far_side(tmp_path, lambda asked: Reply(503)) as side:
        way = Gateway(agent(tmp_path, side, "gateway"))
        await way.send(ONE)
        await way.send(replace(ONE, tries=3))
    assert side.seen[0].body == side.seen[1].body


async def test_a_replayed_answer_says_so_in_the_receipt(tmp_path: Path) -> None:
    replayed = {"Idempotency-Replayed": "true"}
    fate, _ = await sent(tmp_path, lambda asked: Reply(200, answered(asked.json), replayed))
    assert isinstance(fate, Stored) and json.loads(fate.receipt)["replayed"] is True


async def test_what_the_gateway_holds_is_held(tmp_path: Path) -> None:
    fate, _ = await sent(tmp_path, lambda asked: Reply(202, answered(asked.json, "202 Accepted")))
    assert isinstance(fate, Held)


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "an empty body": lambda asked: b"",
    "a page of a hotel": lambda asked: b"<html>Welcome</html>",
    "an entry less": lambda asked: answered(asked) | {"entry": answered(asked)["entry"][:-1]},
    "an entry more": lambda asked: answered(asked) | {"entry": answered(asked)["entry"] * 2},
    "an entry that failed": lambda asked: answered(asked, "400 Bad Request"),
    "an entry that is held": lambda asked: answered(asked, "202 Accepted"),
    "an entry without a status": lambda asked: answered(asked, ""),
    "another bundle's answer": lambda asked: answered(asked, identifier={"value": "urn:uuid:other"}),
    "an answer to a batch": lambda asked: answered(asked, type="batch-response"),
    "the bundle itself": lambda asked: asked,
    "a list": lambda asked: [answered(asked)],
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
async def test_a_200_that_does_not_say_it_is_not_stored(tmp_path: Path, body: Callable[[Any], Any]) -> None:
    fate, _ = await sent(tmp_path, lambda asked: Reply(200, body(asked.json)))
    assert isinstance(fate, Later)


async def test_a_202_whose_entries_are_not_held_is_not_held(tmp_path: Path) -> None:
    fate, _ = await sent(tmp_path, lambda asked: Reply(202, answered(asked.json)))
    assert isinstance(fate, Later)


async def test_a_refusal_names_elements_and_none_of_the_far_sides_words(tmp_path: Path) -> None:
    issue = {
        "severity": "error",
        "code": "value",
        "expression": ["Bundle.entry[2].resource.value"],
        "diagnostics": "x7",
    }
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    fate, _ = await sent(tmp_path, lambda asked: Reply(422, outcome))
    assert isinstance(fate, Refused)
    assert "(value at Bundle.entry[2].resource.value)" in fate.why and "x7" not in fate.why


async def test_what_was_done_and_not_answered_is_tried_later(tmp_path: Path) -> None:
    fate, _ = await sent(tmp_path, lambda asked: Reply(cut=True))
    assert isinstance(fate, Later)


async def test_nobody_there_is_later_and_a_certificate_that_does_not_hold_stops(tmp_path: Path) -> None:
    async with far_side(tmp_path, lambda asked: Reply(200)) as side:
        far = agent(tmp_path, side, "gateway")
        (tmp_path / "other").mkdir()
        async with far_side(tmp_path / "other", lambda asked: Reply(200)) as other:
            stranger = agent(tmp_path, replace(side, url=other.url), "gateway")
            fate = await Gateway(stranger).send(ONE)
            assert isinstance(fate, Stopped) and "certificate" in fate.why
            assert other.seen == []
    assert isinstance(await Gateway(far).send(ONE), Later)


def sealing(folder: Path, side: Any, key: ECKey) -> Far:
    far = agent(folder, side, "gateway", table={"send": {"to": side.url, "ca": str(side.ca), "seal": True}})
    far.identity = replace(far.identity, envelope={**key.as_dict(private=False), "kid": "k1", "use": "enc"})
    return far


async def test_a_sealed_bundle_is_read_by_the_gateway_alone(tmp_path: Path) -> None:
    key = ECKey.generate_key("P-256")
    own = recipient({**key.as_dict(private=True), "kid": "k1"})

    def answering(asked: Request) -> Reply:
        return Reply(200, answered(json.loads(opened(asked.body.decode(), [own]).content)))

    async with far_side(tmp_path, answering) as side:
        fate = await Gateway(sealing(tmp_path, side, key)).send(ONE)
    assert isinstance(fate, Stored)
    assert side.seen[0].headers["content-type"] == "application/jose"
    assert b"Bundle" not in side.seen[0].body


@pytest.mark.parametrize(("kid", "expected"), [("k1", Refused), ("k2", Stopped)], ids=["same key", "another key"])
async def test_readings_do_not_become_dead_letters_by_a_key_that_changed(
    tmp_path: Path, kid: str, expected: type[Fate]
) -> None:
    def answering(asked: Request) -> Reply:
        return Reply(200, {"keys": [{"kid": kid}]}) if asked.method == "GET" else Reply(400)

    async with far_side(tmp_path, answering) as side:
        fate = await Gateway(sealing(tmp_path, side, ECKey.generate_key("P-256"))).send(ONE)
    assert isinstance(fate, expected)


async def test_to_seal_without_a_key_is_a_fault_of_the_set_up(tmp_path: Path) -> None:
    async with far_side(tmp_path, lambda asked: Reply(200)) as side:
        far = sealing(tmp_path, side, ECKey.generate_key("P-256"))
        far.identity = replace(far.identity, envelope=None)
        with pytest.raises(Misconfigured, match="enroll again"):
            Gateway(far)
