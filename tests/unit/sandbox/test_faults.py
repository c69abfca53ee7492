"""Faults: how they are written, and which requests they strike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.cli.sandbox import sandbox
from hilum.problems import Invalid
from hilum.sandbox.faults import COMMON, KINDS, About, Fault, Faults, read
from hilum.sandbox.profile import profiles

EPIC, ORACLE = profiles()["epic"], profiles()["oracle"]
FHIR: frozenset[About] = frozenset(("fhir",))


def test_a_fault_without_numbers_strikes_once() -> None:
    assert read("500", EPIC) == Fault("500", every=1, after=0, times=1, on="", numbers={})


def test_a_fault_with_every_goes_on_and_has_its_kinds_own_numbers() -> None:
    wanted = Fault("429", every=5, after=0, times=0, on="Observation", numbers={"retry-after": 30})
    assert read("429:every=5,retry-after=30,on=Observation", EPIC) == wanted
    assert read("429:every=5", EPIC).numbers == {"retry-after": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_fault_says_of_itself_reads_as_itself(kind: str) -> None:
    for text in (kind, f"{kind}:every=3,after=2,times=7"):
        found = read(text, EPIC)
        again = read(found.text, EPIC)
        assert (again.text, again.every, again.after) == (found.text, found.every, found.after)


@pytest.mark.parametrize(
    "text",
    ["", "4", "429:", "429:every", "429:every=0", "429:every=-1", "429:every=x", "429:often=2", "slow:retry-after=2",
     "500:on=Nothing", "429:every=9999999999", "429;every=2", "429:every=²"],
)  # fmt: skip
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read(text, EPIC)


def test_a_vendors_own_fault_is_only_that_vendors() -> None:
    assert read("daily-cap", EPIC).on == "DocumentReference"
    with pytest.raises(Invalid, match="Oracle Health") as refused:
        read("daily-cap", ORACLE)
    assert "daily-cap," not in str(refused.value)
    with pytest.raises(Invalid):
        read("wrong-match", profiles()["plain"])


@given(every=st.integers(1, 7), after=st.integers(0, 9), times=st.integers(1, 9), sent=st.integers(0, 60))
def test_it_strikes_each_nth_after_so_many_and_so_often_at_most(every: int, after: int, times: int, sent: int) -> None:
    faults = Faults()
    faults.add(read(f"500:every={every},after={after},times={times}", EPIC))
    struck = [number for number in range(1, sent + 1) if faults.strike(FHIR) is not None]
    assert struck == list(range(after + every, sent + 1, every))[:times]


def test_it_strikes_only_what_it_is_about() -> None:
    faults = Faults()
    for text in ("token-400", "page-gone", "500:on=Condition"):
        faults.add(read(text, EPIC))
    assert faults.strike(FHIR, "Observation") is None
    assert [one["seen"] for one in faults.shown()] == [0, 0, 0]
    kinds = [
        faults.strike(frozenset(about), type)
        for about, type in ((("fhir", "page"), "Patient"), (("fhir",), "Condition"))
    ]
    assert [one.kind for one in kinds if one] == ["page-gone", "500"]
    faults.clear()
    assert faults.shown() == []


def test_help_tells_every_fault_and_every_number() -> None:
    told = sandbox.__doc__ or ""
    assert all(f"- `{kind}` " in told for kind in KINDS)
    assert all(f"`{name}=" in told for name in (*COMMON, "retry-after", "seconds"))
