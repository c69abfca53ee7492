"""The schema made of R4's definitions."""

from __future__ import annotations

import pytest
from graphql import assert_name

from hilum.fhir import definitions
from hilum.fhir.definitions import TYPES
from hilum.fhirpath.types import Type
from hilum.graphql import schema as schemas
from hilum.graphql.schema import object_of, schema
from hilum.graphql.types import codes, name_of


def test_no_two_types_have_one_name() -> None:
    at = [Type(name, path) for name in definitions.names() for path in definitions.type_(name).elements]
    names = [name_of(one) for one in at]
    names += [f"{name}{kind}" for name in TYPES for kind in ("Connection", "Edge")] + ["Query"]
    assert len(names) == len(set(names))


def test_every_type_is_found_by_its_name() -> None:
    found = schema(None)
    for name in found.type_map:
        named = found.get_type(name)
        assert named is not None
        assert named.name == name


@pytest.mark.parametrize("type", TYPES)
def test_every_field_can_be_made_and_named(type: str) -> None:
    made = object_of(type)
    fields = [name for name in made.fields if not name.endswith(("List", "Connection"))]
    for name in fields:
        assert_name(name)
        assert made.fields[name].args.keys() == {assert_name(one) for one in made.fields[name].args}
    for name in codes(type):
        assert_name(name)
    assert len(codes(type)) == len(set(codes(type).values()))


def test_a_type_is_made_once() -> None:
    assert schema(None).get_type("Patient") is object_of("Patient")
    assert schema("Patient").query_type is object_of("Patient")
    assert schemas.schema("Patient") is schema("Patient")
