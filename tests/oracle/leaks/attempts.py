"""What somebody tries who wants to know what they may not see: every way there is, spelled out.

Random cases seldom take these ways, and take them with little in their hands. Here two worlds differ only in what a
token may not see, and the token asks both the same: not one word of any answer may differ.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.oracle.leaks.requests import Request
from tests.oracle.leaks.rights import Context
from tests.oracle.leaks.session import follow
from tests.oracle.leaks.tokens import Token
from tests.oracle.leaks.world import Body, Step

_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
_JSON_PATCH = (("Content-Type", "application/json-patch+json"),)
Steps = list[Step]


@dataclass(frozen=True)
class Attempt:
    """Who tries what in which two worlds. `hidden`: ids of Observations; of the last there is none in one world."""

    name: str
    token: Token
    worlds: tuple[Steps, Steps]
    hidden: tuple[str, ...]
    own: str

    def requests(self) -> Iterator[Request]:
        """In this order, since some of them change what they may."""
        yield from _reads(self)
        yield from _searches(self)
        yield from _queries(self)
        yield from _writes(self)
        yield from _bundles(self)


def _put(type: str, id: str, **said: Any) -> Step:
    return Step("PUT", type, id, {"resourceType": type, "id": id, **said})


def _to(name: str) -> Body:
    return {"reference": name}


def _words(text: str) -> Body:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'}


def _observation(id: str, patient: str, status: str = "final", category: str = "laboratory", **said: Any) -> Step:
    body = {
        "status": status,
        "category": [{"coding": [{"system": _CATEGORIES, "code": category}]}],
        "code": {"text": "x"},
        "subject": _to(f"Patient/{patient}"),
    }
    return _put("Observation", id, **body, **said)


def _identified(value: str) -> list[Body]:
    return [{"system": "urn:leak", "value": value}]


def _shared() -> Steps:
    """What both worlds hold, seen or not."""
    return [
        _put("Practitioner", "dr", active=True, identifier=_identified("v3")),
        _put("Organization", "house", name="House"),
        _put("ValueSet", "vs", status="active", url="http://example.org/vs"),
        _put("Patient", "p1", active=True, identifier=_identified("v1")),
    ]


def _mine() -> Steps:
    return [
        _put("Encounter", "e1", status="planned", subject=_to("Patient/p1"), **{"class": {"code": "AMB"}}),
        _observation(
            "a1", "p1", identifier=_identified("v1"), hasMember=[_to("Observation/h1")], encounter=_to("Encounter/e2")
        ),
        _observation("a2", "p1", identifier=_identified("v2"), performer=[_to("Practitioner/dr")]),
        _observation("a3", "p1", hasMember=[_to("Observation/a2"), _to("Observation/h2")]),
        _observation("a4", "p1", encounter=_to("Encounter/e1")),
        _list("l1", "p1", "a1", "h1"),
        _put("DocumentReference", "d1", status="current", subject=_to("Patient/p1"), content=[{"attachment": {}}]),
        _put("Binary", "b1", contentType="text/plain", data="YQ==", securityContext=_to("DocumentReference/d1")),
    ]


def _list(id: str, patient: str, *entries: str) -> Step:
    items = [{"item": _to(f"Observation/{one}")} for one in entries]
    return _put("List", id, status="current", mode="working", subject=_to(f"Patient/{patient}"), entry=items)


def _others(side: int) -> Steps:
    """The record of another, which says other things in each world, and in one of them more."""
    value, status = (("v1", "final"), ("v9", "amended"))[side]
    doctor = "Practitioner/dr" if side else "Practitioner/none"
    steps = [
        _put("Patient", "p2", active=bool(side), identifier=_identified(value), gender=("male", "female")[side]),
        _put("Encounter", "e2", status="planned", subject=_to("Patient/p2"), **{"class": {"code": "AMB"}}),
        _observation("h1", "p2", status=status, identifier=_identified(value), text=_words(f"secret {value}")),
        _observation("h2", "p2", status=status, valueString=value, performer=[_to(doctor)]),
        _put("Binary", "b2", contentType="text/plain", data=("Yg==", "Yw==")[side], securityContext=_to("Patient/p2")),
        _put("DocumentReference", "d2", status="current", subject=_to("Patient/p2"), content=[{"attachment": {}}]),
        _put("Condition", "c1", subject=_to("Patient/p2"), asserter=_to(doctor)),
    ]
    if side:
        more = [_observation(f"m{n}", "p2", identifier=_identified("v2")) for n in range(12)]
        steps += [*more, _observation("h3", "p2", hasMember=[_to("Observation/a1"), _to("Observation/a2")])]
        steps += [Step("DELETE", "DocumentReference", "d2", None), steps[2], steps[3]]
        steps.append(_list("l2", "p2", "a1"))
        said: Body = {"recorded": "2026-01-01T00:00:00Z", "agent": [{"who": _to("Practitioner/dr")}]}
        steps.append(_put("Provenance", "pr", target=[_to("Observation/a1")], **said))
    return steps


def _vital(side: int) -> Steps:
    """What a scope for laboratory values leaves out, of the same patients."""
    value, status = (("v1", "final"), ("v9", "amended"))[side]
    signs = "vital-signs"
    steps = [
        _observation("h1", "p1", status=status, category=signs, identifier=_identified(value)),
        _observation("h2", "p1", status=status, category=signs, valueString=value),
        # In one world it has been what may be seen never, in the other twice not.
        _observation("h2", "p1", status=status, category=signs, valueString="again"),
    ]
    if side:
        steps += [_observation(f"m{n}", "p1", category=signs, identifier=_identified("v2")) for n in range(12)]
        steps.append(_observation("h3", "p1", category=signs, hasMember=[_to("Observation/a1")]))
    return steps


def _unread(side: int) -> Steps:
    """What one may change and not read: another content, as many versions."""
    value, status, doctor = (("v1", "final", "dr"), ("v9", "amended", "other"))[side]
    more: Body = {"note": [{"text": "x"}]} if side else {}
    return [
        _put("Practitioner", "other"),
        _observation(
            "h1",
            "p1",
            status=status,
            identifier=_identified(value),
            valueString=value,
            performer=[_to(f"Practitioner/{doctor}")],
        ),
        _observation("h2", "p1", status=status, valueString=value, **more),
        _observation("r1", "p1", performer=[_to(f"Practitioner/{doctor}")]),
    ]


def _sides(hidden: Callable[[int], Steps], mine: Steps | None = None) -> tuple[Steps, Steps]:
    """What is hidden comes first: what is referred to before it is there would be in another place."""
    seen = _mine() if mine is None else mine
    return [*_shared(), *hidden(0), *seen], [*_shared(), *hidden(1), *seen]


_LABORATORY = f"category={_CATEGORIES}|laboratory"

ATTEMPTS = (
    Attempt(
        "a patient's app", Token("patient/*.cruds", None, Context("p1")), _sides(_others), ("h1", "h2", "h3"), "a1"
    ),
    Attempt(
        "a patient's app with roles",
        Token("patient/*.cruds openid", ("patient",), Context("p1", ("p1",), ("Patient", "p1"))),
        _sides(_others),
        ("h1", "h2", "h3"),
        "a1",
    ),
    Attempt(
        "laboratory values alone",
        Token(f"user/Observation.cruds?{_LABORATORY} user/Patient.rs user/Encounter.rs user/List.rs", None, Context()),
        _sides(_vital),
        ("h1", "h2", "h3"),
        "a1",
    ),
    Attempt(
        "a practitioner's app for laboratory values",
        Token(
            f"user/Observation.cruds?{_LABORATORY} user/Patient.rs user/List.rs user/AuditEvent.rs",
            ("practitioner",),
            Context("p1", (), ("Practitioner", "dr")),
        ),
        _sides(_vital),
        ("h1", "h2", "h3"),
        "a1",
    ),
    Attempt(
        "one who changes and does not read",
        Token("patient/Observation.u", None, Context("p1")),
        _sides(_unread, []),
        ("h1", "h2"),
        "h1",
    ),
    Attempt(
        "one who writes all and reads nothing",
        Token("user/Observation.cud", None, Context()),
        _sides(_unread, []),
        ("h1", "h2"),
        "h2",
    ),
    Attempt(
        "one who searches nothing",
        Token("patient/Observation.ud patient/Patient.r", None, Context("p1")),
        _sides(_unread, []),
        ("h1", "h2"),
        "h1",
    ),
    Attempt("no patient in context", Token("patient/*.cruds", None, Context()), _sides(_others), ("h1", "h3"), "a1"),
)


# --- reading ----------------------------------------------------------------------------------------------------------

_CONDITIONS = (
    (),
    (("If-None-Match", 'W/"1"'),),
    (("If-None-Match", 'W/"2", W/"3"'),),
    (("If-None-Match", "*"),),
    (("If-Modified-Since", "Wed, 01 Jan 2020 00:00:00 GMT"),),
    (("If-Modified-Since", "Thu, 01 Jan 2099 00:00:00 GMT"),),
    (("Prefer", "return=representation"),),
)
_EVER = ("_since=2020-01-01", "_since=2099-01-01", "_at=2099-01-01", "_at=2020-01-01", "_count=1", "_count=0")


def _get(url: str, headers: tuple[tuple[str, str], ...] = (), method: str = "GET") -> Request:
    asked = follow("/" + url)
    return Request(method, asked.path, asked.query, headers)


def _reads(attempt: Attempt) -> Iterator[Request]:
    names = [f"Observation/{id}" for id in (*attempt.hidden, "nobody")]
    names += ["Patient/p2", "Binary/b2", "DocumentReference/d2", "List/l2", "Condition/c1", "AuditEvent/none"]
    for name in names:
        for headers in _CONDITIONS:
            yield _get(name, headers)
            yield _get(name, headers, "HEAD")
        for shape in ("_elements=status", "_summary=true", "_summary=text", "_format=json", "_pretty=true"):
            yield _get(f"{name}?{shape}")
        for version in (1, 2, 3):
            yield _get(f"{name}/_history/{version}")
        yield _get(f"{name}/_history")
        yield from (_get(f"{name}/_history?{when}") for when in _EVER)
        yield _get(f"{name}/$graphql?query={{id}}")
        yield _get(f"{name}/$meta")
        yield _get(f"{name}/_history/1/$meta")
        yield _get(f"{name}/$diff")
        yield _get(f"{name}/$diff?fromVersion=1&toVersion=2&includeMeta=true")
        yield _get(f"$diff?from={name}&to=Observation/a1")
    for where in ("", "Observation/", "Patient/", "Binary/", "DocumentReference/"):
        yield from (_get(f"{where}_history?{when}") for when in ("_count=200", *_EVER))
    for patient in ("p1", "p2", "nobody"):
        record = f"Patient/{patient}/$everything"
        yield _get(record)
        for how in ("_since=2020-01-01", "_since=2099-01-01", "start=2000-01-01", "_count=1", "_type=Observation,List"):
            yield _get(f"{record}?{how}")
        yield _get(f"Observation/$lastn?patient={patient}&max=3")
        yield _get(f"Observation/$lastn?subject=Patient/{patient}&code:text=x&_summary=count")
        for inside in ("Observation", "*", "Encounter", "List"):
            yield _get(f"Patient/{patient}/{inside}?_total=accurate")
    yield _get("Patient/$everything")
    yield _get("Patient/$everything?_count=2")
    yield _get("Encounter/e2/Observation")
    yield _get("Encounter/e2/$everything")
    for where in ("", "Observation/", "Patient/", "List/"):
        yield _get(f"{where}$meta")
    yield _get("Practitioner/dr/Observation?_summary=count")
    yield _get("AuditEvent?_total=accurate")


_SEARCHES = """
_total=accurate
_total=estimate
_total=estimate&_count=1
_summary=count
_count=0
_count=1
_count=2&_sort=status
_sort=identifier,-status
_sort=-_lastUpdated
_sort=-_id&_count=1
_sort=code,value-string
_id=a1,h1,h2,h3
_id:not=h1
_id=h3&_summary=count
identifier=v1
identifier=v1,v2,v9
identifier=urn:leak|v9
identifier:not=v9
status=amended
status:not=amended&_total=accurate
status=amended&_summary=count
value-string=v9
value-string:contains=v
_lastUpdated=gt2020-01-01
_lastUpdated=lt2020-01-01
_text=secret
_content=secret
_content=v9&_sort=-_score
category=vital-signs
category:not=laboratory
_filter=status eq "amended"
_filter=identifier eq "v1" or status eq "amended"
_filter=not (status eq "amended")
_filter=subject.identifier eq "v9"
_filter=has-member.status eq "amended"
subject=Patient/p2
patient=p2
subject:Patient.identifier=v9
patient.identifier=v1
patient.gender=female
patient.active=true
encounter=Encounter/e2
encounter.status=planned
encounter.subject:Patient.identifier=v9
encounter:Encounter.patient.gender=female
has-member=Observation/h1
has-member=Observation/h3
has-member:missing=false
has-member.status=amended
has-member:Observation.status=final
has-member.identifier=v1
has-member.identifier:not=v1
has-member.has-member.status=final
performer=Practitioner/dr
performer.identifier=v3
performer:Practitioner.active=true
_has:Observation:has-member:status=final
_has:Observation:has-member:_id=h3
_has:Observation:has-member:_id:not=h3
_has:Observation:has-member:identifier=v1
_has:Observation:has-member:patient.gender=female
_has:Provenance:target:_id:not=x
_has:List:item:_id=l2
_has:List:item:status=current
_list=l1
_list=l2
_list=nobody
_include=Observation:has-member
_include=Observation:encounter&_include:iterate=Encounter:subject
_include:iterate=Observation:has-member
_include=*
_include=Observation:subject&_include=Observation:performer
_revinclude=Observation:has-member
_revinclude:iterate=Observation:has-member
_revinclude=Provenance:target
_revinclude=List:item
_revinclude=*
_contained=true
_contained=both
_contained=both&_containedType=contained
_elements=status&_include=Observation:has-member
_tag=x
_security:not=R
code:in=http://example.org/vs
code:in=http://example.org/none
code:in=ValueSet/vs
nonsense=1
""".strip().splitlines()

_ELSEWHERE = (
    "Patient?_total=accurate",
    "Patient?identifier=v9",
    "Patient?_has:Observation:patient:status=amended",
    "Patient?_has:Observation:patient:identifier=v1&_summary=count",
    "Patient?_has:Observation:patient:_has:List:item:_id=l2",
    "Patient?_sort=gender,-identifier",
    "Patient?_revinclude=Observation:subject&_count=1",
    "Practitioner?_id=dr&_revinclude=Condition:asserter",
    "Practitioner?_id=dr&_has:Condition:asserter:_id:not=x",
    "Practitioner?_id=dr,other",
    "Practitioner?_total=accurate",
    "Encounter?_has:Observation:encounter:status=final",
    "Encounter?_id=e2",
    "Binary?_id=b2",
    "Binary?_total=accurate",
    "DocumentReference?_total=accurate",
    "List?item=Observation/a1",
    "List?item.status=amended",
    "List?_include=List:item",
    "Provenance?target=Observation/a1",
    "ValueSet?url=http://example.org/vs",
    "ValueSet?_total=accurate",
    "?_type=Observation,Patient&_total=accurate",
    "?_type=Patient,List&_lastUpdated=gt2020-01-01",
    "?_summary=count",
    "?_id=h1",
)


def _searches(attempt: Attempt) -> Iterator[Request]:
    for text in _SEARCHES:
        asked = follow(f"/Observation?{text}")
        yield asked
        yield Request("POST", "Observation/_search", form=asked.query)
    yield from map(_get, _ELSEWHERE)
    for text in ("status=amended", "has-member.status=final", "_has:Observation:has-member:status=final"):
        yield _get(f"Observation?{text}", (("Prefer", "explain"),))
        yield _get(f"Observation?{text}&unknown=1", (("Prefer", "handling=lenient"),))


_QUERIES = """
{ ObservationList { id status identifier { value } } }
{ ObservationList(status: "amended") { id } }
{ ObservationList(identifier: "v1") { id } }
{ ObservationList(_filter: "status eq \\"amended\\"") { id } }
{ ObservationConnection(_count: 1) { count pagesize offset next last edges { resource { id } } } }
{ ObservationConnection(_sort: "status", _count: 2) { count edges { resource { id } } } }
{ ObservationConnection(identifier: "v9") { count } }
{ Observation(id: "h1") { id status } }
{ Observation(id: "h3") { id status } }
{ PatientList { id ObservationList(_reference: patient) { id status } } }
{ PatientList { id ObservationConnection(_reference: patient) { count } } }
{ Patient(id: "p2") { id gender } }
{ Patient(id: "p1") { ObservationList(_reference: patient, status: "amended") { id } } }
{ ObservationList { id hasMember { reference resource(optional: true) { ... on Observation { id status } } } } }
{ ObservationList { id encounter { resource(optional: true) { id status } } } }
{ ObservationList { id subject { resource(optional: true) { ... on Patient { id gender } } } } }
{ ObservationList { id performer { resource(optional: true) { ... on Practitioner { id } } } } }
{ Observation(id: "a1") { hasMember { resource { ... on Observation { id } } } } }
{ Observation(id: "a1") { ObservationList(_reference: has_member) { id } ProvenanceList(_reference: target) { id } } }
{ Observation(id: "a1") { ListList(_reference: item) { id } } }
{ Encounter(id: "e2") { id } }
{ BinaryList { id } }
{ AuditEventList { id } }
{ Practitioner(id: "dr") { id ConditionList(_reference: asserter) { id } } }
""".strip().splitlines()


def _queries(attempt: Attempt) -> Iterator[Request]:
    for text in _QUERIES:
        yield Request("GET", "$graphql", (("query", text),))
        yield Request("POST", "$graphql", body={"query": text}, headers=(("Content-Type", "application/json"),))


# --- writing ----------------------------------------------------------------------------------------------------------


def _new(id: str | None = None, **said: Any) -> Body:
    step = _observation(id or "", "p1", **said)
    assert step.body is not None
    return {name: value for name, value in step.body.items() if value}


_PREFER = ((), *(((("Prefer", f"return={how}"),)) for how in ("minimal", "representation", "OperationOutcome")))
_CRITERIA = (
    "identifier=v1",
    "identifier=v9",
    "identifier=v1,v9",
    "status=amended",
    "_id=h1",
    "_id=h3",
    "_id=h1,h2,h3",
    "patient.gender=female",
    "encounter.subject:Patient.identifier=v9",
    "has-member.status=amended&identifier=v1",
    "_has:Observation:has-member:status=final",
    "_has:Observation:has-member:_id=h3",
    "identifier=v1&_lastUpdated=gt2020-01-01",
    "_content=v9",
    "value-string=v9",
)


def _patches(id: str) -> Iterator[list[Body]]:
    """JSON Patches that say whether something is so."""
    for path, value in (
        ("/status", "amended"),
        ("/status", "final"),
        ("/valueString", "v1"),
        ("/valueString", "v9"),
        ("/identifier/0/value", "v9"),
        ("/note/0/text", "x"),
        ("/meta/versionId", "1"),
        ("/id", id),
    ):
        yield [{"op": "test", "path": path, "value": value}]
        yield [{"op": "test", "path": path, "value": value}, {"op": "add", "path": "/language", "value": "en"}]
    yield [{"op": "remove", "path": "/note"}]
    yield [{"op": "replace", "path": "/note/0/text", "value": "y"}]
    yield [{"op": "copy", "from": "/valueString", "path": "/code/text"}]
    yield [{"op": "move", "from": "/note", "path": "/note"}]
    yield [{"op": "add", "path": "/identifier/1", "value": {"value": "z"}}]


def _fhirpath(kind: str, path: str) -> Body:
    """A FHIRPath Patch of one operation. https://hl7.org/fhir/R4/fhirpatch.html"""
    parts = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    if kind == "replace":
        parts.append({"name": "value", "valueCode": "registered"})
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


_FHIRPATHS = (
    _fhirpath("delete", "Observation.note"),
    _fhirpath("replace", "Observation.where(status = 'amended').status"),
    _fhirpath("replace", "Observation.where(value = 'v9').status"),
    _fhirpath("delete", "Observation.identifier.where(value = 'v9')"),
)


def _writes(attempt: Attempt) -> Iterator[Request]:
    # First whether something refers somewhere, as it would be known where references must lead to what is there.
    for doctor in ("other", "dr", "none"):
        yield Request("PUT", "Observation/r1", body=_new("r1", performer=[_to(f"Practitioner/{doctor}")]))
    # Then what changes nothing where it should not, then what may.
    for id in (*attempt.hidden, "nobody"):
        at = f"Observation/{id}"
        for patch in _patches(id):
            yield Request("PATCH", at, headers=_JSON_PATCH, body=patch)
            yield Request("PATCH", at, headers=(*_JSON_PATCH, ("If-Match", 'W/"1"')), body=patch)
        for parameters in _FHIRPATHS:
            yield Request("PATCH", at, headers=(("Prefer", "return=representation"),), body=parameters)
        for match in ("*", 'W/"2"', 'W/"9"', 'W/"1", W/"7"'):
            if id != attempt.own or match == 'W/"9"':
                yield Request("DELETE", at, headers=(("If-Match", match),))
            yield Request("PUT", at, headers=(("If-Match", match),), body=_new(id, category="vital-signs"))
        yield Request("PUT", at, headers=(("If-None-Match", "*"),), body=_new(id, category="vital-signs"))
        for said in ({"status": "final"}, {"status": "amended"}, {"valueString": "v1"}, {"valueString": "v9"}):
            for headers in _PREFER:
                yield Request("PUT", at, headers=headers, body=_new(id, **said))
        for whose in ("p2", "nobody"):
            body = _observation(id, whose).body
            yield Request("PUT", at, body=body)
    for text in _CRITERIA:
        for headers in _PREFER:
            new = _new(identifier=_identified("n"))
            yield Request("POST", "Observation", headers=(("If-None-Exist", text), *headers), body=new)
        query = follow(f"/Observation?{text}").query
        for said in ({}, {"id": "h1"}, {"id": "h3"}, {"id": "nobody"}):
            yield Request("PUT", "Observation", query, body=_new(**said, identifier=_identified("n")))
        yield Request("PUT", "Observation", query, (("If-None-Match", "*"),), _new())
        yield Request("PUT", "Observation", query, (("If-Match", 'W/"1"'),), _new())
        for patch in ([{"op": "test", "path": "/status", "value": "amended"}], []):
            yield Request("PATCH", "Observation", query, _JSON_PATCH, patch)
    for reference in ("Observation/h1", "Observation/h3", "Observation/nobody", "Encounter/e2", "Practitioner/other"):
        element = "encounter" if reference.startswith("Enc") else "performer" if "Pra" in reference else "hasMember"
        value: Any = _to(reference) if element == "encounter" else [_to(reference)]
        body = _new(**{element: value})
        yield Request("POST", "Observation", headers=(("Prefer", "return=minimal"),), body=body)
        yield Request("PUT", f"Observation/{attempt.own}", body=body | {"id": attempt.own})
        yield Request("PUT", f"Observation/{attempt.own}", body=body | {"id": attempt.own})
    for id in ("b2", "nobody"):
        for context in ("Patient/p2", "Patient/p1", "DocumentReference/d1", "DocumentReference/d2", "Binary/b1"):
            body = {"resourceType": "Binary", "id": id, "contentType": "text/plain", "securityContext": _to(context)}
            yield Request("PUT", f"Binary/{id}", headers=(("Prefer", "return=representation"),), body=body)
            yield Request("POST", "Binary", body=body)


def _bundles(attempt: Attempt) -> Iterator[Request]:
    def entry(method: str, url: str, body: Body | None = None, **conditions: str) -> Body:
        found: Body = {"request": {"method": method, "url": url, **conditions}}
        return found | ({"resource": body} if body else {})

    def refers(text: str) -> Body:
        return _new(hasMember=[_to(text)])

    hidden = attempt.hidden[-1]
    plain = entry("POST", "Observation", _new())
    some = [
        *([entry("GET", f"Observation/{id}")] for id in attempt.hidden),
        *([entry("GET", f"Observation/{id}/_history")] for id in attempt.hidden),
        [entry("GET", "Observation?_summary=count"), entry("HEAD", f"Observation/{hidden}")],
        [entry("GET", "Patient/p2/$everything"), entry("GET", "Observation?has-member.status=amended")],
        *([plain, entry("GET", f"Observation/{id}", ifNoneMatch='W/"1"')] for id in attempt.hidden),
        [plain, entry("GET", "Observation?identifier=v9&_total=accurate")],
        [plain, entry("DELETE", "Observation?identifier=v9")],
        [plain, entry("DELETE", "Observation?value-string=v9&_multiple=true")],
        [plain, entry("PUT", "Observation?identifier=v9", _new())],
        [plain, entry("POST", "Observation", _new(), ifNoneExist="identifier=v9")],
        [plain, entry("DELETE", "Condition/c1"), entry("DELETE", "DocumentReference/d2")],
        *([plain, entry("PUT", f"Observation/{id}", _new(id), ifMatch='W/"7"')] for id in attempt.hidden),
        [entry("POST", "Observation", refers("Observation?identifier=v9"))],
        [entry("POST", "Observation", refers("Observation?value-string=v9"))],
        [entry("POST", "Observation", refers("Observation?_id=h3"))],
        [entry("POST", "Observation", _new(encounter=_to("Encounter?patient.gender=female")))],
        [entry("POST", "Observation", _new(performer=[_to("Patient?identifier=v9")]))],
        [entry("PATCH", f"Observation/{hidden}", _binary([{"op": "test", "path": "/status", "value": "amended"}]))],
        [plain, entry("PATCH", "Observation/h1", _fhirpath("delete", "Observation.note"))],
    ]
    for entries in some:
        for kind in ("batch", "transaction"):
            yield Request("POST", "", body={"resourceType": "Bundle", "type": kind, "entry": entries})


def _binary(patch: list[Body]) -> Body:
    data = base64.b64encode(json.dumps(patch).encode()).decode()
    return {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}
