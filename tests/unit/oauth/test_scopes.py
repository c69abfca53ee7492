"""SMART scopes, read one by one. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html"""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.oauth import scopes as scopes_module
from hilum.oauth.scopes import (
    Asked,
    Scope,
    Wish,
    asked,
    covered,
    pairs,
    parse,
    part,
    parts,
    refusal,
    resource_scope,
    text,
    widest,
    within,
    written,
)


@pytest.mark.parametrize(
    ("text", "level", "type", "letters"),
    [
        ("patient/Observation.rs", "patient", "Observation", "rs"),
        ("system/*.cruds", "system", "*", "cruds"),
        ("user/Patient.cu", "user", "Patient", "cu"),
        ("user/*.read", "user", "*", "rs"),
        ("patient/Patient.write", "patient", "Patient", "cud"),
        ("system/*.*", "system", "*", "cruds"),
        ("patient/Patient.s", "patient", "Patient", "s"),
    ],
)
def test_both_versions_are_understood(text: str, level: str, type: str, letters: str) -> None:
    assert resource_scope(text) == Scope(level, type, frozenset(letters))
    assert refusal(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "patient/Observation.dus",
        "patient/Observation.rr",
        "patient/Observation.sr",
        "patient/Observation.",
        "patient/Observation",
        "patient/Observation.readwrite",
        "patient/observation.rs",
        "patient/*bservation.rs",
        "patient/.rs",
        "patient/Observation.RS",
        "patient/Observation.rs ",
        "patient/Observation.rs\n",
        "system/Obs/ervation.rs",
        "patient/Observation.rs?",
        "patient/Observation.?x",
        "patient/Observation.?category=laboratory",
        "patient/Observation.rs?category",
        "patient/Observation.rs?category=",
        "patient/Observation.rs?=laboratory",
        "patient/Observation.rs?category=a&",
        "patient/Observation.rs?&category=a",
        "patient/Observation.rs?category=%zz",
        "patient/Observation.rs?category=%ff",
        "patient/Observation.rs?category=a%0Ab",
        "patient/Observation.read?category=laboratory",
        "patient/Observation.*?category=laboratory",
    ],
)
def test_what_is_not_fully_understood_grants_nothing_and_is_refused(text: str) -> None:
    assert resource_scope(text) is None
    assert refusal(text) is not None


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("category=laboratory", (("category", "laboratory"),)),
        ("category=http://a/b|c,http://d|e", (("category", "http://a/b|c,http://d|e"),)),
        ("code=a&code=b", (("code", "a"), ("code", "b"))),
        ("code=a&code=a", (("code", "a"),)),
        ("date=ge2020&code=x=y", (("date", "ge2020"), ("code", "x=y"))),
        ("code=a%26b%20c%2525", (("code", "a&b c%25"),)),
        ("code=a+b", (("code", "a+b"),)),
        ("code:not=a%7Cb", (("code:not", "a|b"),)),
    ],
)
def test_search_parameters_limit_a_scope_and_are_decoded_once(text: str, search: tuple[tuple[str, str], ...]) -> None:
    found = Scope("patient", "Observation", frozenset("rs"), search)
    assert resource_scope(f"patient/Observation.rs?{text}") == found
    assert refusal(f"patient/Observation.rs?{text}") is None
    assert pairs(text) == search
    assert parse(written([found])) == (found,)


@pytest.mark.parametrize("text", ["openid", "fhirUser", "launch", "launch/patient", "offline_access", "xpatient/*.rs"])
def test_other_scopes_say_nothing_about_resources(text: str) -> None:
    assert resource_scope(text) is None
    assert refusal(text) is None


def test_search_parameters_are_few_and_short() -> None:
    ten = "&".join(f"code=a{number}" for number in range(10))
    assert resource_scope(f"user/Observation.rs?{ten}") is not None
    assert resource_scope(f"user/Observation.rs?{ten}&code=b") is None
    assert resource_scope("user/Observation.rs?code=" + "a" * 995) is not None
    assert resource_scope("user/Observation.rs?code=" + "a" * 996) is None


def test_of_very_many_limited_scopes_the_first_count() -> None:
    many = [f"user/Observation.rs?code=a{number}" for number in range(150)]
    found = parse(" ".join([*many, "user/Patient.rs", many[0]]))
    assert written(found).split(" ") == [*many[:100], "user/Patient.rs"]


def test_the_refusal_names_what_is_wrong() -> None:
    assert "search parameters" in (refusal("patient/Observation.rs?category") or "")
    assert "not understood" in (refusal("patient/Observation.sr?category=x") or "")
    assert "search parameters" not in (refusal("patient/Observation.sr?category=x") or "")


def test_a_scope_value_is_read_in_order_without_doubles() -> None:
    found = parse("openid patient/Patient.rs  patient/Patient.read patient/Observation.dus system/*.c")
    assert found == (Scope("patient", "Patient", frozenset("rs")), Scope("system", "*", frozenset("c")))


@given(st.text(st.sampled_from("cruds"), max_size=6))
def test_exactly_the_letters_in_order_are_granted(letters: str) -> None:
    found = resource_scope(f"system/Patient.{letters}")
    if letters and letters == "".join(letter for letter in "cruds" if letter in letters):
        assert found == Scope("system", "Patient", frozenset(letters))
    else:
        assert found is None


@given(st.text(max_size=40))
def test_no_text_breaks_it(text: str) -> None:
    for item in parse(text):
        assert item.interactions <= frozenset("cruds")
        assert item.interactions


# --- all that can be asked for ----------------------------------------------------------------------------------------


def test_context_and_words_are_told_apart_from_resources() -> None:
    found = asked(
        "openid fhirUser launch launch/patient launch/questionnaire?role=http://r/x offline_access online_access "
        "profile __introspect __other launch/Patient launch/ https://a.example/scope patient/Patient.rs openid nonsense"
    )
    assert found == Asked(
        (Scope("patient", "Patient", frozenset("rs")),),
        (Wish("patient"), Wish("questionnaire", "http://r/x")),
        frozenset(
            ("openid", "fhirUser", "launch", "offline_access", "online_access", "profile", "__introspect"),
        ),
    )
    assert asked("") == Asked()


def test_what_was_granted_is_written_so_that_it_reads_the_same() -> None:
    words = (
        "launch openid fhirUser offline_access launch/patient launch/x?role=urn:r patient/*.read user/Patient.cu "
        "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
    )
    assert text(asked(words)) == words
    assert text(asked("patient/*.rs openid")) == "openid patient/*.rs"


def test_words_of_version_1_are_written_as_they_were_asked_for() -> None:
    assert written(parse("patient/*.read user/*.write system/*.* patient/Patient.rs")) == (
        "patient/*.read user/*.write system/*.* patient/Patient.rs"
    )
    (left,) = parts(parse("patient/*.*")[0], parse("patient/Observation.rs"))
    assert written([left]) == "patient/Observation.read"
    (left,) = parts(parse("patient/*.*")[0], parse("patient/Observation.r"))
    assert written([left]) == "patient/Observation.r"
    (left,) = parts(parse("patient/*.read")[0], parse("patient/Observation.rs?category=x"))
    assert written([left]) == "patient/Observation.rs?category=x"


# --- what covers what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "by", "found"),
    [
        ("patient/*.rs", "patient/*.cruds", "patient/*.rs"),
        ("patient/*.cruds", "patient/Observation.rs", "patient/Observation.rs"),
        ("patient/Observation.rs", "patient/*.r patient/*.s", "patient/Observation.r patient/Observation.s"),
        ("patient/*.rs", "patient/Patient.r patient/Observation.rs", "patient/Patient.r patient/Observation.rs"),
        ("patient/Observation.rs", "user/Observation.rs system/*.cruds", ""),
        ("patient/Observation.rs", "patient/Patient.rs patient/Observation.c", ""),
        ("patient/Observation.rs?category=a", "patient/*.rs", "patient/Observation.rs?category=a"),
        ("patient/*.rs", "patient/Observation.rs?category=a", "patient/Observation.rs?category=a"),
        ("patient/*.rs?a=1", "patient/Observation.rs?b=2", "patient/Observation.rs?a=1&b=2"),
        ("patient/*.rs", "patient/*.rs patient/Patient.r", "patient/*.rs"),
        ("patient/*.rs", "patient/Patient.rs?a=1&b=2 patient/Patient.rs?b=2&a=1", "patient/Patient.rs?a=1&b=2"),
        ("patient/*.rs", "", ""),
    ],
)
def test_of_a_scope_is_left_what_single_other_ones_allow(one: str, by: str, found: str) -> None:
    (scope,) = parse(one)
    assert written(parts(scope, parse(by))) == found
    best = covered(scope, parse(by))
    assert (best is None) is (found == "")
    assert best is None or best in parse(found)


def test_a_scope_that_is_allowed_whole_is_covered_by_itself() -> None:
    (scope,) = parse("user/Patient.rs?name=x")
    assert covered(scope, parse("user/Patient.r user/*.cruds user/Patient.rs?name=x")) == scope
    assert covered(scope, parse("user/Patient.r user/*.cruds?birthdate=2000")) != scope


LEVELS, TYPES = st.sampled_from(("patient", "user", "system")), st.sampled_from(("*", "Patient", "Observation"))
PAIRS = st.lists(st.sampled_from((("category", "a"), ("category", "b"), ("code", "x|y"))), max_size=2, unique=True)
SCOPES = st.builds(Scope, LEVELS, TYPES, st.frozensets(st.sampled_from("cruds"), min_size=1), PAIRS.map(tuple))


@given(SCOPES, SCOPES)
def test_a_part_lies_within_both(one: Scope, other: Scope) -> None:
    shared = part(one, other)
    if shared is not None:
        assert within(shared, one)
        assert within(shared, other)
    if within(one, other):
        assert shared == one


@given(SCOPES, SCOPES, SCOPES)
def test_within_is_an_order(one: Scope, other: Scope, third: Scope) -> None:
    assert within(one, one)
    if within(one, other) and within(other, third):
        assert within(one, third)


@given(st.lists(SCOPES, max_size=6))
def test_the_widest_hold_all_the_others_and_no_two_hold_each_other(some: list[Scope]) -> None:
    kept = widest(some)
    assert all(any(within(one, other) for other in kept) for one in some)
    assert set(kept) <= set(some)
    assert not any(within(one, other) for one in kept for other in kept if one is not other)


@given(st.lists(SCOPES, max_size=6, unique=True))
def test_what_is_written_is_read_again(some: list[Scope]) -> None:
    assert parse(written(some)) == tuple(some)


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_any_search_parameter_survives_being_written(name: str, value: str) -> None:
    scope = Scope("user", "Patient", frozenset("r"), ((name, value),))
    line = "".join(written([scope]))
    assert parse(line) == ((scope,) if pairs(line.partition("?")[2]) is not None else ())
    assert set(line) <= set(map(chr, range(0x21, 0x7F))) - set('"\\')  # RFC 6749, 3.3


@given(
    st.lists(
        st.builds(
            Scope,
            st.sampled_from(("patient", "user")),
            st.sampled_from(("*", "A", "B")),
            st.frozensets(st.sampled_from("cruds"), min_size=1),
            st.sampled_from(((), (("a", "1"),), (("a", "1"), ("b", "2")))),
        ),
        max_size=10,
    )
)
def test_the_widest_are_those_that_lie_within_no_other(some: list[Scope]) -> None:
    found = widest(some)
    assert set(found) == {one for one in some if not any(one != other and within(one, other) for other in some)}
    assert list(found) == [one for one in dict.fromkeys(some) if one in found]


def test_many_scopes_are_compared_with_few() -> None:
    letters = ["".join(some) for number in range(1, 6) for some in combinations("cruds", number)]
    types = [f"T{number}" for number in range(200)]
    many = [Scope("user", type, frozenset(some)) for some in letters for type in types]
    compared = 0

    def counted(one: Scope, other: Scope) -> bool:
        nonlocal compared
        compared += 1
        return within(one, other)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scopes_module, "within", counted)
        assert len(widest(many)) == len(types)
    assert compared < 100 * len(many)
