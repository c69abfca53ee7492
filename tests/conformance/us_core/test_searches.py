"""Every search of every US Core profile, 6.1.0 and 7.0.0, over HTTP: what a certification suite asks, and more of it.

https://hl7.org/fhir/us/core/capability-statements.html. A case is one entry of `searches` in Inferno's metadata; what
must be found is said by the oracle, which imports nothing from hilum. HILUM_FULL=1 asks every variant of each case and
of both stores, else a few that the case's name picks; HILUM_JOURNEYS_STORE=postgresql runs the few on PostgreSQL.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from random import Random

import pytest
from tests.conformance.us_core import asking
from tests.conformance.us_core.asking import Pairs
from tests.conformance.us_core.guide import Guide
from tests.conformance.us_core.metadata import Case, Profile, cases, profiles
from tests.journeys.cli import database
from tests.oracle import definitions
from tests.shared_data import DATA

THERE = DATA.is_dir() and definitions.package().is_file()
pytestmark = [
    pytest.mark.skipif(not THERE, reason="../shared/data is missing"),
    pytest.mark.timeout(900),
]

FULL = bool(os.environ.get("HILUM_FULL"))
STORES = ("sqlite", "postgresql") if FULL else (os.environ.get("HILUM_JOURNEYS_STORE", "sqlite"),)
FEW = 2
"""Variants of a case and kind that are asked when not all are."""
PATIENTS = 12 if FULL else 2
"""Synthea patients beside the guides' data."""


@pytest.fixture(scope="module", params=STORES)
def guide(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guide]:
    with ExitStack() as stack:
        flags: tuple[str, ...] = ()
        if request.param == "postgresql":
            flags = ("--store", stack.enter_context(database(request.getfixturevalue("postgres_url"))))
        running = Guide(tmp_path_factory.mktemp("us-core"), PATIENTS, *flags)
        yield running
        running.stop()


def each(selected: Iterable[Case]) -> pytest.MarkDecorator:
    """One test per case."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=str(case)) for case in selected])


CASES = cases() if THERE else []
DATED = [case for case in CASES if any(one.type in asking.DATES for one in case.parameters)]
CHAINED = [case for case in CASES if any(asking.chains(one) for one in case.parameters)]
LINKED = [case for case in CASES if case.profile.includes or case.profile.revincludes]


def picked(case: Case, every: Iterable[Pairs], few: int = FEW) -> list[Pairs]:
    """All variants, or a few."""
    found = list(every)
    return found if FULL or len(found) <= few else Random(str(case)).sample(found, few)


def ask(guide: Guide, case: Case, every: Iterable[Pairs]) -> None:
    type = case.profile.resource
    problems = [problem for pairs in picked(case, every) for problem in guide.differences(type, pairs)]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("profile", profiles() if THERE else [], ids=str)
def test_the_capability_statement_tells_what_the_profile_needs(guide: Guide, profile: Profile) -> None:
    told = {one["type"]: one for one in guide.client.get("metadata").json()["rest"][0]["resource"]}[profile.resource]
    needed = set(profile.parameters)
    assert needed <= {one["name"] for one in told["searchParam"]}
    assert set(profile.interactions) <= {one["code"] for one in told["interaction"]}
    assert set(profile.revincludes) <= set(told["searchRevInclude"])
    # An include may be narrowed to a type of target; what is told is the reference.
    assert {":".join(text.split(":")[:2]) for text in profile.includes} <= set(told["searchInclude"])


@each(CASES)
def test_the_search_finds_the_resource_and_what_is_like_it_alone(guide: Guide, case: Case) -> None:
    subject, type = guide.subject(case), case.profile.resource
    pairs = asking.plain(case, subject, guide.server.base)
    expected = guide.expected(type, pairs)
    assert expected is not None
    assert (type, subject["id"]) in expected.matches
    assert len(expected.matches) < len(guide.of_type(type))
    for found in expected.matches:
        body = guide.bodies[found]
        assert all(asking.says(body, one, text) for one, (_, text) in zip(case.parameters, pairs, strict=True)), found
    assert guide.differences(type, pairs, expected) == []
    assert guide.differences(type, pairs, expected, form=True) == []


@each(CASES)
def test_values_may_be_spelled_in_other_ways(guide: Guide, case: Case) -> None:
    ask(guide, case, asking.otherwise(case, guide.subject(case), guide.server.base))


@each(DATED)
def test_dates_compare_with_every_prefix_and_precision(guide: Guide, case: Case) -> None:
    ask(guide, case, asking.dates(case, guide.subject(case), guide.server.base))


@each(CASES)
def test_several_values_are_any_of_them_all_of_them_or_none_of_them(guide: Guide, case: Case) -> None:
    others = guide.of_type(case.profile.resource)
    ask(guide, case, asking.several(case, guide.subject(case), others, guide.server.base, Random(str(case))))


@each(CASES)
def test_id_and_last_updated_narrow_the_search(guide: Guide, case: Case) -> None:
    others = guide.of_type(case.profile.resource)
    ask(guide, case, asking.narrowed(case, guide.subject(case), others, guide.server.base, Random(str(case))))


@each(LINKED)
def test_provenance_and_what_is_referred_to_come_along(guide: Guide, case: Case) -> None:
    subject, type = guide.subject(case), case.profile.resource
    problems = []
    for pairs in picked(case, asking.included(case, subject, guide.server.base), 1):
        expected = guide.expected(type, pairs)
        assert expected is not None and expected.included, f"brings nothing: {pairs}"
        problems += guide.differences(type, pairs, expected)
    assert not problems, "\n".join(problems)


@each(CHAINED)
def test_what_is_referred_to_can_be_told_by_a_chain(guide: Guide, case: Case) -> None:
    subject = guide.subject(case)
    (one,) = (one for one in case.parameters if asking.chains(one))
    type, _, id = asking.values(subject, one)[0].rpartition("/")
    asked = list(asking.chained(case, subject, guide.bodies[type, id], guide.server.base))
    assert asked
    ask(guide, case, asked)


@each(CASES)
def test_a_token_bound_to_a_patient_sees_its_own_alone(guide: Guide, case: Case) -> None:
    subject, type = guide.subject(case), case.profile.resource
    mine = sorted(guide.population.compartments(guide.population.by_name[type, subject["id"]]))
    owner = next((id for kind, id in mine if kind == "Patient"), "7-patient-0")
    other = "7-patient-1" if owner != "7-patient-1" else "7-patient-2"
    pairs = asking.plain(case, subject, guide.server.base)
    wider = [pair for pair in pairs if pair[0] != "patient"]
    back = [("_revinclude", text) for text in case.profile.revincludes]
    along = [("_include", text) for text in case.profile.includes]
    problems = guide.differences(type, [*pairs, *along], patient=owner)
    problems += guide.differences(type, [*wider, *back], patient=other)
    if FULL:
        problems += guide.differences(type, [*wider, *back], patient=owner)
        problems += guide.differences(type, pairs, patient=other)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("code", ["race", "ethnicity", "gender-identity"])
def test_patients_are_found_by_the_extensions_of_the_guide(guide: Guide, code: str) -> None:
    parameter = guide.population.parameter("Patient", code)
    values = {v.code for item in guide.population.by_type["Patient"] for v in guide.population.values(item, parameter)}
    assert len(values) > 1
    problems = []
    for value in sorted(values):
        expected = guide.expected("Patient", [(code, value)])
        assert expected is not None and 0 < len(expected.matches) < len(guide.of_type("Patient"))
        for pairs in ([(code, value)], [(f"{code}:not", value)]):
            problems += guide.differences("Patient", pairs)
    assert not problems, "\n".join(problems)
