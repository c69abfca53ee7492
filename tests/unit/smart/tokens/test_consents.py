"""Every grant is a Consent that its user reads and ends. https://hl7.org/fhir/R4/consent.html"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.unit.smart.pages import ORIGIN
from tests.unit.smart.tokens.test_refresh import anywhere
from tests.unit.smart.world import World, error, world

from hilum.access.policy import EVERYTHING, Grant, Policy, Principal
from hilum.fhir.resource import Resource
from hilum.interactions import create, delete, update
from hilum.interactions.entries import Entry
from hilum.interactions.transaction import transaction
from hilum.oauth.ledger import CODE, GRANT, GRANT_REVOKED, REFRESH, REVOKED, read
from hilum.oauth.ledger import Grant as Record
from hilum.problems import Busy, Problem, Unprocessable
from hilum.smart.tokens import granted
from hilum.validation import validate

__all__ = ["anywhere"]

ADMIN = Principal("admin", "console", "", EVERYTHING, 1 << 62)


@pytest.fixture
async def here() -> World:
    return await world()


async def consent(of: World) -> Resource:
    (row,) = await of.site.ledger.of(GRANT)
    found = await of.site.door.store.read("Consent", granted.id_of(row.key))
    assert found is not None
    return found


async def test_what_the_consent_says(here: World) -> None:
    await here.tokens(scope="launch/patient patient/Observation.rs patient/Condition.cu openid offline_access")
    found = (await consent(here)).body
    assert [issue for issue in validate(found) if issue.severity == "error"] == []
    (row,) = await here.site.ledger.of(GRANT)
    id = granted.id_of(row.key)
    assert found["id"] == id
    assert found["identifier"] == [{"system": "urn:hilum:grant", "value": id}]
    assert (found["status"], found["patient"]) == ("active", {"reference": "Patient/17"})
    assert found["performer"] == [{"reference": "Practitioner/1"}]
    told = [one["valueUri"] for one in found["extension"] if one["url"] == f"{ORIGIN}/scope"]
    smart, openid = "http://smarthealthit.org/fhir/scopes/", "http://openid.net/specs/openid-connect-core-1_0#"
    assert set(told) == {
        f"{smart}launch/patient",
        f"{smart}patient/Observation.rs",
        f"{smart}patient/Condition.cu",
        f"{openid}openid",
        f"{openid}offline_access",
    }
    assert found["policy"][0]["authority"] == ORIGIN
    provision = found["provision"]
    assert provision["type"] == "permit"
    assert provision["actor"][0]["reference"] == {
        "type": "Device",
        "identifier": {"system": f"{ORIGIN}/clients", "value": "app"},
        "display": "Growth Chart",
    }
    assert [one["code"] for one in provision["class"]] == ["Condition", "Observation"]
    actions = {one["coding"][0]["code"] for one in provision["action"]}
    assert actions == {"access", "collect", "correct", "use"}
    assert [one["code"] for one in provision["purpose"]] == ["TREAT"]


def end(body: dict[str, Any], status: str = "inactive") -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "meta"} | {"status": status}


Way = Callable[[World, Resource], Awaitable[object]]

WAYS: dict[str, Way] = {
    "update": lambda of, one: update.update(of.site.door, ADMIN, "Consent", one.id, end(one.body)),
    "entered in error": lambda of, one: update.update(
        of.site.door, ADMIN, "Consent", one.id, end(one.body, "entered-in-error")
    ),
    "delete": lambda of, one: delete.delete(of.site.door, ADMIN, "Consent", one.id),
    "transaction": lambda of, one: transaction(of.site.door, ADMIN, [Entry("PUT", f"Consent/{one.id}", end(one.body))]),
    "deletion in a transaction": lambda of, one: transaction(
        of.site.door, ADMIN, [Entry("DELETE", f"Consent/{one.id}")]
    ),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
async def test_whoever_ends_the_consent_ends_all_that_came_of_it(anywhere: World, way: Way) -> None:
    given = await anywhere.tokens()
    await way(anywhere, await consent(anywhere))
    (news,) = await anywhere.site.ledger.revocations(0)
    (row,) = await anywhere.site.ledger.of(GRANT)
    assert (news.revoked.kind, news.revoked.key, row.state) == (GRANT_REVOKED, row.key, REVOKED)
    assert [one.state for one in await anywhere.site.ledger.of(REFRESH)] == [REVOKED]
    assert error(await anywhere.refresh(given["refresh_token"])) == (400, "invalid_grant")


async def test_what_ends_the_grant_ends_the_consent(anywhere: World) -> None:
    given = await anywhere.tokens()
    answer = await anywhere.ask("/auth/revoke", {"token": given["refresh_token"], "client_id": "app"})
    assert answer.status == 200
    found = await consent(anywhere)
    assert (found.body["status"], found.version) == ("inactive", 2)
    assert len(await anywhere.site.ledger.revocations(0)) == 1
    (row,) = await anywhere.site.ledger.of(GRANT)
    await granted.end(anywhere.site, granted.id_of(row.key), "again")
    assert (await consent(anywhere)).version == 2


CHANGES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "active again": lambda body: body | {"status": "active", "dateTime": "2020-01-01"},
    "another patient": lambda body: body | {"status": "inactive", "patient": {"reference": "Patient/18"}},
    "other scopes": lambda body: (
        body
        | {
            "status": "inactive",
            "extension": [
                {"url": f"{ORIGIN}/scope", "valueUri": "http://smarthealthit.org/fhir/scopes/system/*.cruds"}
            ],
        }
    ),
    "no identifier": lambda body: {name: value for name, value in body.items() if name != "identifier"},
    "a draft": lambda body: body | {"status": "draft"},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_nothing_else_of_it_changes(here: World, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    given = await here.tokens()
    found = await consent(here)
    body = change({name: value for name, value in found.body.items() if name != "meta"})
    with pytest.raises(Unprocessable):
        await update.update(here.site.door, ADMIN, "Consent", found.id, body)
    with pytest.raises(Problem):
        await transaction(here.site.door, ADMIN, [Entry("PUT", f"Consent/{found.id}", body)])
    assert await consent(here) == found
    assert await here.holds(given["access_token"])


async def test_an_ended_one_stays_ended(here: World) -> None:
    await here.tokens()
    found = await consent(here)
    await update.update(here.site.door, ADMIN, "Consent", found.id, end(found.body))
    with pytest.raises(Unprocessable):
        await update.update(here.site.door, ADMIN, "Consent", found.id, end(found.body, "active"))
    await delete.delete(here.site.door, ADMIN, "Consent", found.id)
    with pytest.raises(Unprocessable):
        await update.update(here.site.door, ADMIN, "Consent", found.id, end(found.body, "active"))


async def test_nobody_else_makes_one(here: World) -> None:
    await here.tokens()
    body = end((await consent(here)).body, "active")
    with pytest.raises(Unprocessable):
        await create.create(here.site.door, ADMIN, "Consent", body)
    with pytest.raises(Unprocessable):
        await update.update(here.site.door, ADMIN, "Consent", "mine", body | {"id": "mine"})


async def test_consents_of_others_are_written_as_ever(here: World) -> None:
    await here.tokens()
    body = end((await consent(here)).body, "active") | {"identifier": [{"system": "urn:mine", "value": "1"}]}
    written = await create.create(here.site.door, ADMIN, "Consent", body)
    changed = written.resource.body | {"status": "draft"}
    await update.update(here.site.door, ADMIN, "Consent", written.resource.id, changed)
    await delete.delete(here.site.door, ADMIN, "Consent", written.resource.id)
    assert await here.site.ledger.revocations(0) == []


async def test_a_patient_reads_and_ends_what_apps_may_do(here: World) -> None:
    given = await here.tokens()
    found = await consent(here)
    own = (("Patient", "17"),)
    grants = (
        Grant("Consent", frozenset("rs"), own),
        Grant("Consent", frozenset("u"), own, (("identifier", "urn:hilum:grant|"),)),
    )
    patient = Principal("kim", "portal", "", Policy(grants), 1 << 62)
    assert (await update.update(here.site.door, patient, "Consent", found.id, end(found.body))).readable
    here.site.verifier.revoked([one.revoked for one in await here.site.ledger.revocations(0)])
    assert error(await here.refresh(given["refresh_token"])) == (400, "invalid_grant")


async def test_without_its_consent_a_grant_has_no_code_and_ends(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(commit: object) -> tuple[Resource, ...]:
        raise Busy("The store is away.")

    store = here.site.door.store
    monkeypatch.setattr(store, "commit", busy)
    page = await here.through(await here.authorize())
    assert page.status == 503
    monkeypatch.undo()
    (row,) = await here.site.ledger.of(GRANT)
    assert not read(row, Record).redeemed
    assert await here.site.ledger.of(CODE) == []
    here.move(601)
    assert await granted.abandoned(here.site, 0) == 1
