"""App state: the rules of https://hl7.org/fhir/smart-app-launch/app-state.html, on every way of writing."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.interactions.bodies import patient
from tests.unit.interactions.conftest import BASE

from hilum.access.granting import Context, policy
from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions.create import create
from hilum.interactions.delete import conditional_delete, delete
from hilum.interactions.door import Door
from hilum.interactions.entries import Entry
from hilum.interactions.patch import parse_json_patch, patch
from hilum.interactions.read import read
from hilum.interactions.search import search
from hilum.interactions.state import MOST_BYTES
from hilum.interactions.transaction import transaction
from hilum.interactions.update import conditional_update, update
from hilum.oauth.scopes import parse
from hilum.problems import Forbidden, Invalid, NotFound, PreconditionFailed, Problem, TooLarge
from hilum.search.parse import parse_query

MINE, THEIRS = "https://app.example|settings", "https://other.example|settings"


def app(own: str = MINE, foreign: str = THEIRS, *, manages: bool = False, scope: str = "user/*.cruds") -> Principal:
    by = policy(parse(scope), None, Context(patient="a"), (foreign,))
    return Principal("user", own, "jti", by, 1 << 62, states=(own,), manages=manages)


OTHER = app(THEIRS, MINE, manages=True)


def state(code: str = MINE, subject: str | None = "Patient/a", **more: Any) -> dict[str, Any]:
    system, _, word = code.partition("|")
    about = {} if subject is None else {"subject": {"reference": subject}}
    kept = [{"url": "https://app.example/v1", "valueString": "{}"}]
    body = {"resourceType": "Basic", "code": {"coding": [{"system": system, "code": word}]}, "extension": kept}
    return body | about | more


@pytest.fixture
async def here(door: Door, owner: Principal) -> Door:
    await update(door, owner, "Patient", "a", patient("a", id="a"))
    return door


async def kept(door: Door, who: Principal | None = None, **more: Any) -> Resource:
    return (await create(door, who or app(), "Basic", state(**more))).resource


async def test_state_is_made_found_changed_and_deleted(here: Door) -> None:
    made = await kept(here, subject=f"{BASE}/Patient/a")
    assert made.body["subject"] == {"reference": "Patient/a"}
    for subject in ("Patient/a", f"{BASE}/Patient/a"):
        found = await search(here, app(), parse_query("Basic", [("code", MINE), ("subject", subject)], base=BASE))
        assert [one.id for one in found.resources] == [made.id]
    body = state(subject=f"{BASE}/Patient/a", id=made.id, extension=[])
    body.pop("extension")
    changed = await update(here, app(), "Basic", made.id, body, 'W/"1"')
    assert changed.resource.version == 2
    assert (await delete(here, app(), "Basic", made.id, 'W/"2"')) is not None


async def test_two_states_of_one_code_and_subject_are_two(here: Door) -> None:
    assert (await kept(here)).id != (await kept(here)).id


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (state(id="chosen"), Invalid),
        (state(meta={"versionId": "7"}), Invalid),
        (state(code=MINE) | {"code": {"coding": [*state()["code"]["coding"], {"code": "x"}]}}, Invalid),
        (state(extension=[{"url": "http://u", "valueInteger": 1}]), Invalid),
        (state(extension=[{"url": "http://u", "extension": [{"url": "v", "valueString": "x"}]}]), Invalid),
        (
            state(extension=[{"url": "http://u", "_valueString": {"extension": [{"url": "v", "valueInteger": 1}]}}]),
            Invalid,
        ),
        (state(modifierExtension=[{"url": "http://u", "valueBoolean": True}]), Invalid),
        (state(subject="https://other.example/Patient/a"), Invalid),
        (state(subject="#x", contained=[{"resourceType": "Patient", "id": "x"}]), Invalid),
        (state(subject=None, extension=[]) | {"subject": {"display": "Somebody"}}, Invalid),
        (state(subject=None), Forbidden),
        (state(extension=[{"url": "http://u", "valueString": "x" * MOST_BYTES}]), TooLarge),
        (state(code=THEIRS), Forbidden),
    ],
)
async def test_what_is_no_sound_state_is_refused(here: Door, body: dict[str, Any], problem: type[Problem]) -> None:
    if body["extension"] == []:
        del body["extension"]
    with pytest.raises(problem):
        await create(here, app(), "Basic", body)
    with pytest.raises(problem):
        await transaction(here, app(), [Entry("POST", "Basic", body)])


async def test_a_state_of_256_kilobytes_is_kept(here: Door) -> None:
    text = "x" * (MOST_BYTES - 400)
    assert (await kept(here, extension=[{"url": "http://u", "valueString": text}])).version == 1


async def test_state_for_all_is_written_by_administrators(here: Door) -> None:
    made = await kept(here, app(manages=True), subject=None)
    assert (await read(here, app(), "Basic", made.id)).version == 1
    found = await search(here, app(), parse_query("Basic", [("code", MINE), ("subject:missing", "true")]))
    assert [one.id for one in found.resources] == [made.id]
    with pytest.raises(Forbidden):
        await update(here, app(), "Basic", made.id, state(subject=None, id=made.id, language="en"), 'W/"1"')


@pytest.mark.parametrize("if_match", [None, "*", 'W/"7"'])
async def test_a_change_names_the_present_version(here: Door, if_match: str | None) -> None:
    made = await kept(here)
    body, change = state(id=made.id, language="en"), parse_json_patch(b'[{"op":"add","path":"/language","value":"en"}]')
    entries = (Entry("PUT", f"Basic/{made.id}", body, if_match=if_match),)
    if if_match is None:
        entries += (Entry("DELETE", f"Basic/{made.id}"), Entry("DELETE", f"Basic?_id={made.id}"))
    for work in (
        lambda: update(here, app(), "Basic", made.id, body, if_match),
        lambda: conditional_update(here, app(), "Basic", f"_id={made.id}", body, if_match),
        lambda: patch(here, app(), "Basic", made.id, change, if_match),
        lambda: delete(here, app(), "Basic", made.id, if_match),
        lambda: conditional_delete(here, app(), "Basic", f"_id={made.id}", True),
        *(lambda entry=entry: transaction(here, app(), [entry]) for entry in entries),
    ):
        with pytest.raises(PreconditionFailed):
            await work()
    assert (await read(here, app(), "Basic", made.id)).version == 1


@pytest.mark.parametrize(
    "change",
    [
        {"subject": {"reference": "Patient/b"}},
        {"subject": None},
        {"code": {"coding": [{"system": "https://app.example", "code": "other"}]}},
        {"code": {"coding": state()["code"]["coding"], "text": "x"}},
    ],
)
async def test_code_and_subject_stay(here: Door, change: dict[str, Any]) -> None:
    made = await kept(here)
    body = {name: value for name, value in (state(id=made.id) | change).items() if value is not None}
    with pytest.raises(PreconditionFailed):
        await update(here, app(manages=True), "Basic", made.id, body, 'W/"1"')
    with pytest.raises(PreconditionFailed):
        await transaction(here, app(manages=True), [Entry("PUT", f"Basic/{made.id}", body, if_match='W/"1"')])
    move = parse_json_patch(b'[{"op": "replace", "path": "/subject/reference", "value": "Patient/b"}]')
    with pytest.raises(PreconditionFailed):
        await patch(here, app(), "Basic", made.id, move, 'W/"1"')


@pytest.mark.parametrize("scope", ["user/*.cruds", "patient/Basic.cruds", f"patient/Basic.cruds?code={MINE}"])
async def test_what_was_deleted_is_over(here: Door, scope: str) -> None:
    who = app(scope=scope)
    made = await kept(here, who)
    await delete(here, who, "Basic", made.id, 'W/"1"')
    change = parse_json_patch(b'[{"op":"add","path":"/language","value":"en"}]')
    for if_match in (None, 'W/"1"', 'W/"2"'):
        for work in (
            update(here, who, "Basic", made.id, state(id=made.id), if_match),
            patch(here, who, "Basic", made.id, change, if_match),
            delete(here, who, "Basic", made.id, if_match),
        ):
            with pytest.raises(PreconditionFailed):
                await work
    with pytest.raises(PreconditionFailed):
        await update(here, app(), "Basic", "never-was", state(id="never-was"), 'W/"1"')


async def test_the_scopes_of_the_guide_do_what_it_says(here: Door, owner: Principal) -> None:
    """`patient/Basic.cuds?code=` of an app of patients, `patient/Basic.s?code=` of its companion for staff."""
    own, companion = app(scope=f"patient/Basic.cuds?code={MINE}"), app(scope=f"patient/Basic.s?code={MINE}")
    await update(here, owner, "Patient", "b", patient("b", id="b"))
    made = await kept(here, own, subject=f"{BASE}/Patient/a")
    await kept(here, app(), subject=f"{BASE}/Patient/b")
    for who in (own, companion):
        found = await search(here, who, parse_query("Basic", [("code", MINE)]))
        assert [one.id for one in found.resources] == [made.id]
    with pytest.raises(Forbidden):
        await create(here, own, "Basic", state(code="https://app.example|other"))
    with pytest.raises(Forbidden):
        await create(here, own, "Basic", state(subject="Patient/b"))
    for wrong in (update(here, companion, "Basic", made.id, state(id=made.id), 'W/"1"'),
                  delete(here, companion, "Basic", made.id, 'W/"1"')):  # fmt: skip
        with pytest.raises(Forbidden):
            await wrong
    changed = await update(here, own, "Basic", made.id, state(id=made.id, language="en"), 'W/"1"')
    assert await delete(here, own, "Basic", made.id, f'W/"{changed.resource.version}"') is not None


async def test_the_state_of_another_app_is_as_if_it_were_not(here: Door) -> None:
    made = await kept(here)
    with pytest.raises(NotFound):
        await read(here, OTHER, "Basic", made.id)
    assert (await search(here, OTHER, parse_query("Basic", ()))).resources == ()
    with pytest.raises(NotFound):
        await update(here, OTHER, "Basic", made.id, state(THEIRS, id=made.id) | {"code": {"text": "x"}})
    with pytest.raises(PreconditionFailed, match="no such"):
        await update(here, OTHER, "Basic", made.id, state(THEIRS, id=made.id), 'W/"1"')
    assert await delete(here, OTHER, "Basic", made.id) is None
    with pytest.raises(Forbidden):
        await create(here, OTHER, "Basic", state())


async def test_other_basics_and_who_has_no_states_follow_no_such_rules(here: Door, owner: Principal) -> None:
    note = state(code="http://x|note", subject=None, id="note")
    for who in (app(), owner):
        made = (await create(here, who, "Basic", note)).resource
        await update(here, who, "Basic", made.id, note | {"id": made.id, "language": "en"})
        await delete(here, who, "Basic", made.id)
    made = await kept(here)
    await update(here, owner, "Basic", made.id, state(id=made.id, subject=None))
