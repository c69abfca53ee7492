"""The broker's pages, whatever EHRs call themselves and others have written into an order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hilum.broker.grants import Grant
from hilum.broker.order import Order
from hilum.broker.pages.desk import Desk
from hilum.broker.pages.progress import lines, rows, tries
from hilum.broker.shown import ATTEMPT, GATHER, GATHERED_OF, PROGRESS, asked
from hilum.broker.told import told
from hilum.fhir import json
from hilum.fhir.resource import Resource

UNUSED: Any = None
OURS = (GATHER, GATHERED_OF, ATTEMPT, PROGRESS)


def desk() -> Desk:
    connections: Any = SimpleNamespace(environment="sandbox")
    launching: Any = SimpleNamespace(parties=SimpleNamespace(connections=connections))
    return Desk(launching, UNUSED, UNUSED, dict, UNUSED, "Lakeside")


@pytest.mark.parametrize(
    ("issuer", "also"),
    [
        ("", ""),
        ("https://login.ehr.example/oauth", " https://login.ehr.example"),
        ("https://login.ehr.example; script-src *", ""),
        ("https://*", ""),
        ("https://[login", ""),
        ("General Hospital", ""),
    ],
)
def test_pages_are_framed_by_the_ehr_and_by_nothing_that_it_only_calls_itself(issuer: str, also: str) -> None:
    grant = Grant("lake", "sandbox", "https://ehr.example/fhir", "client", issuer, "", "", 0, 0)
    answer = desk().page("nobody.html", 200, grant)
    policy = dict(answer.headers)[b"content-security-policy"].decode()
    assert [one.strip() for one in policy.split(";") if "ehr.example" in one or "*" in one] == [
        f"frame-ancestors 'self' https://ehr.example{also}"
    ]


def test_what_others_add_to_an_order_does_not_take_its_page_away() -> None:
    order = Order("lake", "sandbox", "visits", "kim", 0)
    odd = [
        {"type": {"text": "note"}, "valueString": "call back"},
        *(
            {"type": {"coding": [{"system": one}]}, "valueString": "x"}
            for one in (GATHER, GATHERED_OF, ATTEMPT, PROGRESS)
        ),
    ]
    body = asked(order)
    body |= {"id": "t", "input": [*body["input"], *odd], "output": odd}
    del body["businessStatus"], body["authoredOn"]
    task = Resource("Task", "t", 1, 0, json.encode(body))
    (row,) = rows(desk(), [task])
    assert (row.id, row.title, row.tone) == ("t", "visits", "")
    assert lines(told(task)) == ()
    assert [one.result for one in tries(told(task))] == [""]
