"""Search over HTTP: by GET and form, links, presentation, leniency. https://hl7.org/fhir/R4/http.html#search"""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

import httpx
import pytest
from tests.journeys.conftest import Create, diagnostics
from tests.journeys.server import Server
from tests.journeys.test_http_history import link

from hilum.fhir.json import parse
from hilum.validation import validate


@pytest.fixture(scope="session")
def people(create: Create) -> list[dict[str, Any]]:
    """Seven of them, whom nobody else made, oldest first: once for the server, however tests are dealt out."""
    return [
        create("Patient", name=[{"family": "Searched", "given": [f"G{n}"]}], birthDate=f"199{n}-01-01")
        for n in range(7)
    ]


def ids(bundle: dict[str, Any]) -> list[str]:
    return [entry["resource"]["id"] for entry in bundle.get("entry", ())]


def test_a_search_bundle_holds_the_stored_bytes(fhir: httpx.Client, people: list[dict[str, Any]], server: Any) -> None:
    answer = fhir.get("Patient?family=searched&birthdate=1993")
    assert [issue for issue in validate(answer.json()) if issue.severity == "error"] == []
    assert answer.json() == {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 1,
        "link": [{"relation": "self", "url": f"{server.base}/Patient?family=searched&birthdate=1993"}],
        "entry": [
            {"fullUrl": f"{server.base}/Patient/{people[3]['id']}", "resource": people[3], "search": {"mode": "match"}}
        ],
    }
    assert fhir.get(f"Patient/{people[3]['id']}").content in answer.content


def test_an_empty_result_has_no_entry(fhir: httpx.Client, server: Any) -> None:
    assert fhir.get("Patient?family=nobodyhasthisname").json() == {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 0,
        "link": [{"relation": "self", "url": f"{server.base}/Patient?family=nobodyhasthisname"}],
    }


def test_following_next_finds_each_once(fhir: httpx.Client, people: list[dict[str, Any]]) -> None:
    url: str | None = "Patient?family=searched&_count=3&_total=accurate"
    found: list[str] = []
    while url is not None:
        bundle = fhir.get(url).json()
        assert bundle["total"] == 7
        found += ids(bundle)
        url = link(bundle, "next")
    assert sorted(found) == sorted(person["id"] for person in people)
    assert len(found) == 7


def test_one_page_that_holds_everything_tells_the_total_unless_it_is_not_wanted(
    fhir: httpx.Client, people: list[dict[str, Any]]
) -> None:
    about = "Patient?family=searched&_include=Patient:organization"
    assert fhir.get(about).json()["total"] == 7
    assert fhir.get(f"{about}&_count=7").json()["total"] == 7
    assert fhir.post("Patient/_search", data={"family": "searched"}).json()["total"] == 7
    assert "total" not in fhir.get(f"{about}&_total=none").json()
    url: str | None = f"{about}&_count=4"  # the last page alone is no whole
    while url is not None:
        page = fhir.get(url).json()
        assert "total" not in page
        url = link(page, "next")


def test_a_link_that_gets_the_format_it_has_once_more_is_the_same_link(
    fhir: httpx.Client, people: list[dict[str, Any]]
) -> None:
    first = fhir.get("Patient?family=searched&_count=4&_format=json&_pretty=true").json()
    following = link(first, "next") or ""
    assert ids(fhir.get(f"{following}&_format=json&_pretty=true").json()) == ids(fhir.get(following).json())
    assert len(ids(first) + ids(fhir.get(following).json())) == 7
    assert diagnostics(fhir.get(f"{following}&_pretty=false")) == "_pretty may be given once."


def test_a_form_is_the_same_search(fhir: httpx.Client, people: list[dict[str, Any]], server: Any) -> None:
    by_get = fhir.get("Patient?family=searched&birthdate=gt1994&_count=1").json()
    by_form = fhir.post("Patient/_search?_count=1", data={"family": "searched", "birthdate": "gt1994"}).json()
    assert ids(by_form) == ids(by_get)
    following = link(by_form, "next")
    assert following is not None
    assert following.startswith(f"{server.base}/Patient?")
    assert ids(fhir.get(following).json()) == ids(fhir.get(link(by_get, "next") or "").json())
    everywhere = fhir.post("_search", data={"_id": people[0]["id"], "_type": "Patient"})
    assert ids(everywhere.json()) == [people[0]["id"]]
    shown = fhir.post("Patient/_search", data={"family": "searched", "_elements": "name", "_pretty": "true"})
    assert b"\n" in shown.content
    assert "birthDate" not in shown.json()["entry"][0]["resource"]
    wrong = fhir.post("Patient/_search", json={"family": "searched"})
    assert wrong.status_code == 415
    assert "x-www-form-urlencoded" in diagnostics(wrong)


def test_count_only_and_count_zero(fhir: httpx.Client, people: list[dict[str, Any]], server: Any) -> None:
    counted = fhir.get("Patient?family=searched&_summary=count").json()
    assert counted == {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 7,
        "link": [{"relation": "self", "url": f"{server.base}/Patient?family=searched&_summary=count"}],
    }
    assert fhir.get("Patient?family=searched&_count=0").json()["total"] == 7


def test_summaries_in_a_search(fhir: httpx.Client, people: list[dict[str, Any]]) -> None:
    for query in ("_summary=true", "_summary=text", "_summary=data", "_elements=name"):
        found = fhir.get(f"Patient?family=searched&_count=1&{query}").json()["entry"][0]["resource"]
        assert found["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_unknown_parameters_are_refused_with_near_misses_or_passed_over(
    fhir: httpx.Client, people: list[dict[str, Any]], server: Any
) -> None:
    refused = fhir.get("Patient?famly=searched")
    assert refused.status_code == 400
    assert "family" in diagnostics(refused)
    lenient = fhir.get("Patient?famly=x&family=searched&_count=1", headers={"prefer": "handling=lenient"}).json()
    assert link(lenient, "self") == f"{server.base}/Patient?family=searched&_count=1"
    said = lenient["entry"][-1]
    assert said["search"] == {"mode": "outcome"}
    assert "famly" in said["resource"]["issue"][0]["diagnostics"]
    assert "famly" not in (link(lenient, "next") or "")


def test_parameters_without_a_value_are_passed_over_and_said(
    fhir: httpx.Client, people: list[dict[str, Any]], server: Any
) -> None:
    empty = "_id=&name=&_sort=&_count=&_summary=&_elements=&_format=&_pretty=&_total=&name:foo="
    found = fhir.get(f"Patient?{empty}&family=searched").json()
    assert {id for id, mode in modes(found).items() if mode == "match"} == {one["id"] for one in people}
    assert link(found, "self") == f"{server.base}/Patient?family=searched"
    issues = found["entry"][-1]["resource"]["issue"]
    names = [one["diagnostics"].split("'")[1] for one in issues]
    assert sorted(names) == sorted(pair.partition("=")[0] for pair in empty.split("&"))
    assert (
        fhir.post("Patient/_search", content=f"{empty}&family=searched", headers=FORM).json()["entry"] == found["entry"]
    )
    assert fhir.get(f"Patient/{people[0]['id']}?_format=&_summary=").status_code == 200
    conditional = {"if-none-exist": "identifier=&family=searched", "content-type": "application/fhir+json"}
    body = json.dumps({"resourceType": "Patient"})
    assert fhir.post("Patient", content=body, headers=conditional).status_code == 400
    assert fhir.put("Patient?identifier=", content=body, headers=conditional).status_code == 400
    assert fhir.delete("Patient?family=searched&identifier=").status_code == 400


def test_a_version_that_is_not_looked_at_is_said(fhir: httpx.Client, create: Create) -> None:
    patient = create()["id"]
    about = {"status": "final", "code": {"text": "x"}}
    pinned = create("Observation", subject={"reference": f"Patient/{patient}/_history/1"}, **about)["id"]
    found = fhir.get(f"Observation?subject=Patient/{patient}/_history/2").json()
    assert found["entry"][0]["resource"]["id"] == pinned
    issue = found["entry"][-1]["resource"]["issue"][0]
    assert (issue["severity"], "whatever version" in issue["diagnostics"]) == ("warning", True)


def test_a_search_of_everything_in_a_batch(fhir: httpx.Client, create: Create) -> None:
    patient = create()["id"]
    urls = [f"?_type=Patient&_id={patient}", f"?_id={patient}"]
    batch = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "GET", "url": u}} for u in urls],
    }
    headers = {"content-type": "application/fhir+json"}
    for kind in ("batch", "transaction"):
        answer = fhir.post("", content=json.dumps({**batch, "type": kind}), headers=headers).json()
        assert [ids(one["resource"]) for one in answer["entry"]] == [[patient]] * 2


def test_within_a_compartment(fhir: httpx.Client, create: Create) -> None:
    patient = create()["id"]
    about = {"status": "final", "code": {"text": "x"}}
    mine = create("Observation", subject={"reference": f"Patient/{patient}"}, **about)["id"]
    create("Observation", **about)
    assert ids(fhir.get(f"Patient/{patient}/Observation").json()) == [mine]
    assert set(ids(fhir.get(f"Patient/{patient}/*").json())) == {mine, patient}


def test_a_form_within_a_compartment_is_the_same_search(fhir: httpx.Client, create: Create, server: Server) -> None:
    patient, other = create()["id"], create()["id"]
    for who in (patient, patient, other):
        create("Observation", subject={"reference": f"Patient/{who}"}, status="final", code={"text": "x"})
    by_get = fhir.get(f"Patient/{patient}/Observation?status=final&_count=1").json()
    by_form = fhir.post(f"Patient/{patient}/Observation/_search?_count=1", data={"status": "final"}).json()
    assert ids(by_form) == ids(by_get)
    following = link(by_form, "next") or ""
    assert following.startswith(f"{server.base}/Patient/{patient}/Observation?")
    assert ids(fhir.get(following).json()) == ids(fhir.get(link(by_get, "next") or "").json())
    everything = fhir.post(f"Patient/{patient}/*/_search", data={"_type": "Observation,Patient"}).json()
    assert sorted(ids(everything)) == sorted(ids(fhir.get(f"Patient/{patient}/*").json()))
    assert everything["total"] == 3
    with server.client("patient/*.rs", patient=other) as theirs:
        assert ids(theirs.post(f"Patient/{patient}/*/_search", data={"_count": "5"}).json()) == []
    assert fhir.post(f"Organization/{patient}/Observation/_search", data={"_count": "5"}).status_code == 404


def test_everything_of_a_patient(fhir: httpx.Client, create: Create) -> None:
    doctor = create("Practitioner")["id"]
    patient = create("Patient", generalPractitioner=[{"reference": f"Practitioner/{doctor}"}])["id"]
    about = {"status": "final", "code": {"text": "x"}, "subject": {"reference": f"Patient/{patient}"}}
    observations = [create("Observation", **about)["id"] for _ in range(4)]
    path = f"Patient/{patient}/$everything"
    whole = fhir.get(path).json()
    assert ids(whole)[0] == patient
    assert sorted(ids(whole)) == sorted([patient, doctor, *observations])
    url: str | None = path + "?_count=2"
    found: list[str] = []
    while url is not None:
        bundle = fhir.get(url).json()
        found += ids(bundle)
        url = link(bundle, "next")
    assert sorted(found) == sorted(ids(whole))
    assert sorted(ids(fhir.get(path + "?_type=Observation").json())) == sorted(observations)
    posted = {"resourceType": "Parameters", "parameter": [{"name": "_type", "valueCode": "Observation"}]}
    by_post = fhir.post(path, content=json.dumps(posted), headers={"content-type": "application/fhir+json"})
    assert sorted(ids(by_post.json())) == sorted(observations)
    assert fhir.get(path + "?_type=Observatoin").status_code == 400
    assert fhir.get("Patient/never-was/$everything").status_code == 404


@pytest.mark.parametrize(
    "query",
    ["_count=x", "birthdate=soon", "_cursor=abc", "_sort=nothing", "_elements=nothing", "birthdate=%zz", "family=%FF"],
)
def test_bad_search_values_are_400(fhir: httpx.Client, query: str) -> None:
    refused = fhir.get("Patient?" + query)
    assert refused.status_code == 400
    assert diagnostics(refused)


FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_the_pages_of_a_search_by_form_keep_its_values_out_of_urls(
    fhir: httpx.Client, create: Create, server: Server
) -> None:
    made = sorted(create(name=[{"family": "Geheimrat"}])["id"] for _ in range(5))
    answer = fhir.post("Patient/_search", content=b"family=geheimrat&_count=2&_elements=name", headers=FORM)
    bundle = answer.json()
    found, urls = ids(bundle), []
    while url := link(bundle, "next"):
        urls.append(url)
        bundle = fhir.get(url).json()
        assert link(bundle, "self") == url
        found += ids(bundle)
    assert sorted(found) == made
    assert len(urls) == 2
    for url in urls:
        assert re.fullmatch(re.escape(server.base) + r"/Patient\?_elements=name&_cursor=s\.[A-Za-z0-9_-]+(%3D)*", url)
    assert bundle["entry"][0]["resource"].keys() == {"resourceType", "id", "meta", "name"}


def test_a_sealed_search_can_be_neither_changed_nor_used_elsewhere(fhir: httpx.Client, create: Create) -> None:
    for _ in range(2):
        create(name=[{"family": "Versiegelt"}])
    bundle = fhir.post("Patient/_search", content=b"family=versiegelt&_count=1", headers=FORM).json()
    url = link(bundle, "next")
    assert url is not None
    where, _, cursor = url.partition("_cursor=")
    assert fhir.get(url).status_code == 200
    for bad in (
        where + "_cursor=" + cursor[:-6] + "AAAAA" + cursor[-1],
        where + "_cursor=s.",
        where + "_cursor=s.AAAA",
        where + "_cursor=s.%C3%A4",
        url + "&family=other",
        url + "&_cursor=" + cursor,
        url.replace("/Patient?", "/Practitioner?"),
    ):
        refused = fhir.get(bad)
        assert refused.status_code == 400, bad
        assert "_cursor" in diagnostics(refused)


def test_a_search_by_form_too_long_for_a_link_says_so_instead_of_losing_pages(
    fhir: httpx.Client, create: Create
) -> None:
    made = [create()["id"] for _ in range(2)]
    others = [secrets.token_urlsafe(48).replace("_", ".") for _ in range(900)]
    form = f"_id={','.join([*made, *others])}"
    refused = fhir.post("Patient/_search", content=(form + "&_count=1").encode(), headers=FORM)
    assert refused.status_code == 413
    assert "_count" in diagnostics(refused)
    whole = fhir.post("Patient/_search", content=(form + "&_count=2").encode(), headers=FORM)
    assert sorted(ids(whole.json())) == sorted(made)


# --- the language of searches -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ward(create: Create) -> dict[str, str]:
    """Name -> id: two patients of one doctor, each with an Observation, and an order for the first of these."""
    there: dict[str, str] = {"tag": f"ward-{secrets.token_hex(4)}"}
    tagged = {"meta": {"tag": [{"system": "http://journeys", "code": there["tag"]}]}}
    there["doctor"] = create("Practitioner", name=[{"family": "Wardley"}], **tagged)["id"]
    by = {"reference": f"Practitioner/{there['doctor']}"}
    for name, given in (("ann", "Ann"), ("bob", "Bob")):
        who = [{"family": "Wardle", "given": [given]}]
        there[name] = create("Patient", name=who, generalPractitioner=[by], **tagged)["id"]
    for name, value in (("ann", 5.4), ("bob", 7.1)):
        code = {"coding": [{"system": "http://loinc.org", "code": "2823-3", "display": "Potassium"}]}
        there[f"{name}.potassium"] = create(
            "Observation",
            status="final",
            code=code,
            subject={"reference": f"Patient/{there[name]}"},
            performer=[by],
            valueQuantity={"value": value, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
            text={"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">Potassium of {name}</div>'},
            **tagged,
        )["id"]
    return there


def modes(bundle: dict[str, Any]) -> dict[str, str]:
    return {entry["resource"].get("id", ""): entry["search"]["mode"] for entry in bundle.get("entry", ())}


def test_chains_and_has_follow_references(fhir: httpx.Client, ward: dict[str, str]) -> None:
    tag = f"_tag={ward['tag']}"
    ann, potassium = ward["ann"], ward["ann.potassium"]
    for query, expected in (
        (f"Observation?subject:Patient.given=ann&{tag}", [potassium]),
        (f"Observation?subject.given=ann&{tag}", [potassium]),
        (f"Observation?patient.general-practitioner:Practitioner.family=wardley&patient.given=ann&{tag}", [potassium]),
        (f"Patient?_has:Observation:patient:value-quantity=lt6&{tag}", [ann]),
        (
            f"Practitioner?_has:Patient:general-practitioner:_has:Observation:patient:code=2823-3&{tag}",
            [ward["doctor"]],
        ),
        (f"Patient?_filter=given eq Ann and not(birthdate pr true)&{tag}", [ann]),
        (f"Observation?_filter=subject[given eq ann].active pr false and code eq loinc|2823-3&{tag}", [potassium]),
        (f"Observation?code-value-quantity=http://loinc.org|2823-3$gt6&{tag}", [ward["bob.potassium"]]),
        (f"Observation?value-quantity=5400|http://unitsofmeasure.org|umol/L&{tag}", [potassium]),
        (f"Observation?_text=potassium AND NOT bob&{tag}", [potassium]),
        (f"Observation?code:text=potass&subject=Patient/{ann}&{tag}", [potassium]),
    ):
        answer = fhir.get(query)
        assert answer.status_code == 200, answer.text
        assert ids(answer.json()) == expected, query


def test_includes_come_after_matches_and_are_marked(fhir: httpx.Client, ward: dict[str, str]) -> None:
    query = (
        f"Observation?_tag={ward['tag']}&subject.given=ann&_include=Observation:subject&_include=Observation:performer"
    )
    answer = fhir.get(query)
    assert [issue for issue in validate(parse(answer.content)) if issue.severity == "error"] == []
    bundle = answer.json()
    expected = {ward["ann.potassium"]: "match", ward["ann"]: "include", ward["doctor"]: "include"}
    assert modes(bundle) == expected
    assert ids(bundle)[0] == ward["ann.potassium"]
    back = fhir.get(f"Practitioner?_tag={ward['tag']}&_revinclude=Patient:general-practitioner&_elements=active").json()
    assert modes(back) == {ward["doctor"]: "match", ward["ann"]: "include", ward["bob"]: "include"}
    match, *beside = (entry["resource"] for entry in back["entry"])
    assert "name" not in match
    assert all("name" in resource for resource in beside)  # "does not apply to included resources"


def test_each_page_has_its_own_includes(fhir: httpx.Client, ward: dict[str, str]) -> None:
    url: str | None = f"Observation?_tag={ward['tag']}&_include=Observation:subject&_count=1&_sort=value-quantity"
    pages = []
    while url is not None:
        bundle = fhir.get(url).json()
        pages.append(modes(bundle))
        url = link(bundle, "next")
    assert pages == [{ward[f"{name}.potassium"]: "match", ward[name]: "include"} for name in ("ann", "bob")]


def test_sorting_goes_on_over_pages_of_get_and_form(fhir: httpx.Client, people: list[dict[str, Any]]) -> None:
    oldest_last = [person["id"] for person in reversed(people)]
    for first in (
        fhir.get("Patient?family=searched&_sort=-birthdate,_id&_count=2"),
        fhir.post("Patient/_search", content=b"family=searched&_sort=-birthdate,_id&_count=2", headers=FORM),
    ):
        bundle = first.json()
        found = ids(bundle)
        while url := link(bundle, "next"):
            bundle = fhir.get(url).json()
            found += ids(bundle)
        assert found == oldest_last


def test_self_says_what_was_applied(fhir: httpx.Client, server: Server) -> None:
    query = "Patient?family=nobodyhasthisname&_count=5000&_sort=-birthdate&_include=Patient:organization"
    applied = query.replace("5000", "1000")
    assert link(fhir.get(query).json(), "self") == f"{server.base}/{applied}"
    pairs = query + "&_include=Group:member&colour=blue"
    lenient = fhir.get(pairs, headers={"prefer": "handling=lenient"}).json()
    assert link(lenient, "self") == f"{server.base}/{applied}"
    issues = lenient["entry"][-1]["resource"]["issue"]
    assert [(one["severity"], one["code"]) for one in issues] == [("warning", "not-supported")] * 2


def test_a_list_names_what_is_found(fhir: httpx.Client, create: Create, ward: dict[str, str]) -> None:
    entry = [{"item": {"reference": f"Patient/{ward['bob']}"}}]
    listed = create("List", status="current", mode="working", entry=entry)["id"]
    assert ids(fhir.get(f"Patient?_list={listed}").json()) == [ward["bob"]]


def test_a_search_over_types_takes_what_they_share(fhir: httpx.Client, ward: dict[str, str]) -> None:
    bundle = fhir.get(f"?_type=Patient,Practitioner&_tag={ward['tag']}&name=wardle").json()
    assert set(ids(bundle)) == {ward["ann"], ward["bob"], ward["doctor"]}
    assert fhir.get("?name=wardle").status_code == 400


def test_the_statement_lists_what_searches_take(fhir: httpx.Client) -> None:
    rest = fhir.get("metadata").json()["rest"][0]
    patient = next(one for one in rest["resource"] if one["type"] == "Patient")
    name = next(one for one in patient["searchParam"] if one["name"] == "name")
    assert name == {
        "name": "name",
        "definition": "http://hl7.org/fhir/SearchParameter/Patient-name",
        "type": "string",
        "documentation": "Modifiers: :exact, :contains, :missing.",
    }
    assert {"*", "Patient:*", "Patient:organization"} <= set(patient["searchInclude"])
    assert {"*", "Observation:patient", "Provenance:target"} <= set(patient["searchRevInclude"])
    names = {"_filter", "_text", "_content", "_list", "_has", "_contained", "_containedType"}
    names |= {"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"}
    assert names == {one["name"] for one in rest["searchParam"]}
