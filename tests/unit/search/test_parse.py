"""A query string to a Query. https://hl7.org/fhir/R4/search.html"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilum.fhir.definitions import TYPES
from hilum.problems import Invalid, Problem
from hilum.search.alternatives import Token
from hilum.search.clauses import AllClause, AnyClause, CompartmentClause, IdClause, Part, StringClause, TokenClause
from hilum.search.parameters import lookup
from hilum.search.parse import Parsed, parse_query
from hilum.search.query import Include, Query, Sort
from hilum.search.values import split, unescape


def p(code: str) -> tuple[int, ...]:
    return lookup("Patient", code).numbers


def o(code: str) -> tuple[int, ...]:
    return lookup("Observation", code).numbers


def refusal(type: str | None, *pairs: tuple[str, str], lenient: bool = False) -> str:
    with pytest.raises(Invalid) as refused:
        parse_query(type, pairs, lenient=lenient)
    return str(refused.value)


def test_repetition_is_and_while_commas_are_or() -> None:
    query = parse_query("Patient", [("given", "a,b"), ("given", "c")]).query
    clauses = (StringClause(p("given"), ("a", "b")), StringClause(p("given"), ("c",)))
    assert query == Query((Part("Patient", clauses),))


# --- what shapes results ----------------------------------------------------------------------------------------------


def test_result_parameters_shape_the_query() -> None:
    pairs = [("_count", "5"), ("_sort", "-_lastUpdated"), ("_total", "accurate"), ("_elements", "id, name")]
    pairs += [("_summary", "true"), ("_format", "json"), ("_contained", "false")]
    query = Query((Part("Patient"),), 5, (Sort("_lastUpdated", "updated", down=True),), total="accurate")
    assert parse_query("Patient", pairs) == Parsed(query, tuple(pairs), (), "true", ("id", "name"))


def test_a_page_is_never_larger_than_the_limit_and_self_says_how_large_it_is() -> None:
    parsed = parse_query("Patient", [("_count", "99999999")], max_count=100)
    assert (parsed.query.count, parsed.applied) == (100, (("_count", "100"),))
    assert parse_query("Patient", [], max_count=100, default_count=7).query.count == 7


def test_a_count_of_zero_and_summary_count_count() -> None:
    for pair in (("_count", "0"), ("_summary", "count")):
        query = parse_query("Patient", [pair]).query
        assert (query.count, query.total) == (0, "accurate")
    assert parse_query("Patient", [("_count", "0"), ("_total", "estimate")]).query.total == "estimate"


def test_a_result_parameter_given_twice_is_refused() -> None:
    assert refusal("Patient", ("_count", "1"), ("_count", "2")) == "_count may be given once."


def test_sort_has_several_keys_each_in_its_direction() -> None:
    query = parse_query("Observation", [("_sort", "-date,code,subject,value-quantity,_id")]).query
    assert query.sort == (
        Sort("date", "date", (("Observation", o("date")),), down=True),
        Sort("code", "token", (("Observation", o("code")),)),
        Sort("subject", "reference", (("Observation", o("subject")),)),
        Sort("value-quantity", "quantity", (("Observation", o("value-quantity")),)),
        Sort("_id", "id"),
    )


def test_sort_by_urls_compares_them_as_they_are() -> None:
    query = parse_query("ValueSet", [("_sort", "url")]).query
    assert query.sort == (Sort("url", "uri", (("ValueSet", lookup("ValueSet", "url").whole),)),)


def test_sort_by_score_is_best_first_however_it_is_written() -> None:
    for text in ("_score", "-_score"):
        assert parse_query("Patient", [("_sort", text)]).query.sort == (Sort("_score", "score", down=True),)


def test_sort_over_types_names_the_parameter_of_each() -> None:
    query = parse_query(None, [("_type", "Observation,Condition"), ("_sort", "code")]).query
    numbers = (("Observation", o("code")), ("Condition", lookup("Condition", "code").numbers))
    assert query.sort == (Sort("code", "token", numbers),)


@pytest.mark.parametrize(
    ("type", "text", "message"),
    [
        ("Patient", "nam", "Patient has no search parameter 'nam'. Did you mean name?"),
        ("Patient", "name:desc", "_sort takes search parameters without modifiers; write -name for descending."),
        (
            "Patient",
            "name:exact",
            "_sort takes search parameters without modifiers; leave out the part from the colon.",
        ),
        ("Location", "near", "_sort can't order by 'near' of Location: it is of type special."),
        ("Patient", "a,b,c,d,e,f", "_sort has 6 keys; 5 are the most."),
    ],
)
def test_what_can_not_be_sorted_by_is_refused(type: str, text: str, message: str) -> None:
    assert refusal(type, ("_sort", text)) == message


@pytest.mark.parametrize(
    ("type", "name", "value", "includes"),
    [
        ("Patient", "_include", "Patient:organization", (Include("Patient", p("organization")),)),
        ("Observation", "_include", "Observation:patient", (Include("Observation", o("patient"), "Patient"),)),
        ("Observation", "_include", "Observation:subject:Group", (Include("Observation", o("subject"), "Group"),)),
        ("Observation", "_include", "*", (Include("*", None),)),
        ("Observation", "_include", "*:*", (Include("*", None),)),
        ("Observation", "_include:recurse", "*", (Include("*", None, iterate=True),)),
        ("Observation", "_include", "Observation:*", (Include("Observation", None),)),
        ("Patient", "_include:iterate", "Organization:partof", (
            Include("Organization", lookup("Organization", "partof").numbers, iterate=True),
        )),
        ("Patient", "_revinclude", "Provenance:target", (
            Include("Provenance", lookup("Provenance", "target").numbers, reverse=True),
        )),
        ("Patient", "_revinclude:iterate", "Observation:*", (
            Include("Observation", None, iterate=True, reverse=True),
        )),
    ],
)  # fmt: skip
def test_what_comes_along(type: str, name: str, value: str, includes: tuple[Include, ...]) -> None:
    parsed = parse_query(type, [(name, value)])
    assert parsed == Parsed(Query((Part(type),), includes=includes), ((name, value),))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("_include", "Patient", "_include takes Source:parameter, Source:parameter:Target, Source:* or *."),
        ("_include", "Patint:x", "_include names 'Patint', which is no resource type of R4. Did you mean Patient?"),
        (
            "_include",
            "Patient:x",
            "Patient has no search parameter 'x'. The CapabilityStatement lists those that there",
        ),
        ("_include", "Patient:name", "'name' of Patient is of type string; only references lead on."),
        ("_include", "Patient:organization:Group", "The search parameter 'organization' of Patient does not know the"),
        (
            "_include",
            "Group:member",
            "_include: the search finds Patient, so that references of Group need _include:it",
        ),
        ("_revinclude", "Observation:encounter", "_revinclude: 'encounter' of Observation refers to Encounter, never"),
        ("_include:often", "Patient:link", "The modifier 'often' is not supported for '_include'; there is iterate."),
        ("_include", "Patient:link:", "_include has a colon and no type after it; leave the colon out for all types."),
        ("_revinclude", "Observation:*:", "_revinclude has a colon and no type after it; leave the colon out"),
    ],
)
def test_what_could_never_come_along_is_refused(name: str, value: str, message: str) -> None:
    assert refusal("Patient", (name, value)).startswith(message)


def test_a_summary_of_texts_comes_alone() -> None:
    assert "can't be together" in refusal("Patient", ("_summary", "text"), ("_include", "Patient:link"))


# --- lenient handling -------------------------------------------------------------------------------------------------


def test_lenient_handling_leaves_out_what_it_does_not_know_and_says_so() -> None:
    pairs = [("nam", "x"), ("gender", "male"), ("birthdate", ""), ("_include", "Group:member"), ("link.nam", "x")]
    assert parse_query("Patient", pairs, lenient=True) == Parsed(
        Query((Part("Patient", (TokenClause(p("gender"), (Token(None, "male"),)),)),)),
        (("gender", "male"),),
        (
            ("nam", "Patient has no search parameter 'nam'. Did you mean name?"),
            ("birthdate", "The parameter 'birthdate' has no value."),
            (
                "_include",
                "_include: the search finds Patient, so that references of Group need _include:iterate.",
            ),
            (
                "link.nam",
                "Nothing that 'link' of Patient refers to has a search parameter 'nam'. Did you mean name?",
            ),
        ),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name:text", "x"),
        ("birthdate", "x"),
        ("_query", "q"),
        ("_sort", "nam"),
        ("link.name:text", "x"),
        ("_text", "("),
    ],
)
def test_lenient_handling_still_refuses_modifiers_bad_values_and_named_queries(name: str, value: str) -> None:
    refusal("Patient", (name, value), lenient=True)


# --- several types ----------------------------------------------------------------------------------------------------


def test_each_type_has_its_own_part_with_its_own_numbers() -> None:
    query = parse_query(None, [("code", "7"), ("_type", "Observation,Condition")]).query
    token = (Token(None, "7"),)
    assert query.parts == (
        Part("Observation", (TokenClause(o("code"), token),)),
        Part("Condition", (TokenClause(lookup("Condition", "code").numbers, token),)),
    )


def test_a_search_over_all_types_takes_what_all_have() -> None:
    assert parse_query(None, [("_id", "7")]).query.parts == tuple(Part(type, (IdClause(("7",)),)) for type in TYPES)
    assert parse_query(None, [("_tag", "x")]).query.types == TYPES
    assert refusal(None, ("code", "x")).startswith("A search on several types takes parameters that each of them has.")
    message = "_type names 'Patint', which is no resource type of R4. Did you mean Patient?"
    assert refusal(None, ("_type", "Patint")) == message


def test_types_can_be_left_out() -> None:
    assert parse_query(None, [("_type:not", "Patient,Claim")]).query.types == tuple(
        type for type in TYPES if type not in ("Patient", "Claim")
    )
    pairs = [("_type", "Patient,Claim,Group"), ("_type:not", "Claim")]
    parsed = parse_query(None, pairs)
    assert (parsed.query.types, list(parsed.applied)) == (("Patient", "Group"), pairs)
    assert refusal(None, ("_type", "Claim"), ("_type:not", "Claim")) == "_type:not leaves no type to search."
    assert refusal(None, ("_type:not", "Claims")).startswith("_type names 'Claims', which is no resource type of R4.")


def test_has_over_several_types_finds_those_that_can_be_referred_to() -> None:
    pairs = [("_type", "Patient,Practitioner,Claim"), ("_has:Observation:performer:status", "final")]
    patient, practitioner, claim = parse_query(None, pairs).query.parts
    assert patient.clauses == practitioner.clauses != (AnyClause(()),)
    assert claim.clauses == (AnyClause(()),)
    message = refusal(None, ("_type", "Claim,Group"), ("_has:Observation:patient:status", "final"))
    assert message == "_has: 'patient' of Observation refers to Patient, never to Group."


def test_a_compartment_search_is_held_to_its_owner_and_to_the_types_that_can_be_in_it() -> None:
    (part,) = parse_query("Observation", [("code", "x")], compartment=("Patient", "7")).query.parts
    assert part.clauses == (TokenClause(o("code"), (Token(None, "x"),)), CompartmentClause((("Patient", "7"),)))
    types = parse_query(None, [], compartment=("Encounter", "7")).query.types
    assert {"Encounter", "Observation", "Condition"} <= set(types)
    assert "Patient" not in types


# --- any text ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(alphabet="ab,|$\\", min_size=1), min_size=1))
def test_escaped_values_come_back_as_they_were(values: list[str]) -> None:
    joined = ",".join("".join("\\" + c if c in ",|$\\" else c for c in value) for value in values)
    assert [unescape(part) for part in split(joined, ",")] == values


KNOWN = ["identifier", "name", "birthdate", "link", "_profile", "_id", "_lastUpdated", "phonetic", "link.name", "_list"]


@given(st.sampled_from(KNOWN), st.text())
def test_any_value_is_understood_or_refused_without_being_repeated(name: str, value: str) -> None:
    marked = value + "Zq9"
    try:
        parse_query("Patient", [(name, marked)])
    except Invalid as refused:
        assert "Zq9" not in str(refused)


SPECIAL = (
    *("_filter", "_text", "_content", "_sort", "_include", "_revinclude:iterate", "_list", "_count", "_type", "_has:"),
    *("_has:Observation:patient:code", "subject.name", "subject:Patient.name:exact", "subject..x", ".", "_filter:x"),
    *("code-value-quantity", "value-quantity", "date", "code:in", "code:below", "subject:identifier", "near"),
)
NAMES = st.one_of(st.text(max_size=30), st.sampled_from(SPECIAL))
WORDS = ("code", "eq", "(", ")", "[", "]", "not(", "not", "and", "or", "subject", ".name", '"x"', "co", "2000", "pr")
VALUES = st.one_of(
    st.text(max_size=60),
    st.text(alphabet='abcode ()[]".|$\\,:andornot eqgelt0123.-+*eE', max_size=80),
    st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join),
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["Patient", "Observation", "Location", "List"]),
    st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=3),
    st.booleans(),
)
def test_any_text_is_understood_or_refused(type: str, pairs: list[tuple[str, str]], lenient: bool) -> None:
    try:
        parsed = parse_query(type, pairs, lenient=lenient, base="http://here/fhir")
    except Problem:
        return
    assert hash(parsed) == hash(parse_query(type, pairs, lenient=lenient, base="http://here/fhir"))


# --- bounds -----------------------------------------------------------------------------------------------------------


def many(count: int, stem: str = "a") -> str:
    return ",".join(f"{stem}{n}" for n in range(count))


@pytest.mark.parametrize(
    ("type", "pairs"),
    [
        ("Patient", [("identifier", many(1001))]),
        ("Patient", [("_id", many(1001))]),
        ("Patient", [("name", many(101))]),
        ("Patient", [("name:contains", many(101))]),
        ("Patient", [("birthdate", ",".join(["ge2000"] * 51))]),
        ("Patient", [("_lastUpdated", ",".join(["ge2000"] * 51))]),
        ("Patient", [("identifier", many(700))] * 3),
        ("Patient", [("birthdate", "ge2000")] * 101),
        ("Patient", [("nonsense", "x")] * 101),
        ("Patient", [("name", many(100))] * 3),
        ("List", [("item", many(69))]),
        ("Observation", [("subject", many(1000))] * 3),
        (None, [("_id", many(69))]),
        ("Observation", [("subject.identifier", many(700))]),
        ("Encounter", [("part-of." * 13 + "status", "x")]),
        ("List", [("item._tag", "a")] * 7),
        ("Patient", [("_filter", "(" * 21 + "gender eq male" + ")" * 21)]),
        ("Patient", [("_filter", " and ".join(["given eq a"] * 201))]),
        ("Patient", [("_filter", "x" * 10_001)]),
        ("Patient", [("_text", "(" * 21 + "a" + ")" * 21)]),
        ("Patient", [("_text", "a" * 2001)]),
        ("Patient", [("_include", "Patient:link")] * 31),
    ],
)
def test_more_than_a_query_may_have_is_too_costly(type: str | None, pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(Invalid) as caught:
        parse_query(type, pairs, lenient=True)
    assert [issue.code for issue in caught.value.issues] == ["too-costly"]


@pytest.mark.parametrize(
    ("type", "pairs"),
    [
        ("Patient", [("identifier", many(1000))] * 2),
        ("Patient", [("_id", many(1000))]),
        ("Patient", [("name", many(50)), ("birthdate", ",".join(["ge2000"] * 50))]),
        ("Patient", [("birthdate", "ge2000")] * 100),
        ("List", [("item", many(68))]),
        ("Observation", [("subject", many(1000)), ("subject:Patient", many(1000))]),
        (None, [("_id", many(68))]),
        ("Encounter", [("part-of." * 12 + "status", "x")]),
        ("Patient", [("_filter", "(" * 20 + "gender eq male" + ")" * 20)]),
    ],
)
def test_as_much_as_a_query_may_have_is_taken(type: str | None, pairs: list[tuple[str, str]]) -> None:
    assert len(parse_query(type, pairs).query.parts[0].clauses) == len(pairs)


def test_everything_that_is_asked_is_kept_in_the_clause() -> None:
    (clause,) = parse_query("Patient", [("_filter", "identifier eq 1 and identifier eq 2")]).query.parts[0].clauses
    first = TokenClause(p("identifier"), (Token(None, "1"),))
    assert clause == AllClause((first, TokenClause(p("identifier"), (Token(None, "2"),))))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("_sumary", "_summary"),
        ("_srt", "_sort"),
        ("_includ", "_include"),
        ("_cuont", "_count"),
        ("_totl", "_total"),
        ("_revinclde", "_revinclude"),
        ("_formt", "_format"),
        ("_ID", "_id"),
        ("_element", "_elements"),
        ("_filer", "_filter"),
        ("_lastupdated", "_lastUpdated"),
        ("_sort2", "_sort"),
    ],
)
def test_what_is_nearly_a_parameter_of_every_search_is_named(written: str, meant: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_query("Patient", [(written, "x")])
    near = str(refused.value).rpartition("Did you mean ")[2]
    assert near.rstrip("?").partition(" or ")[0] == meant


def test_a_parameter_without_a_value_is_passed_over_and_named() -> None:
    pairs = [("name", ""), ("_sort", ""), ("_count", ""), ("_type", ""), ("name:foo", ""), ("gender", "male")]
    parsed = parse_query("Patient", pairs, empty=True)
    assert parsed.applied == (("gender", "male"),)
    assert [name for name, _ in parsed.ignored] == ["name", "_sort", "_count", "_type", "name:foo"]
    assert parsed.ignored[0] == ("name", "The parameter 'name' has no value.")
    assert parsed.query == parse_query("Patient", [("gender", "male")]).query


def test_a_parameter_without_a_value_is_refused_where_it_is_a_condition() -> None:
    for name in ("name", "_id", "identifier"):
        with pytest.raises(Invalid, match="has no value"):
            parse_query("Patient", [(name, ""), ("gender", "male")])


def test_has_of_what_is_no_type_is_left_out_when_asked_leniently() -> None:
    parsed = parse_query("Patient", [("_has:Foo:x:y", "1"), ("gender", "male")], lenient=True)
    assert [name for name, _ in parsed.ignored] == ["_has:Foo:x:y"]


def test_a_token_that_a_client_may_have_cut_at_a_hash_is_told_of() -> None:
    parsed = parse_query("Patient", [("_tag", "http://a.org/b")])
    assert parsed.ignored == (
        (
            "_tag",
            "What stood after the url, if anything did, in '_tag': a # in it must be sent as %23, a code after |.",
        ),
    )
    assert parsed.applied == (("_tag", "http://a.org/b"),)
    for name, value in (("_tag", "http://a.org/b#c|d"), ("_tag", "http://a.org/b|"), ("_profile", "http://a.org/b")):
        assert parse_query("Patient", [(name, value)]).ignored == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject", "Patient/1/_history/2"),
        ("subject", "Patient/3,Patient/1/_history/2"),
        ("encounter.subject", "Patient/1/_history/2"),
        ("_filter", "not (subject re Patient/1/_history/2)"),
        ("_has:Provenance:target:agent", "Practitioner/1/_history/2"),
    ],
)
def test_that_the_version_of_a_reference_is_not_looked_at_is_said(name: str, value: str) -> None:
    parsed = parse_query("Observation", [(name, value)])
    assert parsed.ignored == ((name, f"'{name}' finds references whatever version they name."),)
    assert parsed.applied == ((name, value),)
    assert parse_query("Observation", [("subject", "http://a.org/Patient/1/_history/2")]).ignored == ()
