"""What may be opened, and when it is. Only what is about nobody in particular."""

from __future__ import annotations

import asyncio

import pytest

from hilum.access import opened
from hilum.access.opened import OPENABLE, Opened
from hilum.access.shared import BELONGS
from hilum.fhir.definitions import TYPE_NUMBER, compartments
from hilum.oauth.ledger import SETTING, Put
from hilum.problems import Invalid
from hilum.store.memory import MemoryLedger

ALWAYS_CLOSED = frozenset((
    "Patient", "Person", "Group", "AuditEvent", "Consent", "Provenance", "Basic", "Binary", "Bundle", "Subscription",
    "Parameters", "Linkage", "MessageHeader", "VerificationResult", "BiologicallyDerivedProduct", "DeviceMetric",
    "PaymentNotice", "PaymentReconciliation", "TestReport", "OperationOutcome", "DomainResource", "Resource",
    "Schedule",
))  # fmt: skip


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


def test_no_type_about_people_can_be_opened() -> None:
    records = {"Patient", *compartments()["Patient"], *compartments()["RelatedPerson"], *BELONGS}
    assert OPENABLE.isdisjoint(records | ALWAYS_CLOSED)
    assert set(TYPE_NUMBER) >= OPENABLE
    for type in sorted(records | ALWAYS_CLOSED):
        assert opened.refusal(type), type


async def test_what_can_be_opened_is_opened_and_closed_again(ledger: MemoryLedger) -> None:
    assert await opened.types(ledger) == ()
    assert await opened.change(ledger, opened=("ValueSet", "Organization")) == ("Organization", "ValueSet")
    assert await opened.change(ledger, closed=("ValueSet",), opened=("CodeSystem",)) == ("CodeSystem", "Organization")
    assert await opened.types(ledger) == ("CodeSystem", "Organization")
    with pytest.raises(Invalid, match="Patient can't be opened"):
        await opened.change(ledger, opened=("Library", "Patient"))
    with pytest.raises(Invalid, match="'Nothing' is no resource type"):
        await opened.change(ledger, opened=("Nothing",))
    assert await opened.types(ledger) == ("CodeSystem", "Organization")


async def test_of_two_who_open_something_at_once_both_do(ledger: MemoryLedger) -> None:
    await asyncio.gather(*(opened.change(ledger, opened=(type,)) for type in ("ValueSet", "Library", "Measure")))
    assert await opened.types(ledger) == ("Library", "Measure", "ValueSet")


async def test_a_process_answers_what_it_learnt_is_open(ledger: MemoryLedger) -> None:
    known = Opened()
    assert known.who("ValueSet", "read") is None
    await opened.change(ledger, opened=("ValueSet", "Location"))
    known.learn(await ledger.changed(SETTING, 0))
    who = known.who("ValueSet", "read")
    assert who is not None
    assert (who.agent, who.client, who.token) == ("anyone", "anonymous", "")
    assert known.who("ValueSet", "search-type") is who
    for letter in "cud":
        assert who.policy.permits("ValueSet", letter) == ()
    for type in ("Patient", "CodeSystem", "AuditEvent"):
        assert who.policy.permits(type, "r") == who.policy.permits(type, "s") == who.policy.by_name(type) == ()
    (homes,) = who.policy.permits("Location", "s")
    assert homes.clauses, "a patient's home is no place of a directory"
    for interaction in ("vread", "history-instance", "history-type", "create", "update", "patch", "delete", "$graphql"):
        assert known.who("ValueSet", interaction) is None, interaction
    assert known.who("CodeSystem", "read") is None
    await opened.change(ledger, closed=("ValueSet", "Location"))
    known.learn(await ledger.changed(SETTING, 0))
    assert known.who("ValueSet", "read") is None


async def test_who_can_not_learn_any_more_answers_nothing(ledger: MemoryLedger) -> None:
    now = [100.0]
    known = Opened(lambda: now[0])
    await opened.change(ledger, opened=("ValueSet",))
    known.learn(await ledger.changed(SETTING, 0))
    known.fresh = 105.0
    assert known.who("ValueSet", "read")
    now[0] = 105.1
    assert known.who("ValueSet", "read") is None


async def test_a_record_that_names_what_can_not_be_opened_opens_nothing(ledger: MemoryLedger) -> None:
    await ledger.add(Put(SETTING, opened.KEY, b'{"types":["Patient","ValueSet"]}'))
    await ledger.add(Put(SETTING, b"another", b'{"types":["Library"]}'))
    known = Opened()
    known.learn(await ledger.changed(SETTING, 0))
    assert known.types == ("ValueSet",)
    assert known.who("Patient", "read") is None
