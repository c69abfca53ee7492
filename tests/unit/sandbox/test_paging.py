"""Pages that a vendor's link names: for who searched, of the type that was searched, for a while."""

from __future__ import annotations

import pytest

from hilum.sandbox.asked import understood
from hilum.sandbox.paging import Pages, size
from hilum.sandbox.profile import Paging, profiles

EPIC, ORACLE = (profiles()[name].paging for name in ("epic", "oracle"))


def asked(query: str, type: str = "Observation"):
    return understood("GET", f"/{type}".encode(), query.encode(), [])


@pytest.mark.parametrize("paging", [EPIC, ORACLE], ids=["epic", "oracle"])
def test_a_page_is_found_by_who_searched_until_it_ends(paging: Paging) -> None:
    now = 0.0
    pages = Pages(paging, lambda: now)
    name = pages.keep("Observation", "patient=1&_cursor=x", "app user")
    found = pages.find(name, "Observation", "app user")
    assert found is not None and found.query == "patient=1&_cursor=x"
    assert pages.find(name, "Condition", "app user") is None
    assert pages.find(name, "Observation", "another") is None
    assert pages.find("another", "Observation", "app user") is None
    now = paging.lasts
    assert pages.find(name, "Observation", "app user") is None


@pytest.mark.parametrize("paging", [EPIC, ORACLE], ids=["epic", "oracle"])
def test_the_link_leads_to_the_page_and_the_next_one_does_not_grow(paging: Paging) -> None:
    pages = Pages(paging)
    first = pages.link("http://ehr/fhir", asked("patient=1&category=a|b"), "NAME")
    again = asked(first.partition("?")[2])
    assert (again.interaction, again.page) == ("page", "NAME")
    assert len(pages.link("http://ehr/fhir", again, "NAME")) == len(first)


@pytest.mark.parametrize(
    ("query", "type", "wanted"),
    [
        ("patient=1", "Observation", 50),
        ("patient=1&_count=7", "Observation", 7),
        ("patient=1&_count=900", "Observation", 200),
        ("patient=1&_count=many", "Observation", 50),
        ("_id=1&_count=7", "Observation", 1000),
        ("patient=1", "DocumentReference", 10),
        ("patient=1", "Condition", 1000),
    ],
)
def test_oracle_has_its_own_sizes(query: str, type: str, wanted: int) -> None:
    assert ORACLE is not None
    assert size(ORACLE, asked(query, type)) == wanted
