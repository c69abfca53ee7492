"""Contained resources and `_score` over HTTP. https://hl7.org/fhir/R4/search.html#contained"""

from __future__ import annotations

import secrets
from typing import Any

import httpx
import pytest
from tests.journeys.conftest import Create, diagnostics
from tests.journeys.server import Server
from tests.journeys.test_http_history import link

from hilum.fhir.json import parse
from hilum.validation import validate

Body = dict[str, Any]


def medication(id: str, ingredient: str) -> Body:
    coding = {"system": "http://acme.com/medications", "code": ingredient}
    return {"resourceType": "Medication", "id": id, "ingredient": [{"itemCodeableConcept": {"coding": [coding]}}]}


@pytest.fixture(scope="module")
def abc() -> str:
    """A code that nobody else uses."""
    return f"abc-{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def prescriptions(create: Create, abc: str) -> list[Body]:
    """The specification's example, a second one that contains two, and a Medication that is nobody's."""
    patient = create("Patient", name=[{"family": "Contained"}])
    common: Body = {
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient['id']}"},
        "medicationReference": {"reference": "#m1"},
    }
    first = create("MedicationRequest", contained=[medication("m1", abc)], **common)
    reason = {"resourceType": "Condition", "id": "c", "subject": common["subject"]}
    second = create(
        "MedicationRequest",
        contained=[reason, medication("m1", "other"), medication("m2", abc)],
        reasonReference=[{"reference": "#c"}],
        supportingInformation=[{"reference": "#m2"}],
        **common,
    )
    own = medication("", abc)
    del own["id"]
    return [first, second, create(own.pop("resourceType"), **own)]


def found(bundle: Body) -> list[tuple[str, str]]:
    return [(entry["fullUrl"].rpartition("fhir/")[2], entry["resource"]["resourceType"]) for entry in bundle["entry"]]


def test_by_default_what_is_contained_is_not_found(fhir: httpx.Client, prescriptions: list[Body], abc: str) -> None:
    for query in ("", "&_contained=false", "&_containedType=contained"):
        bundle = fhir.get(f"Medication?ingredient-code={abc}{query}").json()
        assert [entry["resource"]["id"] for entry in bundle["entry"]] == [prescriptions[2]["id"]]


def test_the_containers_are_the_results(
    fhir: httpx.Client, server: Server, prescriptions: list[Body], abc: str
) -> None:
    query = f"Medication?ingredient-code={abc}&_contained=true&_total=accurate"
    bundle = fhir.get(query).json()
    assert [issue for issue in validate(bundle) if issue.severity == "error"] == []
    assert bundle == {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 2,
        "link": [{"relation": "self", "url": f"{server.base}/{query}"}],
        "entry": [
            {"fullUrl": f"{server.base}/MedicationRequest/{one['id']}", "resource": one, "search": {"mode": "match"}}
            for one in (prescriptions[1], prescriptions[0])
        ],
    }
    both = fhir.get(f"Medication?ingredient-code={abc}&_contained=both").json()
    assert [entry["resource"]["id"] for entry in both["entry"]] == [prescriptions[n]["id"] for n in (1, 0, 2)]


def test_the_contained_resource_alone_stands_under_its_containers_address(
    fhir: httpx.Client, server: Server, prescriptions: list[Body], abc: str
) -> None:
    query = f"Medication?ingredient-code={abc}&_contained=true&_containedType=contained"
    bundle = fhir.get(query).json()
    assert [issue for issue in validate(bundle) if issue.severity == "error"] == []
    first, second = (f"{server.base}/MedicationRequest/{one['id']}" for one in prescriptions[:2])
    assert bundle["entry"] == [
        {"fullUrl": f"{second}#m2", "resource": medication("m2", abc), "search": {"mode": "match"}},
        {"fullUrl": f"{first}#m1", "resource": medication("m1", abc), "search": {"mode": "match"}},
    ]
    page = fhir.get(f"{query}&_count=1&_sort=_id&_elements=ingredient").json()
    entries = page["entry"]
    while url := link(page, "next"):
        page = fhir.get(url).json()
        entries += page["entry"]
    assert [entry["fullUrl"] for entry in entries] == [f"{first}#m1", f"{second}#m2"]
    assert {key for entry in entries for key in entry["resource"]} == {"resourceType", "id", "meta", "ingredient"}


def test_by_form_and_in_a_compartment(fhir: httpx.Client, prescriptions: list[Body], abc: str) -> None:
    form = {"ingredient-code": abc, "_contained": "true", "_count": "1"}
    first = fhir.post("Medication/_search", data=form).json()
    assert [entry["resource"]["id"] for entry in first["entry"]] == [prescriptions[1]["id"]]
    rest = fhir.get(link(first, "next") or "").json()
    assert [entry["resource"]["id"] for entry in rest["entry"]] == [prescriptions[0]["id"]]
    patient = prescriptions[0]["subject"]["reference"]
    bundle = fhir.get(f"{patient}/Condition?_contained=true&_containedType=contained").json()
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["c"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("_contained=yes", "_contained takes false, true, both"),
        ("_contained=true&_contained=both", "_contained may be given once."),
        ("_contained=true&_has:MedicationRequest:medication:status=active", "_has and _list can't be together"),
        ("_contained=true&_list=1", "_has and _list can't be together"),
        ("_contained=true&_containedType=contained&_revinclude=*", "_revinclude can't be together"),
    ],
)
def test_what_contained_resources_cannot_be_asked_is_refused(fhir: httpx.Client, query: str, said: str) -> None:
    answer = fhir.get(f"Medication?{query}")
    assert answer.status_code == 400
    assert said in diagnostics(answer)


def test_a_search_for_contained_resources_on_all_types_is_too_much(fhir: httpx.Client) -> None:
    answer = fhir.get("?_contained=true&_id=m1")
    assert answer.status_code == 400
    assert "name them with _type" in diagnostics(answer)
    assert fhir.get("?_contained=true&_id=m1&_type=Medication,Condition&_count=1").status_code == 200


def test_a_chain_leads_into_what_is_contained(fhir: httpx.Client, prescriptions: list[Body], abc: str) -> None:
    """The specification's example: "a chained condition will be evaluated inside contained resources"."""
    first, second, own = (one["id"] for one in prescriptions)

    def ids(search: str) -> list[str]:
        bundle = fhir.get(f"MedicationRequest?{search}&_total=accurate").json()
        assert bundle["total"] == len(bundle["entry"])
        return [entry["resource"]["id"] for entry in bundle["entry"]]

    of_both = f"_id={first},{second}"
    assert ids(f"medication.ingredient-code={abc}") == [first]
    assert ids(f"medication:Medication.ingredient-code={abc}") == [first]
    assert ids(f"medication.ingredient-code=other&{of_both}") == [second]
    assert ids(f"medication.ingredient-code:not={abc}&{of_both}") == [second]
    assert ids(f"_filter=medication.ingredient-code eq {abc}") == [first]
    patient = fhir.get(f"Patient?_has:MedicationRequest:subject:medication.ingredient-code={abc}").json()
    assert [entry["resource"]["name"] for entry in patient["entry"]] == [[{"family": "Contained"}]]
    told = fhir.get(f"MedicationRequest?medication.ingredient-code={abc}", headers={"Prefer": "explain"}).text
    assert "chain to contained Medication" in told
    assert own not in ids(f"medication.ingredient-code={abc}")


def test_criteria_by_a_chain_know_what_is_contained(fhir: httpx.Client, prescriptions: list[Body], abc: str) -> None:
    body = {key: value for key, value in prescriptions[0].items() if key not in ("id", "meta")}
    criteria = f"medication.ingredient-code={abc}"
    again = fhir.post("MedicationRequest", json=body, headers={"If-None-Exist": criteria})
    assert (again.status_code, again.json()["id"]) == (200, prescriptions[0]["id"])
    fresh = fhir.post("MedicationRequest", json=body, headers={"If-None-Exist": f"{criteria}-none"})
    assert fresh.status_code == 201
    fhir.delete(f"MedicationRequest/{fresh.json()['id']}").raise_for_status()


def test_criteria_go_on_from_what_is_contained(fhir: httpx.Client, create: Create, abc: str) -> None:
    """What is at the end of such a chain is proven by bodies, too, wherever it stands."""
    patient = create("Patient")
    makers = {"own": create("Organization", name=f"Own {abc}"), "beside": {"id": "o1", "name": f"Beside {abc}"}}
    made = {}
    for kind, maker in makers.items():
        reference = f"Organization/{maker['id']}" if kind == "own" else "#o1"
        held: list[Body] = [medication("m1", abc + kind) | {"manufacturer": {"reference": reference}}]
        if kind == "beside":
            held.append({"resourceType": "Organization", **maker})
        made[kind] = create(
            "MedicationRequest",
            status="active",
            intent="order",
            subject={"reference": f"Patient/{patient['id']}"},
            medicationReference={"reference": "#m1"},
            contained=held,
        )
    for kind, one in made.items():
        body = {key: value for key, value in one.items() if key not in ("id", "meta")}
        criteria = f"medication.manufacturer.name={kind} {abc}"
        again = fhir.post("MedicationRequest", json=body, headers={"If-None-Exist": criteria})
        assert (again.status_code, again.json()["id"]) == (200, one["id"])


@pytest.mark.parametrize(
    "search", ["composition.title=T", "message:MessageHeader.event=x", "composition.subject.name=x"]
)
def test_a_chain_into_what_is_nested_in_a_bundle_is_refused(fhir: httpx.Client, search: str) -> None:
    answer = fhir.get(f"Bundle?{search}")
    assert answer.status_code == 400
    assert "of Bundle leads to what is nested in the Bundle itself" in diagnostics(answer)


def test_words_score_their_results(fhir: httpx.Client, create: Create) -> None:
    word = f"w{secrets.token_hex(4)}"
    notes = [f"{word} once", f"{word} and {word} again, {word}", f"{word} " + "and more " * 60]
    made = [create("Basic", code={"text": note})["id"] for note in notes]
    answer = fhir.get(f"Basic?_content={word}&_sort=_score&_count=2")
    assert [issue for issue in validate(parse(answer.content)) if issue.severity == "error"] == []
    best = answer.json()
    rest = fhir.get(link(best, "next") or "").json()
    entries = best["entry"] + rest["entry"]
    assert [entry["resource"]["id"] for entry in entries] == [made[1], made[0], made[2]]
    scores = [entry["search"]["score"] for entry in entries]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)
    newest = fhir.get(f"Basic?_content={word}").json()
    assert [entry["resource"]["id"] for entry in newest["entry"]] == made[::-1]
    assert {entry["search"]["score"] for entry in newest["entry"]} == set(scores)
    assert all("score" not in entry["search"] for entry in fhir.get("Basic?_sort=_score").json()["entry"])
