"""Directories of EHRs: what lists say, in all the shapes that they come in, and how an organization is found."""

from __future__ import annotations

import asyncio
import codecs
import json
from pathlib import Path
from typing import Any

import pytest
from tests.shared_data import DATA, needs_data

from hilum.broker import directories, listing
from hilum.broker.directories import Directory, Head
from hilum.broker.listing import Listed, find, normal, read
from hilum.oauth.ledger import DIRECTORY
from hilum.problems import Conflict, Invalid, NotFound
from hilum.store.memory import MemoryLedger
from hilum.store.sqlite import open_sqlite

R4 = "https://ehr.example.org/api/FHIR/R4"


def bundle(*resources: dict[str, Any], base: str = "https://lists.example.org") -> bytes:
    entries = [
        {"fullUrl": f"{base}/{one['resourceType']}/{one.get('id', n)}", "resource": one}
        for n, one in enumerate(resources)
    ]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def endpoint(id: str = "e", address: Any = R4, **other: Any) -> dict[str, Any]:
    return {"resourceType": "Endpoint", "id": id, "status": "active", "address": address} | other


def organization(id: str = "o", name: Any = "Lake Clinic", **other: Any) -> dict[str, Any]:
    return {"resourceType": "Organization", "id": id, "name": name} | other


def to(reference: str) -> dict[str, str]:
    return {"reference": reference}


def pairs(raw: bytes) -> list[tuple[str, str]]:
    return [(one.name, one.base) for one in read(raw).listed]


# --- what lists say ---------------------------------------------------------------------------------------------------


@needs_data
@pytest.mark.parametrize(
    ("number", "found"),
    [
        (1, [("ExampleLabs", "https://fhir.labs.example.com/r4")]),
        (
            2,
            [
                ("ExampleHealth Community Hospital", "https://ehr.example.com/ProdFHIR/api/FHIR/R4"),
                ("ExampleHealth", "https://ehr.example.com/ProdFHIR/api/FHIR/R4"),
                ("ExampleHealth Physicians of Madison", "https://ehr.example.com/ProdFHIR/api/FHIR/R4"),
            ],
        ),
        (
            3,
            [
                ("ExampleHospital", "https://ehr1.example.org/ExampleHospital/api/FHIR/R4"),
                ("ExampleHospital", "https://ehr2.example.org/ExampleHospital/api/FHIR/R4"),
            ],
        ),
        (
            4,
            [
                ("Brand1", "https://example.org/brand1.org/ProdFHIR/api/FHIR/R4"),
                ("Brand2", "https://example.org/brand1.org/ProdFHIR/api/FHIR/R4"),
            ],
        ),
    ],
)
def test_the_examples_of_the_specification(number: int, found: list[tuple[str, str]]) -> None:
    """https://hl7.org/fhir/smart-app-launch/example-brands.html"""
    raw = (DATA.parent / f"spec/smart-app-launch/resources/Bundle-example{number}.json").read_bytes()
    assert pairs(raw) == found


@pytest.mark.parametrize(
    "resources",
    [
        (endpoint(name="Lake Clinic"),),
        (endpoint(managingOrganization={"display": "Lake Clinic"}, name="R4"),),
        (endpoint(managingOrganization=to("#o"), name="R4", contained=[organization()]),),
        (endpoint(managingOrganization=to("Organization/o"), name="R4"), organization()),
        (endpoint(managingOrganization=to("https://lists.example.org/Organization/o")), organization()),
        (endpoint(), organization(endpoint=[to("Endpoint/e")])),
        (endpoint(), organization(endpoint=[to("https://lists.example.org/Endpoint/e")])),
        (organization(endpoint=[to("#e")], contained=[endpoint()]),),
        (
            endpoint(),
            organization(
                extension=[
                    {
                        "url": listing.PORTAL,
                        "extension": [{"url": "portalEndpoint", "valueReference": to("Endpoint/e")}],
                    }
                ]
            ),
        ),
    ],
)
def test_shapes_in_which_an_organization_is_brought_together_with_its_endpoint(
    resources: tuple[dict[str, Any], ...],
) -> None:
    assert pairs(bundle(*resources)) == [("Lake Clinic", R4)]


def test_a_part_without_endpoints_is_reached_where_the_whole_is() -> None:
    whole = organization("whole", "Lake Health", endpoint=[to("Endpoint/e")])
    part = organization("part", "Ward", partOf=to("Organization/whole"))
    ring = [organization("a", "A", partOf=to("Organization/b")), organization("b", "B", partOf=to("Organization/a"))]
    assert pairs(bundle(endpoint(), whole, part, *ring)) == [("Lake Health", R4), ("Ward", R4)]


@pytest.mark.parametrize(
    "other",
    [
        endpoint(status="off"),
        endpoint(address="ftp://ehr.example.org"),
        endpoint(address=None),
        endpoint(address=["https://x"]),
        endpoint(extension=[{"url": listing.VERSION, "valueCode": "1.0.2"}]),
        endpoint(extension=[{"url": listing.VERSION, "valueCode": "5.0.0"}]),
    ],
)
def test_endpoints_that_can_t_be_used_are_counted_and_left_out(other: dict[str, Any]) -> None:
    found = read(bundle(other, endpoint("f", name="Lake Clinic")))
    assert [(one.name, one.base) for one in found.listed] == [("Lake Clinic", R4)]
    assert found.others == 1


@pytest.mark.parametrize(
    "sloppy",
    [
        organization(name=7, alias="x", address={}, endpoint={}, partOf="x", extension=[7]),
        organization(alias=[7, None], address=[{"city": 7}], endpoint=[{}, {"reference": 7}], contained=[7, {}]),
        endpoint("x", managingOrganization="x", extension={}, status=None),
        {"resourceType": "Basic", "id": 7},
        {"resourceType": 7},
        {},
    ],
)
def test_what_has_another_shape_than_it_should_have_spoils_nothing_else(sloppy: dict[str, Any]) -> None:
    entries = [{"resource": sloppy}, {}, {"fullUrl": 7, "resource": endpoint(name="Lake Clinic")}]
    raw = json.dumps({"resourceType": "Bundle", "entry": entries}).encode()
    assert ("Lake Clinic", R4) in pairs(raw)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"<html>", "no Bundle of FHIR JSON"),
        (b"[]", "no Bundle of FHIR JSON"),
        (b"\xff", "no Bundle of FHIR JSON"),
        (b'{"resourceType":"Patient"}', "a resource of type 'Patient'"),
        (bundle(organization()), "holds no Endpoint"),
    ],
)
def test_what_is_no_list_of_addresses_is_refused(raw: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        read(raw)


def test_a_file_may_begin_with_a_byte_order_mark() -> None:
    raw = bundle(endpoint(name="Lake Clinic"))
    assert read(codecs.BOM_UTF8 + raw) == read(raw)


# --- how one is found -------------------------------------------------------------------------------------------------


def listed(*names: str) -> list[Listed]:
    return [Listed(name, R4, "", "", f" {normal(name)}") for name in names]


def test_names_are_found_by_the_beginnings_of_words_the_nearest_first() -> None:
    some = listed(
        "St. Mary's Hospital", "Hospital of Saint Mary", "Marylake Hospital", "Hôpital Sainte-Marie", "St Mary"
    )  # fmt: skip
    assert [one.name for one in find(some, "st mary", 9)] == ["St Mary", "St. Mary's Hospital"]
    assert [one.name for one in find(some, "HOPITAL mar", 9)] == ["Hôpital Sainte-Marie"]
    assert [one.name for one in find(some, "mary", 2)] == ["Marylake Hospital", "Hospital of Saint Mary"]
    assert find(some, "  ", 9) == []
    assert find(some, "ary", 9) == []


def test_an_organization_is_found_by_alias_and_place_too() -> None:
    resource = organization(
        alias=["Good Hospital"], address=[{"city": "Madison", "state": "WI"}], endpoint=[to("Endpoint/e")]
    )
    some = read(bundle(endpoint(), resource)).listed
    assert [one.place for one in find(some, "good madison", 5)] == ["Madison, WI"]


def test_an_organization_is_found_by_the_name_of_its_endpoint_too() -> None:
    inside = organization(name="Mercy Health")
    named = endpoint(name="Mercy Health, Madison", managingOrganization=to("#o"), contained=[inside])
    assert [one.name for one in find(read(bundle(named)).listed, "mercy madison", 5)] == ["Mercy Health"]


# --- where they are kept ----------------------------------------------------------------------------------------------


async def test_a_directory_is_imported_searched_imported_anew_and_removed(tmp_path: Path) -> None:
    store = await open_sqlite(str(tmp_path / "store.sqlite"))
    ledger = store.ledger
    try:
        many = bundle(*(endpoint(str(n), f"{R4}/{n}", name=f"Clinic {n:04}") for n in range(1234)))
        first = await directories.take(ledger, "epic", many, "epic.json", 1_800_000_000.0, "epic")
        assert first == Directory("epic", Head("epic.json", 1, 1234, 0, 1_800_000_000, "epic"))
        await directories.take(ledger, "oracle", bundle(endpoint(name="Clinic 0007 of Oracle")), "o.json", 0)
        assert [(one.name, one.head.listed) for one in await directories.every(ledger)] == [
            ("epic", 1234), ("oracle", 1),
        ]  # fmt: skip
        found = await directories.find(ledger, "clinic 0007")
        assert [(one.directory.name, one.listed.base) for one in found] == [("epic", f"{R4}/7"), ("oracle", R4)]
        assert len(await directories.find(ledger, "clinic", name="epic", most=50)) == 50
        second = await directories.take(ledger, "epic", bundle(endpoint(name="Clinic 0007")), "new.json", 1)
        assert (second.head.generation, second.head.listed) == (2, 1)
        assert len(await ledger.of(DIRECTORY, owner=b"epic")) == 1
        assert [one.listed.base for one in await directories.find(ledger, "clinic 0007", name="epic")] == [R4]
        await directories.remove(ledger, "epic")
        assert await ledger.of(DIRECTORY, owner=b"epic") == []
        for name in ("epic", "no\0where", ""):
            with pytest.raises(NotFound):
                await directories.remove(ledger, name)
        with pytest.raises(NotFound, match="hilum ehr import"):
            await directories.find(ledger, "clinic", name="epic")
    finally:
        await store.close()


async def test_of_two_imports_at_once_one_is_whole() -> None:
    class Slow(MemoryLedger):
        async def many(self, *arguments: Any, **named: Any) -> None:
            await asyncio.sleep(0)
            await super().many(*arguments, **named)

    ledger = Slow()
    raws = [bundle(*(endpoint(str(n), f"{R4}/{who}/{n}", name="Clinic") for n in range(600))) for who in range(2)]
    done = await asyncio.gather(
        *(directories.take(ledger, "epic", raw, "x", 0) for raw in raws), return_exceptions=True
    )
    assert [type(one) for one in done] == [Directory, Conflict]
    assert len(await directories.find(ledger, "clinic", most=1000)) == 600


@pytest.mark.parametrize("name", ["", "Epic", "a b", "x" * 41, "*"])
async def test_the_name_of_a_directory_is_a_plain_word(name: str) -> None:
    with pytest.raises(Invalid, match="1 to 40 letters"):
        await directories.take(MemoryLedger(), name, bundle(endpoint()), "x", 0)
