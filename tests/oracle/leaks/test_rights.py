"""The evaluator of access by itself: facts that a reader can check against the text of the laws."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from tests.oracle import definitions
from tests.oracle.leaks import populations, roles, scopes
from tests.oracle.leaks.cases import Asking
from tests.oracle.leaks.populations import Maker
from tests.oracle.leaks.rights import Context, Rights, rights
from tests.oracle.leaks.session import case
from tests.oracle.leaks.tokens import token
from tests.oracle.leaks.world import Step, World, mark_of
from tests.oracle.leaks.writing import may_hold

pytestmark = pytest.mark.skipif(not definitions.package().is_file(), reason="the R4 core package is missing")

NOW = 1_800_000_000_000_000


def world(*bodies: dict[str, Any]) -> World:
    """A world of these, each written once or more."""
    made = World(NOW)
    for n, body in enumerate(bodies):
        made.add(Step("PUT", body["resourceType"], body["id"], body), stored(body, n))
    return made


def stored(body: dict[str, Any], n: int) -> dict[str, Any]:
    stamp = {"versionId": "1", "lastUpdated": f"2026-11-22T08:00:00.{n:06d}Z"}
    return {**body, "meta": {**body.get("meta", {}), **stamp}}


def of(
    made: World, words: str, *, patient: str | None = None, role: str | None = None, own: tuple[str, ...] = ()
) -> Rights:
    """The rights of a token."""
    some = None if role is None else [roles.read(role)["r"]]
    return rights(made.population, scopes.read(words), some, Context(patient, own))


def seen(made: World, found: Rights, letter: str = "r") -> set[str]:
    """The ids of what may be seen now."""
    return {id for (_, id), some in made.by_name.items() if made.sees(found, letter, some[-1])}


PEOPLE = (
    {"resourceType": "Patient", "id": "p1"},
    {"resourceType": "Patient", "id": "p2"},
    {"resourceType": "Observation", "id": "o1", "subject": {"reference": "Patient/p1"}, "status": "final"},
    {"resourceType": "Observation", "id": "o2", "subject": {"reference": "Patient/p2"}, "status": "final"},
    {"resourceType": "Observation", "id": "o3", "subject": {"reference": "Patient/p1"}, "status": "amended"},
    {"resourceType": "Practitioner", "id": "staff"},
    {"resourceType": "Device", "id": "d1", "patient": {"reference": "Patient/p1"}},
    {"resourceType": "Device", "id": "d2", "patient": {"reference": "Patient/p2"}},
    {"resourceType": "Substance", "id": "drug"},
    {"resourceType": "Slot", "id": "slot"},
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("patient/Observation.rs", [("patient", "Observation", "rs", ())]),
        ("system/*.read user/Patient.write", [("system", "*", "rs", ()), ("user", "Patient", "cud", ())]),
        ("user/Basic.r?code=a%7Cb&author=x,y", [("user", "Basic", "r", (("code", "a|b"), ("author", "x,y")))]),
        ("openid launch/patient patient/Observation.sr patient/Observation. other/Patient.r patient/X.r?", []),
    ],
)  # fmt: skip
def test_scopes_are_read(text: str, wanted: list[tuple[str, str, str, Any]]) -> None:
    letters = [frozenset(some) for _, _, some, _ in wanted]
    assert scopes.read(text) == [
        scopes.Scope(one[0], one[1], some, one[3]) for one, some in zip(wanted, letters, strict=True)
    ]


def test_a_patient_scope_reaches_one_record_and_by_name_what_is_shared() -> None:
    made = world(*PEOPLE)
    mine = of(made, "patient/*.rs", patient="p1")
    assert seen(made, mine) == {"p1", "o1", "o3", "d1", "staff", "drug"}
    assert seen(made, mine, "s") == {"p1", "o1", "o3", "d1"}
    assert seen(made, mine, "u") == set()
    assert seen(made, of(made, "patient/*.rs")) == set(), "without a patient in context nothing"


def test_scopes_are_judged_one_by_one() -> None:
    made = world(*PEOPLE)
    both = of(made, "user/Observation.r?status=amended patient/Observation.u", patient="p1")
    assert (seen(made, both, "r"), seen(made, both, "u")) == ({"o3"}, {"o1", "o3"})


def test_a_role_bounds_what_an_app_was_granted() -> None:
    made = world(*PEOPLE)
    own = '[r]\nrules = [{types = "*", may = "rs", within = "own", but = ["Device"]}]'
    assert seen(made, of(made, "user/*.cruds", role=own, own=("p2",))) == {"p2", "o2", "staff", "drug"}
    assert seen(made, of(made, "user/*.cruds", role=own, own=("p2",)), "u") == set()
    assert seen(made, of(made, "patient/*.rs", patient="p1", role=own, own=("p2",))) == set()
    narrow = '[r]\nshared = []\nrules = [{types = ["Observation"], may = "rs", search = "status=final"}]'
    assert seen(made, of(made, "user/*.rs", role=narrow)) == {"o1", "o2"}
    assert seen(made, of(made, "patient/*.rs", patient="p1", role=narrow)) == {"o1"}


def test_a_version_is_judged_by_what_it_said_and_a_deletion_by_what_it_deleted() -> None:
    made = world(PEOPLE[2], {**PEOPLE[2], "subject": {"reference": "Patient/p2"}})
    made.add(Step("DELETE", "Observation", "o1", None), None)
    for patient, wanted in (("p1", [True, False, False]), ("p2", [False, True, True])):
        mine = of(made, "patient/*.rs", patient=patient)
        assert [made.sees(mine, "r", one) for one in made.versions] == wanted


def test_a_binary_is_what_its_security_context_is() -> None:
    made = world(
        *PEOPLE,
        {"resourceType": "Binary", "id": "b1", "data": "", "securityContext": {"reference": "Observation/o1"}},
        {"resourceType": "Binary", "id": "b2", "data": "", "securityContext": {"reference": "Patient/p2"}},
        {"resourceType": "Binary", "id": "b3", "data": ""},
    )
    assert seen(made, of(made, "patient/*.rs", patient="p1")) & {"b1", "b2", "b3"} == {"b1"}
    assert seen(made, of(made, "patient/*.rs", patient="p1"), "s") & {"b1", "b2", "b3"} == set()
    assert seen(made, of(made, "system/*.rs")) >= {"b1", "b2", "b3"}
    assert seen(made, of(made, "patient/Binary.r", patient="p1")) == set(), "what it is bound to can't be read"
    other = of(made, "patient/Binary.r user/Patient.r", patient="p1")
    assert seen(made, other) == {"p1", "p2"}, "another scope does not widen this one"


def test_writes_stay_in_the_record_and_leave_that_of_others_alone() -> None:
    made = world(*PEOPLE)
    mine = Asking("x", made, of(made, "patient/*.cruds", patient="p1"), Maker(random.Random(0), {}))

    def appointment(*ids: str) -> dict[str, Any]:
        return {"resourceType": "Appointment", "participant": [{"actor": {"reference": f"Patient/{id}"}} for id in ids]}

    def may(new: dict[str, Any], old: dict[str, Any] | None) -> bool:
        return may_hold(mine, "u", "Appointment", "a", new, old)

    assert may(appointment("p1"), None)
    assert not may(appointment("p2"), None)
    assert not may(appointment("p1", "p2"), None), "it enters another's record"
    assert not may(appointment("p1"), appointment("p1", "p2")), "it leaves another's record"
    assert may(appointment("p2", "p1"), appointment("p1", "p2"))


def test_cases_are_of_every_kind_and_ask_for_what_is_hidden_and_what_is_not() -> None:
    kinds: set[str] = set()
    hidden = shown = 0
    for seed in range(2):
        made = World(NOW)
        steps, maker = populations.steps(seed)
        for n, step in enumerate(steps):
            made.add(step, None if step.body is None else stored(step.body, n))
        marks = [mark for one in made.versions if (mark := mark_of(one.body))]
        assert len(marks) == len(set(marks)) > 60
        for number in range(3):
            asker = token(maker.chance, made)
            asking = Asking(f"{seed}-{number}", made, asker.rights(made), maker)
            for _ in range(60):
                one = case(asking)
                kinds.add(one.kind.partition(":")[0])
                json.dumps(one.request.body)
            away = made.hidden(asking.rights)
            hidden, shown = hidden + len(away), shown + len(made.by_name) - len(away)
    assert len(kinds) == 25, kinds  # some of the makers make cases of one kind
    assert min(hidden, shown) > 50, (hidden, shown)
