"""One parameter, its modifier and its value to a clause. https://hl7.org/fhir/R4/search.html#ptypes"""

from __future__ import annotations

import pytest

from hilum.problems import Invalid
from hilum.search.alternatives import Amount, Composite, DateRange, Token
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    Clause,
    CompositeClause,
    DateClause,
    HierarchyClause,
    IdClause,
    LastUpdatedClause,
    MissingClause,
    NearClause,
    NotClause,
    Part,
    PlaceClause,
    QuantityClause,
    ReferenceClause,
    StringClause,
    TermClause,
    TokenClause,
    UriClause,
    ValueSetClause,
)
from hilum.search.dates import interval
from hilum.search.modifiers import modifiers
from hilum.search.parameters import Parameter, lookup
from hilum.search.parse import Parsed, parse_query
from hilum.search.query import Query

BASE = "http://here/fhir"
UCUM = "http://unitsofmeasure.org"


def p(code: str) -> tuple[int, ...]:
    return lookup("Patient", code).numbers


def o(code: str) -> tuple[int, ...]:
    return lookup("Observation", code).numbers


def there(code: str) -> tuple[int, ...]:
    """The numbers under which every Reference of Observation has a row."""
    return (*o(code), *lookup("Observation", code).identifier)


def of(type: str, code: str) -> Parameter:
    return lookup(type, code)


def others() -> tuple[int, ...]:
    """The numbers of Observation.subject for what is no Patient."""
    return tuple(n for n in o("subject") if n not in o("patient"))


def amount(prefix: str, value: float, half: float, system: str | None = None, code: str | None = None) -> Amount:
    return Amount(prefix, value, value - half, value + half, system, code)


@pytest.mark.parametrize(
    ("type", "name", "value", "clause"),
    [
        ("Patient", "gender", "male", TokenClause(p("gender"), (Token(None, "male"),))),
        ("Patient", "gender:not", "a,b", NotClause(TokenClause(p("gender"), (Token(None, "a"), Token(None, "b"))))),
        ("Patient", "identifier", "http://s|", TokenClause(p("identifier"), (Token("http://s", None),))),
        ("Patient", "identifier", "|7", TokenClause(p("identifier"), (Token("", "7"),))),
        ("Patient", "identifier", r"a\|b\,c\$d\\|e", TokenClause(p("identifier"), (Token("a|b,c$d\\", "e"),))),
        (
            "Patient",
            "identifier:of-type",
            "http://t|MR|1",
            TokenClause(of("Patient", "identifier").of_type, (Token("http://t|MR", "1"),)),
        ),
        ("ValueSet", "version", "V1", TokenClause(of("ValueSet", "version").numbers, (Token(None, "v1"),))),
        ("Observation", "code:text", "Müller", TermClause(of("Observation", "code").text, ("muller",))),
        ("Observation", "code:in", "http://v", ValueSetClause(o("code"), "http://v")),
        (
            "Observation",
            "code:in",
            r"http://v\|1,ValueSet/2",
            AnyClause((ValueSetClause(o("code"), "http://v|1"), ValueSetClause(o("code"), "ValueSet/2"))),
        ),
        ("Observation", "code:not-in", "http://v", NotClause(ValueSetClause(o("code"), "http://v"))),
        ("Observation", "code:below", "s|c", HierarchyClause(o("code"), (Token("s", "c"),), below=True)),
        ("Observation", "code:above", "s|c", HierarchyClause(o("code"), (Token("s", "c"),), below=False)),
        ("Patient", "name", "Müller,O'Brien", StringClause(p("name"), ("muller", "obrien"))),
        ("Patient", "name:exact", "Müller", StringClause(p("name"), ("Müller",), "exact")),
        ("Patient", "name:contains", "LL", StringClause(p("name"), ("ll",), "contains")),
        ("Patient", "phonetic", "Smyth", TokenClause(p("phonetic"), (Token(None, "SM0"),))),
        ("Patient", "birthdate", "1970", DateClause(p("birthdate"), (DateRange("eq", *interval("1970")),), True)),
        ("Patient", "birthdate", "ge1970", DateClause(p("birthdate"), (DateRange("ge", *interval("1970")),), True)),
        (
            "Observation",
            "date",
            "sa1970-01-01T00:00:00 02:00",  # a plus that was not percent-encoded
            DateClause(o("date"), (DateRange("sa", *interval("1970-01-01T00:00:00+02:00")),), True),
        ),
        (
            "Observation",
            "value-quantity",
            "lt5.40",
            QuantityClause(o("value-quantity"), (Amount("lt", 5.4, 5.395, 5.405),)),
        ),
        (
            "Observation",
            "value-quantity",
            f"100|{UCUM}|mg",
            QuantityClause(o("value-quantity"), (amount("eq", 100, 0.5, UCUM, "mg"),)),
        ),
        (
            "Observation",
            "value-quantity",
            "ap-8||mg,1e2",
            QuantityClause(o("value-quantity"), (Amount("ap", -8, -8.8, -7.2, None, "mg"), amount("eq", 100, 5))),
        ),
        (
            "RiskAssessment",
            "probability",
            "gt0.8",
            QuantityClause(of("RiskAssessment", "probability").numbers, (Amount("gt", 0.8, 0.75, 0.85),)),
        ),
        ("Observation", "patient", "7", ReferenceClause(o("patient"), (("Patient", "7"),))),
        ("Observation", "patient", "Patient/7,8", ReferenceClause(o("patient"), (("Patient", "7"), ("Patient", "8")))),
        (
            "Observation",
            "subject",
            "7",
            ReferenceClause(
                o("subject"), (("Device", "7"), ("Group", "7"), ("Location", "7"), ("Patient", "7"))
            ),
        ),
        ("List", "item", "7", ReferenceClause(of("List", "item").numbers, ((None, "7"),))),
        ("Observation", "subject:Group", "7", ReferenceClause(others(), (("Group", "7"),))),
        ("Observation", "subject:Patient", "7", ReferenceClause(o("patient"), (("Patient", "7"),))),
        ("Observation", "encounter", "7", ReferenceClause(o("encounter"), (("Encounter", "7"),))),
        ("Observation", "subject", f"{BASE}/Group/7", ReferenceClause(others(), (("Group", "7"),))),
        ("Observation", "subject", "http://other/Group/7", UriClause(o("subject"), ("http://other/Group/7",))),
        ("Observation", "patient", "http://other/Patient/7", UriClause(o("patient"), ("http://other/Patient/7",))),
        ("Observation", "subject", "urn:uuid:1", UriClause(o("subject"), ("urn:uuid:1",))),
        (
            "Observation",
            "subject",
            "Patient/7,urn:uuid:1",
            AnyClause((ReferenceClause(o("patient"), (("Patient", "7"),)), UriClause(o("subject"), ("urn:uuid:1",)))),
        ),
        (
            "Observation",
            "subject:identifier",
            "http://s|7",
            TokenClause(of("Observation", "subject").identifier, (Token("http://s", "7"),)),
        ),
        (
            "Procedure",
            "location:below",
            "42",
            PlaceClause(
                of("Procedure", "location").numbers,
                (("Location", "42"),),
                of("Location", "partof").numbers,
                below=True,
            ),
        ),
        (
            "Observation",
            "encounter:above",
            "Encounter/21",
            PlaceClause(o("encounter"), (("Encounter", "21"),), of("Encounter", "part-of").numbers, below=False),
        ),
        (
            "QuestionnaireResponse",
            "questionnaire",
            r"http://q\|1",
            UriClause(of("QuestionnaireResponse", "questionnaire").numbers, ("http://q|1",)),
        ),
        (
            "QuestionnaireResponse",
            "questionnaire:below",
            "http://q|1,http://r",
            AnyClause(
                (
                    UriClause(of("QuestionnaireResponse", "questionnaire").whole, ("http://q|1",), "below"),
                    UriClause(of("QuestionnaireResponse", "questionnaire").numbers, ("http://r",)),
                )
            ),
        ),
        ("ValueSet", "url", "http://a,http://b", UriClause(of("ValueSet", "url").numbers, ("http://a", "http://b"))),
        (
            "ValueSet",
            "url",
            "http://a|V2",
            AllClause(
                (
                    UriClause(of("ValueSet", "url").numbers, ("http://a",)),
                    TokenClause(of("ValueSet", "version").numbers, (Token(None, "v2"),)),
                )
            ),
        ),
        ("ValueSet", "url:below", "http://a/b", UriClause(of("ValueSet", "url").whole, ("http://a/b",), "starts")),
        ("ValueSet", "url:below", "http", UriClause(of("ValueSet", "url").whole, ("http",), "starts")),
        (
            "ValueSet",
            "url:above",
            "http://a/b",
            UriClause(of("ValueSet", "url").numbers, ("http://a/b", "http://a/", "http://a", "http://")),
        ),
        (
            "Patient",
            "_profile:below",
            "http://a,urn:b|1",
            AnyClause(
                (
                    UriClause(of("Patient", "_profile").whole, ("urn:b|1",), "below"),
                    UriClause(of("Patient", "_profile").whole, ("http://a",), "starts"),
                )
            ),
        ),
        ("Patient", "_id:not", "a,b", NotClause(IdClause(("a", "b")))),
        ("Patient", "_id", "a,Patient/b", IdClause(("a", "b"))),
        ("Location", "near", "-33.8|151.2", NearClause(of("Location", "near").numbers, ((-33.8, 151.2, 50_000.0),))),
        ("Location", "near", "1|2|3|m,1|2|3", NearClause(of("Location", "near").numbers, ((1, 2, 3), (1, 2, 3000)))),
        (
            "Observation",
            "code-value-quantity",
            f"http://loinc.org|2823-3$gt5.4|{UCUM}|mmol/L",
            CompositeClause(
                o("code-value-quantity"),
                (Composite(Token("http://loinc.org", "2823-3"), Amount("gt", 5.4, 5.35, 5.45, UCUM, "mmol/L")),),
            ),
        ),
        (
            "Observation",
            "code-value-string",
            "a$B",
            AllClause(
                (
                    TokenClause(o("code"), (Token(None, "a"),)),
                    StringClause(of("Observation", "code-value-string").components[1].numbers, ("b",)),
                )
            ),
        ),
        (
            "Observation",
            "code-value-date",
            "a$ge2000",
            CompositeClause(
                o("code-value-date"), (Composite(Token(None, "a"), DateRange("ge", *interval("2000"))),)
            ),
        ),
        (
            "DocumentReference",
            "relationship",
            "DocumentReference/1$replaces",
            CompositeClause(
                of("DocumentReference", "relationship").numbers,
                (Composite(Token(None, "replaces"), ("DocumentReference", "1")),),
            ),
        ),
        (
            "MolecularSequence",
            "chromosome-variant-coordinate",
            "1$gt5$lt10",
            CompositeClause(
                of("MolecularSequence", "chromosome-variant-coordinate").numbers,
                (Composite(Token(None, "1"), (amount("gt", 5, 0.5), amount("lt", 10, 0.5))),),
            ),
        ),
        (
            "Group",
            "characteristic-value",
            "gender$mixed,owner$Eve",
            CompositeClause(
                of("Group", "characteristic-value").numbers,
                (
                    Composite(Token(None, "gender"), Token(None, "mixed")),
                    Composite(Token(None, "owner"), Token(None, "Eve")),
                ),
            ),
        ),
        ("Patient", "_id", "a,b", IdClause(("a", "b"))),
        ("Patient", "_lastUpdated", "lt1970", LastUpdatedClause((DateRange("lt", *interval("1970")),))),
        ("Patient", "gender:missing", "true", MissingClause(p("gender"), missing=True)),
        ("Observation", "subject:missing", "false", MissingClause(there("subject"), missing=False)),
        ("Observation", "patient:missing", "true", MissingClause(there("patient"), missing=True)),
        ("Observation", "_id:missing", "true", AnyClause(())),
        ("Observation", "_lastUpdated:missing", "false", AllClause(())),
        ("Location", "near:missing", "true", MissingClause(lookup("Location", "near").numbers, missing=True)),
    ],
)  # fmt: skip
def test_a_parameter_becomes_this_clause(type: str, name: str, value: str, clause: Clause) -> None:
    parsed = parse_query(type, [(name, value)], base=BASE)
    assert parsed == Parsed(Query((Part(type, (clause,)),)), ((name, value),))


@pytest.mark.parametrize(
    ("type", "name", "value", "message"),
    [
        ("Patient", "nam", "x", "Patient has no search parameter 'nam'. Did you mean name?"),
        ("Patient", "name", "", "The parameter 'name' has no value."),
        ("Patient", "name", "a,", "The parameter 'name' has an empty alternative between its commas."),
        ("Patient", "name", "-,a", "The search parameter 'name' of Patient needs at least one letter or digit to"),
        ("Patient", "name", "x" * 2001, "The parameter 'name' has a value of more than 2000 characters."),
        ("Patient", "name:exat", "x", "The modifier 'exat' is not supported for 'name' of Patient; did you mean"),
        ("Patient", "name:", "x", "The modifier '' is not supported for 'name' of Patient; those there are: exact,"),
        ("Patient", "active:in", "x", "The modifier 'in' is not supported for 'active' of Patient; those there"),
        ("Patient", "_id:missing", "yes", "_id:missing takes true or false."),
        ("Patient", "_id:above", "a", "The modifier 'above' is not supported for '_id' of Patient; those there are: "),
        ("Patient", "_id:not", "a b", "The search parameter '_id' takes logical ids"),
        ("Patient", "_id", "Claim/a", "The search parameter '_id' takes logical ids"),
        ("Patient", "name:text", "x", "The modifier 'text' is not supported for 'name' of Patient; those there are:"),
        ("Patient", "_sort:desc", "name", "The parameter '_sort' takes no modifiers. For descending write a minus"),
        ("Patient", "_count:exact", "1", "The parameter '_count' takes no modifiers."),
        ("Patient", "_has", "1", "_has takes the form _has:[type]:[reference parameter]:[parameter]=value."),
        ("Patient", "_sort", "_text", "'_text' stands by itself: it is nothing to sort by, and no part of _filter"),
        ("Patient", "_include", "A:b,A:c", "_include takes no lists: give it once for each."),
        ("Patient", "identifier", "a|b|c", "The search parameter 'identifier' of Patient takes code, system|code,"),
        ("Patient", "identifier", "|", "The search parameter 'identifier' of Patient takes code, system|code,"),
        ("Patient", "identifier", "a\\b", "A backslash in a search value must be followed by , | $ or another"),
        ("Patient", "identifier:of-type", "a|b", "The search parameter 'identifier' of Patient with ':of-type' takes"),
        ("Patient", "phone", "phone|1", "The search parameter 'phone' of Patient has no systems; give the value"),
        ("Patient", "active", "yes", "The search parameter 'active' of Patient is true or false."),
        ("Patient", "gender:missing", "maybe", "gender:missing takes true or false."),
        ("Patient", "birthdate", "xx1970", "The search parameter 'birthdate' of Patient: Not a date: expected"),
        ("Patient", "birthdate", "1970-02-30", "The search parameter 'birthdate' of Patient: Not a date: there is"),
        ("Patient", "_id", "a b", "The search parameter '_id' takes logical ids: 1 to 64 letters, digits, '-' and"),
        ("Observation", "patient", "Group/7", "The search parameter 'patient' of Observation is about Patient"),
        ("Observation", "patient", "urn:uuid:7", "The search parameter 'patient' of Observation is about Patient"),
        ("Observation", "subject:Group", "Patient/7", "The search parameter 'subject' of Observation is about"),
        ("Observation", "subject:Claim", "7", "The search parameter 'subject' of Observation does not know the"),
        ("Observation", "subject", "Patient/7/8", "The search parameter 'subject' of Observation takes"),
        ("Observation", "subject:below", "Patient/7", "'subject' of Observation with ':above' or ':below' takes"),
        ("Observation", "code:below", "7", "The search parameter 'code' of Observation with ':above' or ':below'"),
        ("Observation", "value-quantity", "x", "The search parameter 'value-quantity' of Observation: not a"),
        ("Observation", "value-quantity", "1e999", "The search parameter 'value-quantity' of Observation: the"),
        ("Observation", "value-quantity", "5|", "The search parameter 'value-quantity' of Observation takes a"),
        ("Observation", "value-quantity", "5|a|b|c", "The search parameter 'value-quantity' of Observation takes a"),
        ("RiskAssessment", "probability", "5|mg", "The search parameter 'probability' of RiskAssessment is a number"),
        ("RiskAssessment", "probability", "5||mg", "The search parameter 'probability' of RiskAssessment is a number"),
        ("Observation", "code-value-quantity", "7", "The search parameter 'code-value-quantity' of Observation takes"),
        ("Observation", "code-value-quantity:missing", "true", "The modifier 'missing' is not supported for 'code-val"),
        ("ValueSet", "url:below", "urn:oid:1", "The search parameter 'url' of ValueSet with ':above' or ':below' "),
        ("ValueSet", "url:below", "http://a|1", "The search parameter 'url' of ValueSet with ':above' or ':below' "),
        ("ValueSet", "url:above", "http://a|1", "The search parameter 'url' of ValueSet with ':above' or ':below' "),
        ("Location", "near", "1", "The search parameter 'near' of Location takes latitude|longitude"),
        ("Location", "near", "91|2", "The search parameter 'near' of Location takes a latitude from -90 to 90"),
        ("Location", "near", "1|2|3|parsec", "The search parameter 'near' of Location takes a distance of 0 or more"),
        ("Location", "near", "ge1|2", "The search parameter 'near' of Location takes no prefixes."),
        ("Patient", "_list", "$current-problems", "_list takes the ids of Lists; lists by function, such as"),
        ("Patient", "_list", "a b", "The search parameter '_list' takes logical ids"),
        ("Patient", "_contained", "yes", "_contained takes false, true, both; other values are not supported."),
        ("Patient", "_containedType", "x", "_containedType takes container, contained; other values are not"),
        ("Patient", "_total", "all", "_total takes none, estimate, accurate; other values are not supported."),
        ("Patient", "_count", "-1", "_count takes a whole number, 0 or more."),
        ("Patient", "_count", "x", "_count takes a whole number, 0 or more."),
        ("Patient", "_type", "Patient", "'_type' is for searches on all types."),
        ("Patient", "_type:not", "Patient", "'_type:not' is for searches on all types."),
        ("Patient", "_type:in", "Patient", "The parameter '_type' takes no modifiers."),
        ("Patient", "_query", "everything", "'_query' is not supported: there are no named queries."),
        ("Pigeon", "name", "x", "R4 has no resource type 'Pigeon'."),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_by_name(type: str, name: str, value: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_query(type, [(name, value)], base=BASE)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "value", "low", "high"),
    [
        ("100", 100, 99.5, 100.5),
        ("100.00", 100, 99.995, 100.005),
        ("1e2", 100, 95, 105),
        ("1.0e2", 100, 95, 105),
        ("1.00E2", 100, 99.5, 100.5),
        ("12e1", 120, 115, 125),
        ("-5.4", -5.4, -5.45, -5.35),
        ("0.1", 0.1, 0.05, 0.15),
        ("ap0", 0, -0.5, 0.5),
        ("ap200", 200, 180, 220),
        ("ap-0.3", -0.3, -0.33, -0.27),
    ],
)
def test_a_number_is_as_exact_as_its_digits(text: str, value: float, low: float, high: float) -> None:
    (clause,) = parse_query("Observation", [("value-quantity", text)]).query.parts[0].clauses
    prefix = "ap" if text.startswith("ap") else "eq"
    assert clause == QuantityClause(o("value-quantity"), (Amount(prefix, value, low, high),))


@pytest.mark.parametrize(("unit", "meters"), [("[mi_us]", 1609.347), ("[mi_i]", 1609.344), ("[nmi_i]", 1852), ("m", 1)])
def test_distances_have_units(unit: str, meters: float) -> None:
    (clause,) = parse_query("Location", [("near", f"1|2|10|{unit}")]).query.parts[0].clauses
    assert isinstance(clause, NearClause)
    assert clause.values[0][2] == pytest.approx(10 * meters, abs=0.01)


@pytest.mark.parametrize("prefix", ["eq", "ne", "ge"])
def test_one_part_beside_a_quantity_is_its_system_or_its_unit(prefix: str) -> None:
    (clause,) = parse_query("Observation", [("value-quantity", f"{prefix}5|mg")]).query.parts[0].clauses
    values = (amount(prefix, 5, 0.5, "mg"), amount(prefix, 5, 0.5, None, "mg"))
    assert clause == QuantityClause(o("value-quantity"), values)
    (clause,) = parse_query("Observation", [("code-value-quantity", f"s|c${prefix}5|mg")]).query.parts[0].clauses
    composites = tuple(Composite(Token("s", "c"), value) for value in values)
    assert clause == CompositeClause(o("code-value-quantity"), composites)


def test_modifiers_follow_from_what_a_parameter_selects() -> None:
    assert modifiers(of("Patient", "_id")) == ("not", "missing")
    assert modifiers(of("Patient", "_lastUpdated")) == ("missing",)
    assert modifiers(of("Patient", "name")) == ("exact", "contains", "missing")
    assert modifiers(of("Patient", "active")) == ("not", "missing")
    assert modifiers(of("Patient", "identifier")) == ("not", "text", "of-type", "missing")
    assert modifiers(of("Observation", "code")) == ("not", "text", "in", "not-in", "above", "below", "missing")
    assert modifiers(of("Observation", "encounter")) == ("[type]", "identifier", "above", "below", "missing")
    assert modifiers(of("Observation", "patient")) == ("[type]", "identifier", "missing")
    assert modifiers(of("QuestionnaireResponse", "questionnaire")) == ("below", "missing")
    assert modifiers(of("ValueSet", "url")) == ("above", "below", "missing")
    assert modifiers(of("Observation", "code-value-quantity")) == ()
    assert modifiers(of("Patient", "phonetic")) == ("missing",)


def test_approximate_dates_widen_by_a_tenth_of_the_gap_to_now() -> None:
    low, high = interval("1970-01-11")
    query = parse_query("Patient", [("birthdate", "ap1970-01-11")], now=(low + high) // 2 + 1000).query
    assert query.parts[0].clauses == (DateClause(p("birthdate"), (DateRange("ap", low - 100, high + 100),), True),)
