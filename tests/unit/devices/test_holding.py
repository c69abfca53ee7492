"""Bundles that wait: sealed, bounded, and stored once it is known whose they are, as who sent them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs
from tests.unit.devices.world import METER, Body, Links, agent, person, push, reading, sent, stored, values

from hilum.access import rerooting
from hilum.access.keys import SigningKey, load_or_create
from hilum.access.policy import EVERYTHING
from hilum.access.seal import Seal
from hilum.devices import holding
from hilum.devices.bundles import name
from hilum.devices.envelopes import Envelopes
from hilum.devices.gateway import Gateway, Released, release
from hilum.devices.receipts import answer, known
from hilum.devices.receipts import key as place_of
from hilum.devices.records import Receipt
from hilum.devices.resolving import Found, Hold
from hilum.fhir import json
from hilum.oauth import envelope
from hilum.oauth.ledger import CLIENT, DEVICE_HELD, Client, Put, write
from hilum.problems import Forbidden, Invalid, MultipleMatches, NoRoom

PERSON = f"{METER.system_id}#"


async def receipt(gateway: Gateway, body: Body, client: str = "agent-1") -> Receipt:
    kept = await known(gateway.door.store.ledger, place_of(client, name(body)))
    assert kept is not None
    return kept.receipt


async def waiting(gateway: Gateway) -> list[holding.Waiting]:
    return [one async for one in holding.waiting(gateway.door.store.ledger)]


async def test_what_is_nobodys_yet_is_held_as_a_whole(gateway: Gateway) -> None:
    done = await push(gateway, sent())
    assert done.receipt.held == "Nobody has said whose these are."
    assert (await gateway.door.store.counts()).types == {}
    said = json.parse(answer(done.receipt, gateway.door.base))
    assert [one["response"]["status"] for one in said["entry"]] == ["202"] * 5
    assert said["entry"][0]["response"]["outcome"]["issue"][0]["diagnostics"] == done.receipt.held


async def test_it_is_listed_without_its_readings(gateway: Gateway) -> None:
    done = await push(gateway, sent())
    (one,) = await waiting(gateway)
    assert (one.id, one.client, one.why, one.entries) == (done.id, "agent-1", done.receipt.held, 5)
    assert one.devices == (f"urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680|{METER.system_id}",)


async def test_a_link_that_is_made_while_it_comes_to_be_held_stores_it(gateway: Gateway, links: Links) -> None:
    patient, asked = await person(gateway), 0

    async def linked_after_the_first_look(*of: Any) -> Found | Hold:
        nonlocal asked
        found = await links(*of)
        if not asked:
            links.known[PERSON] = patient
        asked += 1
        return found

    body = sent()
    await push(replace(gateway, whose=linked_after_the_first_look), body)
    assert (asked > 1, await waiting(gateway), (await receipt(gateway, body)).held) == (True, [], "")
    assert await values(gateway) == ["104"]


async def test_no_reading_can_be_read_in_the_ledger(gateway: Gateway) -> None:
    await push(gateway, sent(reading("104.25")))
    rows = await gateway.door.store.ledger.of(DEVICE_HELD)
    assert len(rows) == 3
    assert not any(b"104.25" in row.value or b"160184" in row.value for row in rows)


async def test_held_again_is_the_same_answer(gateway: Gateway) -> None:
    first, again = await push(gateway, sent()), await push(gateway, sent())
    assert (again.replayed, again.receipt) == (True, first.receipt)
    assert len(await waiting(gateway)) == 1


async def test_replayed_concurrently_it_is_held_once(gateway: Gateway) -> None:
    outcomes = await asyncio.gather(*(push(gateway, sent()) for _ in range(8)))
    assert sum(not one.replayed for one in outcomes) == 1
    assert len(await waiting(gateway)) == 1


async def test_once_it_is_known_whose_it_is_it_is_stored_with_the_same_receipt(gateway: Gateway, links: Links) -> None:
    held = await push(gateway, sent())
    assert await release(gateway) == Released(0, 1, 0)
    links.known[PERSON] = patient = await person(gateway)
    assert await release(gateway) == Released(1, 0, 0)
    assert await values(gateway) == ["104"]
    assert {one.body["subject"]["reference"] for one in await stored(gateway)} == {f"Patient/{patient}"}
    now = await receipt(gateway, sent())
    assert (now.held, now.at, now.content) == ("", held.receipt.at, held.receipt.content)
    assert {one.reference for one in now.entries} >= {f"Observation/{one.id}" for one in await stored(gateway)}
    assert await waiting(gateway) == []
    assert (await push(gateway, sent())).receipt == now


async def test_one_may_be_released_by_its_receipt(gateway: Gateway, links: Links) -> None:
    some = [await push(gateway, sent(reading(str(v), v), number=v)) for v in (1, 2)]
    links.known[PERSON] = await person(gateway)
    assert (await release(gateway, some[1].id)).stored == 1
    assert await values(gateway) == ["2"]


async def test_released_by_several_at_once_it_is_stored_once(gateway: Gateway, links: Links) -> None:
    for value in range(1, 7):
        await push(gateway, sent(reading(str(value), value), number=value))
    links.known[PERSON] = await person(gateway)
    await asyncio.gather(*(release(gateway) for _ in range(4)))
    assert sorted(await values(gateway)) == ["1", "2", "3", "4", "5", "6"]
    assert await waiting(gateway) == []
    again = await push(gateway, sent(reading("7", 7), number=7))
    assert not again.receipt.held


async def test_it_is_stored_as_who_sent_it(gateway: Gateway, links: Links) -> None:
    await push(gateway, sent(), agent("agent-7"))
    links.known[PERSON] = await person(gateway)
    await release(gateway)
    (row,) = [one for one in await gateway.door.store.writes_audited(1 << 62, 0, 10) if one.client == "agent-7"]
    assert (row.agent, row.interaction) == ("agent-7", "transaction")


async def test_what_a_client_sent_that_is_revoked_since_waits_on(gateway: Gateway, links: Links) -> None:
    ledger = gateway.door.store.ledger
    await push(gateway, sent())
    links.known[PERSON] = await person(gateway)
    client = Client("Agent", "private_key_jwt", "system/Observation.c system/Device.c", disabled=True)
    assert await ledger.add(Put(CLIENT, b"agent-1", write(client)))
    assert await release(gateway) == Released(0, 1, 1)
    assert await ledger.replace(Put(CLIENT, b"agent-1", write(structs.replace(client, disabled=False))), 1)
    assert await release(gateway) == Released(1, 0, 0)


async def test_of_a_revoked_device_it_waits_on(gateway: Gateway, links: Links) -> None:
    await push(gateway, sent())
    links.known[PERSON] = await person(gateway)
    links.revoked.add(METER.system_id)
    assert await release(gateway) == Released(0, 1, 1)
    assert await values(gateway) == []


async def test_one_that_can_not_be_stored_keeps_no_other_from_it(gateway: Gateway, links: Links) -> None:
    for number in (1, 2):
        await push(gateway, sent(reading("104", number), number=number))
    links.known[PERSON], asked = await person(gateway), 0

    async def ambiguous_at_first(*of: Any) -> Found | Hold:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise MultipleMatches("The criteria match several.")
        return await links(*of)

    assert await release(replace(gateway, whose=ambiguous_at_first)) == Released(1, 1, 1)
    assert len(await values(gateway)) == 1


async def test_what_may_everything_may_be_held_too(gateway: Gateway, links: Links) -> None:
    await push(gateway, sent(), replace(agent(), policy=EVERYTHING))
    links.known[PERSON] = await person(gateway)
    assert (await release(gateway)).stored == 1


async def test_what_is_wrong_with_it_is_told_before_it_is_held(gateway: Gateway) -> None:
    body = sent()
    body["entry"][-1]["resource"]["status"] = "done"
    with pytest.raises(Invalid):
        await push(gateway, body)
    with pytest.raises(Forbidden):
        await push(gateway, sent(), agent(scope="system/Observation.rs"))
    assert await waiting(gateway) == []


async def test_no_more_waits_of_one_client_than_there_may(
    gateway: Gateway, links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "MOST", 2)
    for number in (1, 2):
        await push(gateway, sent(number=number))
    with pytest.raises(NoRoom):
        await push(gateway, sent(number=3))
    assert (await push(gateway, sent(number=3), agent("another"))).receipt.held
    links.known[PERSON] = await person(gateway)
    await release(gateway)
    links.known.clear()
    assert (await push(gateway, sent(number=3))).receipt.held


async def test_nor_more_bytes(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "MOST_BYTES", 1000)
    with pytest.raises(NoRoom):
        await push(gateway, sent())
    assert not (await gateway.door.store.ledger.of(DEVICE_HELD))


async def test_one_may_be_thrown_away_and_its_receipt_stays(gateway: Gateway) -> None:
    await push(gateway, sent())
    (one,) = await waiting(gateway)
    ledger = gateway.door.store.ledger
    assert [await holding.drop(ledger, one.place) for _ in range(2)] == [True, False]
    assert await waiting(gateway) == []
    assert (await receipt(gateway, sent())).held


async def test_with_another_root_key_it_opens_and_is_released(
    gateway: Gateway, links: Links, root: SigningKey, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """So do the keys of envelopes."""
    ledger = gateway.door.store.ledger
    await push(gateway, sent())
    before = Envelopes(ledger, gateway.seal)
    kid = (await before.jwks())["keys"][0]["kid"]
    old, new = root, load_or_create(tmp_path_factory.mktemp("root"), "sandbox")
    await rerooting.reroot(ledger, old, new, 1_800_000_000.0)
    fresh = replace(gateway, seal=Seal(new))
    links.known[PERSON] = await person(gateway)
    assert (await release(fresh)).stored == 1
    (jwk,) = (await Envelopes(ledger, fresh.seal).jwks())["keys"]
    content = envelope.sealed(b"{}", envelope.recipient(jwk)).encode()
    assert (jwk["kid"], await Envelopes(ledger, fresh.seal).open(content)) == (kid, b"{}")
