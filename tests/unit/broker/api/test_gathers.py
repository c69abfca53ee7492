"""Orders by the API: given, looked at, listed, cancelled, replayed, and by whom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.broker.api.asked import ORDER, ORIGIN, Here, here, holder
from tests.unit.broker.ordered import EHR, MRN

from hilum.broker.exchange import Tokens
from hilum.broker.grants import logged, sign_in_of
from hilum.broker.order import Start
from hilum.interactions import granting
from hilum.interactions.update import update
from hilum.oauth.ledger import EHR as KIND
from hilum.oauth.ledger import PARCEL, Put, write

GATHER = "/api/v1/gather"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Here]:
    async with here(tmp_path) as found:
        yield found


async def test_an_order_is_accepted_with_its_place_and_what_it_asks_for(api: Here) -> None:
    answer = await api.ask("POST", GATHER, ORDER)
    found = answer.json
    assert (answer.status, answer.header(b"location")) == (202, f"{ORIGIN}{GATHER}/{found['id']}")
    changed, created = found.pop("changed"), found.pop("created")
    assert changed.endswith("Z")
    assert created.endswith("Z")
    assert found == {
        "id": found["id"],
        "status": "requested",
        "step": "requested",
        "version": 1,
        "ehr": "epic",
        "environment": "sandbox",
        "recipe": "video",
        "deliver_to": "video",
        "store": True,
        "not_before": None,
        "patient": None,
        "progress": {},
        "came": [],
        "refused": [],
        "failed": [],
        "deliveries": [],
        "reason": None,
        "task": f"{ORIGIN}/fhir/Task/{found['id']}",
    }


async def test_what_was_ordered_is_done_and_told(api: Here) -> None:
    id = await api.order()
    await api.world.work()
    found = (await api.ask("GET", f"{GATHER}/{id}")).json
    assert (found["status"], found["step"], found["patient"]) == ("completed", "delivered", "Patient/epic-far-1")
    assert found["came"] == [{"type": "Patient", "count": 1}, {"type": "Encounter", "count": 1}]
    assert found["refused"] == [{"type": "Condition", "why": "forbidden"}]
    assert found["failed"] == []
    assert [(one["result"], one["answer"]) for one in found["deliveries"]] == [("delivered", "HTTP 200")]
    assert api.world.gatherer.starts == [Start("mrn", MRN)]
    assert list(api.world.receiver.effects) == [id]


async def test_a_patient_can_be_named_by_the_id_of_the_ehr(api: Here) -> None:
    await api.order(patient={"id": "far-1"})
    await api.world.work()
    assert api.world.gatherer.starts == [Start("id", "far-1")]


async def kept(api: Here, **changes: Any) -> None:
    """The connection, changed so."""
    ledger = api.world.store.ledger
    await ledger.remove(KIND, b"epic")
    await ledger.add(Put(KIND, b"epic", write(replace(EHR, **{"mrn_system": "urn:mrn", **changes}))))


async def signed_in(api: Here) -> str:
    """A person has signed in at the EHR, where nothing else signs in: the id of the grant."""
    await kept(api, grants=("authorization_code",))
    return await api.broker.grants.new(EHR, EHR.base, Tokens("access", 600, patient="far-1"), "patient/*.rs")


@pytest.mark.parametrize("token", ["all", "lead"])
@pytest.mark.parametrize(
    ("patient", "expected"),
    [
        (None, Start("launch")),
        ({"id": "far-1"}, Start("id", "far-1")),
        ({"mrn": MRN}, Start("mrn", MRN)),
    ],
)
async def test_an_administrator_orders_by_a_sign_in_the_patient_of_the_launch_or_another_one(
    api: Here, token: str, patient: dict[str, str] | None, expected: Start
) -> None:
    id = await signed_in(api)
    wish = ORDER | {"patient": patient, "sign_in": sign_in_of(id)}
    assert (await api.ask("POST", GATHER, wish, token=token)).status == 202
    await api.world.work()
    assert api.world.gatherer.starts == [replace(expected, session=id)]


@pytest.mark.parametrize("token", ["gatherer", "doctor"])
async def test_nobody_else_orders_by_the_sign_in_of_another_however_well_it_is_known(api: Here, token: str) -> None:
    sign_in = sign_in_of(await signed_in(api))
    answer = await api.ask("POST", GATHER, ORDER | {"patient": None, "sign_in": sign_in}, token=token)
    assert (answer.status, "the page /gather/NAME" in answer.says) == (403, True), answer.says
    assert await api.world.store.ledger.of(PARCEL) == []


async def test_a_sign_in_is_told_by_what_pages_and_tasks_show_of_it_at_its_own_ehr(api: Here) -> None:
    id = await signed_in(api)
    for other in (id, sign_in_of(sign_in_of(id)), logged(id)):
        answer = await api.ask("POST", GATHER, ORDER | {"patient": None, "sign_in": other})
        assert (answer.status, answer.json["issue"][0]["expression"]) == (400, ["sign_in"]), answer.says
    answer = await api.ask("POST", GATHER, ORDER | {"patient": None, "sign_in": sign_in_of(id)})
    assert answer.status == 202
    task = await api.world.task(answer.json["id"])
    assert task["groupIdentifier"]["value"] == sign_in_of(id)
    assert id not in str(task)
    await api.broker.grants.forget(id)
    answer = await api.ask("POST", GATHER, ORDER | {"patient": None, "sign_in": sign_in_of(id)})
    assert (answer.status, "it has ended" in answer.says) == (400, True)


async def test_a_number_can_be_given_with_its_system(api: Here) -> None:
    await kept(api, mrn_system="")
    await api.order(patient={"mrn": "urn:other|4711"})
    await api.world.work()
    assert api.world.gatherer.starts == [Start("mrn", "urn:other|4711")]


@pytest.mark.parametrize(
    ("text", "start"),
    [
        (MRN, Start("mrn", MRN)),
        ("urn:other|4711", Start("mrn", "urn:other|4711")),
        ("Patient/far-1", Start("id", "far-1")),
    ],
)
async def test_one_text_names_the_patient_by_number_or_by_reference(api: Here, text: str, start: Start) -> None:
    await api.order(patient=text)
    await api.world.work()
    assert api.world.gatherer.starts == [start]


@pytest.mark.parametrize("nowhere", ["", None])
async def test_an_order_may_deliver_nowhere(api: Here, nowhere: str | None) -> None:
    id = await api.order(deliver_to=nowhere)
    await api.world.work()
    found = (await api.ask("GET", f"{GATHER}/{id}")).json
    assert (found["step"], found["deliver_to"], found["deliveries"]) == ("stored", "", [])


async def test_who_asks_for_fhir_gets_the_task_itself(api: Here) -> None:
    fhir = {"accept": "application/fhir+json"}
    made = await api.ask("POST", GATHER, ORDER, headers=fhir)
    assert (made.status, made.header(b"content-type")) == (202, "application/fhir+json")
    again = await api.ask("GET", f"{GATHER}/{made.json['id']}", headers=fhir)
    assert again.json == made.json
    assert made.json["resourceType"] == "Task"


@pytest.mark.parametrize(
    ("changes", "expression", "says"),
    [
        ({"ehr": "nowhere"}, "ehr", "no EHR 'nowhere'"),
        ({"recipe": "nothing"}, "recipe", "no recipe 'nothing'"),
        ({"recipe": "spoilt"}, "recipe", "can't be used. Recipe recipes/spoilt.toml: title must be a text."),
        ({"deliver_to": "nowhere"}, "deliver_to", "no destination 'nowhere'"),
        ({"recipe": "demographics"}, "deliver_to", "makes no payload"),
        ({"patient": {}}, "patient", "exactly one of mrn and id"),
        ({"patient": {"mrn": "1", "id": "2"}}, "patient", "exactly one of mrn and id"),
        ({"patient": {"mrn": ""}}, "patient.mrn", "at least 1 character"),
        ({"patient": {"id": "../Observation"}}, "patient.id", "match pattern"),
        ({"patient": ""}, "patient.mrn", "at least 1 character"),
        ({"patient": "Patient/../Observation"}, "patient.id", "match pattern"),
        ({"patient": None}, None, "a patient is needed, or a sign_in that has one"),
        ({"patient": None, "sign_in": "../x"}, "sign_in", "match pattern"),
        ({"sign_in": 64 * "0"}, "sign_in", "Nobody signs in to 'epic' in person"),
        ({"patients": 1}, "patients", "Extra inputs are not permitted"),
    ],
)
async def test_what_can_not_be_done_is_refused_with_what_is_wrong(
    api: Here, changes: dict[str, Any], expression: str | None, says: str
) -> None:
    answer = await api.ask("POST", GATHER, ORDER | changes)
    assert (answer.status, says in answer.says) == (400, True), answer.says
    assert [one.get("expression") for one in answer.json["issue"]] == [None if expression is None else [expression]]
    assert await api.world.store.ledger.of(PARCEL) == []


@pytest.mark.parametrize(
    "changes", [{"patient": {"mrn": MRN + "\n"}}, {"patient": [MRN]}, {"patient": f"Patient/{MRN}/"}]
)
async def test_a_refusal_does_not_repeat_whom_it_was_about(api: Here, changes: dict[str, Any]) -> None:
    answer = await api.ask("POST", GATHER, ORDER | changes)
    assert answer.status == 400
    assert MRN.encode() not in answer.response.body


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"disabled": True}, 403, "is disabled"),
        ({"recipes": ("record",)}, 403, "Allowed: record"),
        ({"mrn_system": ""}, 400, "has no mrn_system"),
        ({"grants": ("authorization_code",)}, 400, f"open {ORIGIN}/connect/epic"),
    ],
)
async def test_a_connection_that_can_not_be_used_so_takes_no_order(
    api: Here, changes: dict[str, Any], status: int, says: str
) -> None:
    await kept(api, **changes)
    answer = await api.ask("POST", GATHER, ORDER)
    assert (answer.status, says in answer.says) == (status, True), answer.says


@pytest.mark.parametrize(
    ("token", "status"), [("", 401), ("reader", 403), ("patient", 403), ("limited", 403), ("gatherer", 202)]
)
async def test_orders_are_given_by_who_may_create_tasks_of_all_patients(api: Here, token: str, status: int) -> None:
    assert (await api.ask("POST", GATHER, ORDER, token=token)).status == status


async def test_an_order_is_looked_at_by_who_may_read_its_task(api: Here) -> None:
    id = await api.order()
    answers = [await api.ask("GET", f"{GATHER}/{id}", token=token) for token in ("reader", "patient", "owner")]
    assert [one.status for one in answers] == [200, 404, 403]
    assert ("kim", "read", "Task", id, 200) in api.trail.accesses
    assert ("kim", "api-get_order", "Task", id, 403) in api.trail.accesses


async def test_a_patient_sees_the_order_that_brought_the_own_data(api: Here) -> None:
    id = await api.order()
    await api.world.work()
    api.tokens[b"far"] = holder("patient/Task.rs", "epic-far-1")
    assert (await api.ask("GET", f"{GATHER}/{id}", token="far")).status == 200
    assert [one["id"] for one in (await api.ask("GET", GATHER, token="far")).json["orders"]] == [id]


@pytest.mark.parametrize("id", ["nothing", "..", "%00", "a" * 65])
async def test_an_order_that_is_not_there_is_not_found(api: Here, id: str) -> None:
    assert (await api.ask("GET", f"{GATHER}/{id}")).status in (400, 404)


async def test_another_task_is_no_order(api: Here) -> None:
    await update(api.world.door, granting.server(), "Task", "other", {
        "resourceType": "Task", "id": "other", "status": "draft", "intent": "order",
    })  # fmt: skip
    assert (await api.ask("GET", f"{GATHER}/other")).status == 404
    assert (await api.ask("POST", f"{GATHER}/other/cancel")).status == 404


async def test_what_others_made_of_the_task_is_no_defect(api: Here) -> None:
    id = await api.order()
    task = await api.world.task(id)
    odd = [
        {"type": {"text": "x"}, "valueString": "x"},
        {"type": {"coding": [{"system": "urn:hilum:gathered", "code": "came"}]}, "valueString": "many"},
        {"type": {"coding": [{"system": "urn:hilum:delivery-attempt"}]}, "valuePeriod": {"start": "2026"}},
    ]
    await update(api.world.door, granting.server(), "Task", id, task | {"output": odd, "input": odd[:1]})
    answer = await api.ask("GET", f"{GATHER}/{id}")
    assert (answer.status, answer.json["came"]) == (200, [{"type": "", "count": 0}])


# --- the list ---------------------------------------------------------------------------------------------------------


async def test_the_list_has_all_orders_the_last_changed_first_page_by_page(api: Here) -> None:
    ids = [await api.order() for _ in range(5)]
    place: str | None = f"{GATHER}?count=2"
    found: list[list[str]] = []
    while place:
        page = (await api.ask("GET", place.removeprefix(ORIGIN))).json
        found.append([one["id"] for one in page["orders"]])
        place = page["next"]
    assert found == [ids[:2:-1], ids[2:0:-1], ids[:1]]


async def test_the_list_is_narrowed_by_status(api: Here) -> None:
    first, second = await api.order(), await api.order()
    await api.ask("POST", f"{GATHER}/{first}/cancel")
    listed = {
        status: [one["id"] for one in (await api.ask("GET", f"{GATHER}?status={status}")).json["orders"]]
        for status in ("requested", "cancelled")
    }
    assert listed == {"requested": [second], "cancelled": [first]}
    assert (await api.ask("GET", f"{GATHER}?status=lost")).status == 400
    assert (await api.ask("GET", GATHER, token="owner")).status == 403


# --- cancelled, replayed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), [("POST", "/cancel"), ("DELETE", "")])
async def test_a_cancelled_order_is_not_done_and_nothing_is_held_of_it(api: Here, method: str, path: str) -> None:
    id = await api.order()
    answer = await api.ask(method, f"{GATHER}/{id}{path}")
    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    await api.world.work()
    assert (api.world.gatherer.gathered, api.world.receiver.effects, await api.world.left()) == (0, {}, (0, 0))


async def test_what_is_over_is_not_cancelled_nor_anything_by_who_may_only_read(api: Here) -> None:
    id = await api.order()
    assert (await api.ask("POST", f"{GATHER}/{id}/cancel", token="reader")).status == 403
    await api.world.work()
    answer = await api.ask("POST", f"{GATHER}/{id}/cancel")
    assert (answer.status, "completed already" in answer.says) == (409, True)


async def dead(api: Here) -> str:
    """An order that its receiver does not want."""
    api.world.receiver.script = [400]
    id = await api.order()
    await api.world.work()
    assert (await api.ask("GET", f"{GATHER}/{id}")).json["step"] == "dead-letter"
    return id


async def test_a_dead_letter_is_delivered_again_when_somebody_says_so(api: Here) -> None:
    id = await dead(api)
    assert (await api.ask("POST", f"{GATHER}/{id}/replay", token="gatherer")).status == 202
    assert api.trail.events == [("kim", "destination", {"replayed": "video", "orders": id})]
    await api.world.work()
    found = (await api.ask("GET", f"{GATHER}/{id}")).json
    assert (found["step"], [one["result"] for one in found["deliveries"]]) == ("delivered", ["refused", "delivered"])
    assert list(api.world.receiver.effects) == [id]


async def test_what_is_no_dead_letter_is_not_replayed(api: Here) -> None:
    id = await api.order()
    assert (await api.ask("POST", f"{GATHER}/{id}/replay")).status == 409
    await api.world.work()
    assert (await api.ask("POST", f"{GATHER}/{id}/replay")).status == 409


async def test_a_dead_letter_is_replayed_by_who_may_update_its_task(api: Here) -> None:
    id = await dead(api)
    assert [(await api.ask("POST", f"{GATHER}/{id}/replay", token=one)).status for one in ("reader", "owner")] == [
        403, 403,
    ]  # fmt: skip
    assert api.trail.events == []
