"""Who may write what: both images of a write are judged, by compartments and by search constraints."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.interactions.bodies import observation

from hilum.access.policy import Grant, Policy
from hilum.interactions.permit import Permits, may_hold, may_remove
from hilum.problems import Forbidden
from hilum.search.index import index
from hilum.search.rows import NO_ROWS, Rows

A = (("Patient", "a"),)
FINAL = (("status", "final"),)


def permits(*grants: tuple[Any, Any]) -> Permits:
    some = tuple(Grant("Observation", frozenset("u"), owners, search) for owners, search in grants)
    return Policy(some).permits("Observation", "u")


def rows(status: str, *patients: str) -> Rows:
    performers = [{"reference": f"Patient/{id}"} for id in patients[1:]]
    body = observation(f"Patient/{patients[0]}", status=status, performer=performers)
    return index("Observation", body, "o")


def held(allowed: Permits, new: Rows, old: Rows = NO_ROWS) -> bool:
    try:
        may_hold(allowed, "o", new, old)
    except Forbidden:
        return False
    return True


def test_a_write_stays_within_a_search_constraint() -> None:
    final = permits((None, FINAL))
    assert held(final, rows("final", "a"))
    assert not held(final, rows("amended", "a"), rows("final", "a"))
    assert held(permits((None, FINAL), (None, ())), rows("amended", "a"))


def test_a_write_stays_within_compartment_and_constraint_together() -> None:
    both = permits((A, FINAL))
    assert held(both, rows("final", "a"))
    assert not held(both, rows("final", "b"))
    assert not held(both, rows("amended", "a"))
    assert not held(both, rows("final", "a", "b"))
    assert held(both, rows("final", "a", "b"), rows("final", "a", "b"))
    assert not held(both, rows("final", "a"), rows("final", "a", "b"))


def test_alternatives_do_not_add_up() -> None:
    either = permits((A, ()), (None, FINAL))
    assert held(either, rows("final", "b"))
    assert held(either, rows("amended", "a"))
    assert not held(either, rows("amended", "b"))


def test_a_shared_resource_is_deleted_only_by_who_is_not_bound_to_one_compartment() -> None:
    shared = rows("final", "a", "b")
    may_remove(permits((A, ())), "o", rows("final", "a"))
    may_remove(permits((None, FINAL)), "o", shared)
    may_remove(permits((A, ()), (None, FINAL)), "o", shared)
    for bound in (permits((A, ())), permits((A, FINAL)), permits((A, ()), (None, (("status", "amended"),)))):
        with pytest.raises(Forbidden):
            may_remove(bound, "o", shared)
