"""What an operation is given: by URL, Parameters, form, or as the one resource that it is about."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from hilum.access.policy import EVERYTHING, Principal
from hilum.fhir import json
from hilum.problems import Invalid, Malformed, NotSupported, Problem, UnsupportedMediaType
from hilum.rest.message import Request
from hilum.rest.operations.calling import calling, routes
from hilum.rest.operations.inputs import Inputs, read
from hilum.rest.operations.operation import Operation, Parameter
from hilum.rest.operations.outputs import Returned, parts, resource, respond, value
from hilum.web import uri

WHO = Principal("owner", "test", "", EVERYTHING, 1 << 62)
FHIR, FORM = b"application/fhir+json", b"application/x-www-form-urlencoded"


async def run(*_: Any) -> Returned:
    return Returned(())


def operation(*parameters: Parameter, **more: Any) -> Operation:
    return Operation("try", "Patient-try", "Try.", "Try.", ("instance",), run=run, parameters=parameters, **more)


ALL = operation(
    Parameter("flag", "boolean", "x"),
    Parameter("many", "integer", "x", max="*"),
    Parameter("least", "positiveInt", "x"),
    Parameter("exact", "decimal", "x"),
    Parameter("code", "code", "x"),
    Parameter("when", "date", "x"),
    Parameter("coding", "Coding", "x"),
    Parameter("any", "Element", "x"),
    Parameter("resource", "Resource", "x"),
    Parameter("part", "", "x", max="*", parts=(Parameter("a", "string", "x", 1), Parameter("b", "Coding", "x"))),
)


def asked(query: str = "", method: str = "GET", body: Any = None, **more: Any) -> Request:
    """As the router leaves it."""
    headers = {b"content-type": FHIR} if body is not None else {}
    request = Request(method, ("Patient", "a", "$try"), query, headers, b"", WHO, uri.pairs(query), **more)
    if body is not None:
        request.body = json.encode(body)
    return request


def posted(*listed: dict[str, Any]) -> Request:
    return asked(method="POST", body={"resourceType": "Parameters", "parameter": list(listed)})


async def test_simple_values_have_their_types_from_a_url_a_form_and_parameters() -> None:
    pairs = [("flag", "true"), ("many", "1"), ("many", "-2"), ("exact", "1.10"), ("code", "a b"), ("when", "2026-01")]
    query = urlencode(pairs)
    form = asked(method="POST")
    form.headers, form.body = {b"content-type": FORM}, query.encode()
    named = [("flag", "valueBoolean", True), ("many", "valueInteger", 1), ("many", "valueInteger", -2),
             ("exact", "valueDecimal", Decimal("1.10")), ("code", "valueCode", "a b"),
             ("when", "valueDate", "2026-01")]  # fmt: skip
    found = [await read(ALL, request) for request in (
        asked(query), form, posted(*({"name": name, spelled: given} for name, spelled, given in named)),
    )]  # fmt: skip
    for inputs in found:
        assert (inputs.flag("flag"), inputs.each("many"), inputs.text("code")) == (True, (1, -2), "a b")
        assert str(inputs.value("exact")) == "1.10"
        assert (inputs.text("when"), inputs.number("least"), inputs.body("coding")) == ("2026-01", None, None)
        assert inputs.asked == tuple(pairs)
    assert found[2].place("many", 1) == "Parameters.parameter[2]"
    assert form.asked == query.replace("+", "%20")


async def test_other_values_are_as_their_json() -> None:
    patient = {"resourceType": "Patient", "gender": "wrong"}  # whoever asked for it judges it
    coding = {"system": "urn:x", "code": "y"}
    inputs = await read(ALL, posted(
        {"name": "coding", "valueCoding": coding},
        {"name": "any", "valueQuantity": {"value": Decimal("1.0")}},
        {"name": "resource", "resource": patient},
        {"name": "part", "part": [{"name": "a", "valueString": "1"}, {"name": "b", "valueCoding": coding}]},
        {"name": "part", "part": [{"name": "a", "valueString": "2"}]},
    ))  # fmt: skip
    assert inputs.body("coding") == coding
    assert inputs.value("any") == {"valueQuantity": {"value": Decimal("1.0")}}
    assert inputs.body("resource") == patient
    assert [(part.text("a"), part.body("b")) for part in inputs.parts("part")] == [("1", coding), ("2", None)]
    assert inputs.parts("part")[0].place("b") == "Parameters.parameter[3].part[1]"


async def test_the_one_resource_may_be_the_body_with_the_rest_in_the_url() -> None:
    patient = {"resourceType": "Patient"}
    inputs = await read(ALL, asked("flag=true", "POST", patient))
    assert (inputs.body("resource"), inputs.flag("flag")) == (patient, True)
    entry = await read(ALL, asked("", "POST", resource=patient))  # an entry of a batch
    assert entry.body("resource") == patient
    two = operation(Parameter("a", "Resource", "x"), Parameter("b", "Patient", "x"))
    for one in (two, operation(Parameter("a", "code", "x"))):
        with pytest.raises(Malformed, match="Parameters resource"):
            await read(one, asked("", "POST", patient))
    with pytest.raises(Malformed, match="a must be a Group"):
        await read(operation(Parameter("a", "Group", "x")), asked("", "POST", patient))


def name_value(name: str, **value: Any) -> dict[str, Any]:
    return {"name": name, **value}


@pytest.mark.parametrize(
    ("part", "said", "place"),
    [
        (name_value("flag", valueString="yes"), "flag must be true or false.", ""),
        (name_value("least", valueInteger=0), "least must be a whole number, 1 or more.", ""),
        (name_value("many", valueDecimal=Decimal("1.5")), "many must be a whole number.", ""),
        (name_value("when", valueString="soon"), "when must be a date", ""),
        (name_value("coding", valueString="x"), "coding must be a Coding: valueCoding.", ""),
        (name_value("resource", valueString="x"), "resource must be a resource.", ""),
        (name_value("other", valueString="x"), "'other' is not known to $try", ".name"),
        (name_value("part", part=[name_value("c", valueString="x")]), "no part of this name", ".part[0].name"),
        (name_value("part", part=[name_value("b", valueCoding={"code": "x"})]), "a is missing", ""),
        (name_value("code", resource={"resourceType": "Patient"}), "one value of a primitive type", ""),
        (name_value("any"), "A parameter must have one and only one of (value, resource, part)", ""),
    ],
)
async def test_what_does_not_fit_is_said_with_its_place(part: dict[str, Any], said: str, place: str) -> None:
    with pytest.raises(Problem) as caught:
        await read(ALL, posted(name_value("flag", valueBoolean=True), part))
    issue = caught.value.issues[0]
    assert (said in issue.diagnostics, issue.expression) == (True, f"Parameters.parameter[1]{place}"), issue


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Parameters", "parameter": {}},
        {"resourceType": "Parameters", "parameter": [{"valueString": "x"}]},
        {"resourceType": "Parameters", "parameter": ["x"]},
        {"resourceType": "Parameters", "parameter": [{"name": "code", "valueCode": 7}]},
        {"resourceType": "Parameters", "parameter": [{"name": "coding", "valueCoding": {"colour": "x"}}]},
        {"resourceType": "Parameters", "more": 1},
    ],
)
async def test_parameters_that_are_not_sound_are_refused_by_element(body: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        await read(ALL, asked("", "POST", body))
    assert (caught.value.issues[0].expression or "").startswith("Parameters")


async def test_how_often_is_counted_over_url_and_body() -> None:
    needed = operation(Parameter("a", "code", "What it is about.", 1), Parameter("b", "code", "x", max="2"))
    with pytest.raises(Malformed, match="a is missing: What it is about"):
        await read(needed, asked())
    with pytest.raises(Malformed, match="a may be given once"):
        await read(needed, asked("a=1&a=1"))
    again = posted({"name": "a", "valueCode": "x"}, {"name": "b", "valueCode": "x"}, {"name": "b", "valueCode": "x"})
    again.parameters = [("b", "y")]
    with pytest.raises(Malformed, match="b may be given 2 times") as caught:
        await read(needed, again)
    assert caught.value.issues[0].expression == "Parameters.parameter[2]"


async def test_what_is_unknown_is_passed_over_only_by_who_asks_for_it() -> None:
    lenient = posted({"name": "other", "valueString": "x"}, {"name": "flag", "valueBoolean": True})
    lenient.headers = {**lenient.headers, b"prefer": b"handling=lenient"}
    assert (await read(ALL, lenient)).values == {"flag": (True,)}
    with pytest.raises(Malformed, match="'coding' is not known"):  # of no simple type: not in a URL
        await read(ALL, asked("coding=x"))


async def test_search_parameters_stand_beside_those_that_are_declared() -> None:
    searching = operation(Parameter("max", "positiveInt", "x"), searches=True)
    inputs = await read(searching, asked("max=2&code:in=urn:x&patient=a"))
    assert (inputs.number("max"), inputs.beside) == (2, (("code:in", "urn:x"), ("patient", "a")))
    by_post = posted({"name": "code:in", "valueUri": "urn:x"}, {"name": "max", "valuePositiveInt": 2})
    assert (await read(searching, by_post)).beside == (("code:in", "urn:x"),)


async def test_a_body_of_another_type_is_not_read() -> None:
    request = asked("", "POST", {"resourceType": "Parameters"})
    request.headers = {b"content-type": b"text/csv"}
    with pytest.raises(UnsupportedMediaType):
        await read(ALL, request)


# --- routes and answers -----------------------------------------------------------------------------------------------


def test_what_changes_something_or_needs_more_than_simple_values_is_by_post_only() -> None:
    def methods(one: Operation) -> list[str]:
        return [route.method for route in routes((one,))]

    assert methods(ALL) == ["GET", "POST"]
    assert routes((ALL,))[0].takes == {"flag", "many", "least", "exact", "code", "when"}
    assert methods(operation(affects_state=True)) == ["POST"]
    assert methods(operation(Parameter("a", "Coding", "x", 1))) == ["POST"]
    everywhere = Operation("x", "x", "x", "x", ("system", "type", "instance", "version"), run=run, affects_state=True)
    assert [route.pattern for route in routes((everywhere,))] == [
        "$x", "[type]/$x", "[type]/[id]/$x", "[type]/[id]/_history/[vid]/$x",
    ]  # fmt: skip


async def test_a_reserved_name_answers_that_it_is_not_supported() -> None:
    reserved = Operation("x", "x", "x", "x", ("system",), reserved="it comes later.")
    with pytest.raises(NotSupported, match=r"\$x is not supported: it comes later."):
        await calling(reserved)(None, asked())  # type: ignore[arg-type]


def test_a_resource_that_is_all_there_is_stands_alone() -> None:
    bare = operation(Parameter("return", "Bundle", "x", 1, use="out"))
    bundle = {"resourceType": "Bundle", "type": "searchset"}
    answer = respond(bare, asked(), Returned((resource("return", bundle),)))
    assert json.parse(answer.body) == bundle
    meta = operation(Parameter("return", "Meta", "x", 1, use="out"))
    answer = respond(meta, asked(), Returned((value("return", "Meta", {"versionId": "1"}),)))
    assert json.parse(answer.body) == {
        "resourceType": "Parameters",
        "parameter": [{"name": "return", "valueMeta": {"versionId": "1"}}],
    }
    several = respond(ALL, asked(), Returned((parts("match", [value("code", "code", "x")]),)))
    assert json.parse(several.body)["parameter"] == [{"name": "match", "part": [{"name": "code", "valueCode": "x"}]}]
    assert json.parse(respond(ALL, asked(), Returned(())).body) == {"resourceType": "Parameters"}


def test_inputs_that_are_not_there() -> None:
    assert (Inputs().place("a"), Inputs().each("a"), "a" in Inputs()) == ("a", (), False)
