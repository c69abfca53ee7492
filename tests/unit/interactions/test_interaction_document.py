"""Composition/$document where its references lead nowhere, or to too much."""

from __future__ import annotations

from typing import Any

import pytest

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions import document as documents
from hilum.interactions.document import MOST_ISSUES, document
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.problems import Unprocessable

Body = dict[str, Any]


async def composed(door: Door, owner: Principal, *entries: str) -> None:
    body: Body = {
        "resourceType": "Composition",
        "id": "c",
        "status": "final",
        "type": {"text": "x"},
        "date": "2026",
        "author": [{"reference": "Practitioner/d"}],
        "title": "x",
        "section": [{"title": "x", "entry": [{"reference": one} for one in entries]}],
    }
    await update(door, owner, "Practitioner", "d", {"resourceType": "Practitioner", "id": "d"})
    await update(door, owner, "Composition", "c", body)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was read by reference."""
    found: list[str] = []
    inner = documents.read

    async def read(door: Door, who: Principal, type: str, id: str) -> Resource:
        found.append(f"{type}/{id}")
        return await inner(door, who, type, id)

    monkeypatch.setattr(documents, "read", read)
    return found


async def test_a_reference_that_failed_is_told_everywhere_and_read_once(
    door: Door, owner: Principal, looked: list[str]
) -> None:
    await composed(door, owner, *["Patient/none"] * 5)
    with pytest.raises(Unprocessable) as refused:
        await document(door, owner, "c")
    places = [issue.expression for issue in refused.value.issues]
    assert places == [f"Composition.section[0].entry[{number}]" for number in range(5)]
    assert looked.count("Patient/none") == 1


async def test_no_more_references_are_told_than_anybody_reads(door: Door, owner: Principal, looked: list[str]) -> None:
    await composed(door, owner, *[f"Patient/n{number}" for number in range(400)])
    with pytest.raises(Unprocessable) as refused:
        await document(door, owner, "c")
    assert len(refused.value.issues) == MOST_ISSUES
    assert len(looked) <= MOST_ISSUES + 2


async def test_what_is_looked_for_in_turn_is_bounded(
    door: Door, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MOST_SOUGHT", 20)
    members = [{"item": {"reference": f"Patient/n{number}"}} for number in range(30)]
    listed = {"resourceType": "List", "id": "l", "status": "current", "mode": "working", "entry": members}
    await update(door, owner, "List", "l", listed)
    await composed(door, owner, "List/l")
    with pytest.raises(Unprocessable) as refused:
        await document(door, owner, "c")
    assert [issue.code for issue in refused.value.issues] == ["too-costly"]
    await update(door, owner, "List", "l", listed | {"entry": members[:10]})
    assert len((await document(door, owner, "c")).resources) == 3
