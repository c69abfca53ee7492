"""FHIRPath's grammar. https://hl7.org/fhirpath/N1/grammar.html"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.fhirpath.parser import DEPTH, parse
from hilum.fhirpath.syntax import (
    Binary,
    Call,
    Constant,
    Empty,
    Indexer,
    Literal,
    Member,
    Quantity,
    TypeOperation,
    Unary,
    Variable,
)
from hilum.problems import Malformed

A, B, C = Member(None, "a"), Member(None, "b"), Member(None, "c")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a.b", Member(A, "b")),
        (
            "a.where(b = 'x')[0]",
            Indexer(Call(A, "where", (Binary("=", B, Literal("string", "x")),)), Literal("integer", 0)),
        ),
        ("a or b and c", Binary("or", A, Binary("and", B, C))),
        ("a implies b implies c", Binary("implies", Binary("implies", A, B), C)),
        ("a | b = c", Binary("=", Binary("|", A, B), C)),
        ("a + b * c", Binary("+", A, Binary("*", B, C))),
        ("-a.b", Unary("-", Member(A, "b"))),
        ("a as FHIR.Quantity | b", Binary("|", TypeOperation("as", A, "FHIR.Quantity"), B)),
        ("a is b", TypeOperation("is", A, "b")),
        ("(a | b).c", Member(Binary("|", A, B), "c")),
        ("a.as(b)", Call(A, "as", (B,))),
        ("a.contains('x')", Call(A, "contains", (Literal("string", "x"),))),
        ("`a`.`div`", Member(A, "div")),
        ("$this", Variable("this")),
        ("%resource", Constant("resource")),
        ("%'us-zip'", Constant("us-zip")),
        ("{}", Empty()),
        ("true", Literal("boolean", True)),
        ("1.10", Literal("decimal", Decimal("1.10"))),
        ("4 days", Quantity(Decimal(4), "days", calendar=True)),
        ("4 'mg'", Quantity(Decimal(4), "mg", calendar=False)),
        ("@2012-04", Literal("date", "2012-04")),
        ("@2012-04-01T", Literal("datetime", "2012-04-01T")),
        ("@2012-04-01T10:00:00.5+02:00", Literal("datetime", "2012-04-01T10:00:00.5+02:00")),
        ("@T14:30", Literal("time", "T14:30")),
        (r"'it\'s \u0041\n'", Literal("string", "it's A\n")),
        ("a // to the end\n/* and\nthis */ .b", Member(A, "b")),
    ],
)
def test_an_expression_becomes_this_tree(text: str, tree: object) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "FHIRPath: found the end at position 1, expected an identifier."),
        ("a.", "FHIRPath: found the end at position 3, expected an identifier."),
        (
            "a b",
            "FHIRPath: found a token of kind identifier at position 3, "
            "expected the end of the expression or an operator.",
        ),
        ("a.where(", "FHIRPath: found the end at position 9, expected an identifier."),
        ("a.where(b,)", "FHIRPath: found a token of kind symbol at position 11, expected an identifier."),
        ("a[1", "FHIRPath: found the end at position 4, expected ']'."),
        ("'open", "FHIRPath: no token begins at position 1 of the expression."),
        ("a = 'x\\q'", "FHIRPath: unknown escape in the text at position 5 of the expression."),
        ("a # b", "FHIRPath: no token begins at position 3 of the expression."),
        ("a.``", "FHIRPath: found a token of kind delimited at position 3, expected a name between the backticks."),
        ("9" * 5000, "FHIRPath: an integer has 10 digits at most; write a decimal."),
    ],
)
def test_what_is_no_expression_is_refused_with_its_position(text: str, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse(text)
    assert str(refused.value) == message


def test_nesting_deeper_than_the_limit_is_refused_and_does_not_overflow() -> None:
    parse("(" * (DEPTH - 1) + "a" + ")" * (DEPTH - 1))
    with pytest.raises(Malformed):
        parse("(" * 100_000 + "a" + ")" * 100_000)


@given(st.text(alphabet="ab.()[]{}|=<>!~&+-*/%$`'\\@:,0123456789 \nTZwhereisasdivmod", max_size=40))
def test_any_text_is_parsed_or_refused_as_malformed(text: str) -> None:
    try:
        parse(text)
    except Malformed as refused:
        assert "FHIRPath" in str(refused)
