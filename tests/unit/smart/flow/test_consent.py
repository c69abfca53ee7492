"""What people allow: in words, line by line, and never more than what stays ticked."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.smart.deciding import begin, deciding, send, ticked
from tests.unit.smart.pages import Page
from tests.unit.smart.world import World, answered, said

from hilum.access.granting import grantable, policy
from hilum.access.roles import packaged, roles, rules
from hilum.oauth import scopes
from hilum.oauth.ledger import GRANT, User
from hilum.oauth.scopes import Asked, within, written
from hilum.search.constraints import constraint
from hilum.smart.flow.categories import CATEGORIES
from hilum.smart.flow.choices import choices, granted, listed
from hilum.smart.flow.consent import allowed
from hilum.smart.site import Site
from hilum.smart.words import words

LAB = "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
ASKED = "openid fhirUser offline_access launch/patient patient/*.rs"


@pytest.fixture
async def here() -> World:
    return await deciding()


async def token(here: World, page: Page, *left: str) -> dict[str, object]:
    found = await send(here, page, "consent", allow=left)
    return said(await here.exchange(answered(found)["code"]))


async def test_with_all_ticked_the_app_gets_what_it_asked_for(here: World) -> None:
    page = await begin(here, "pat.one", scope=ASKED)
    found = await token(here, page, *ticked(page))
    assert str(found["scope"]).split() == ["openid", "fhirUser", "offline_access", "launch/patient", "patient/*.rs"]
    assert {"refresh_token", "id_token"} <= found.keys()


async def test_the_page_speaks_in_plain_words_of_the_app_and_the_record(here: World) -> None:
    page = await begin(here, "pat.one", scope=ASKED)
    for text in ("Allow Growth Chart to use your health record?", "Ada Stone", "app.example.org", "Allergies",
                 "Lab results", "Keep access when you are not here", "Who you are", "has not checked"):  # fmt: skip
        assert text in page.text
    assert "patient/" not in re.sub(r'value="[^"]*"', "", page.text), "no scope is shown"


async def test_without_a_type_the_rest_is_granted_type_by_type(here: World) -> None:
    page = await begin(here, "pat.one", scope=ASKED)
    found = await token(here, page, *(one for one in ticked(page) if one != "patient/AllergyIntolerance.rs"))
    scope = str(found["scope"]).split()
    assert "patient/Condition.rs" in scope
    assert "patient/*.rs" not in scope
    assert not any("AllergyIntolerance" in one for one in scope)
    who = await here.site.verifier.admit(str(found["access_token"]))
    assert who.policy.permits("Condition", "r")
    assert not who.policy.permits("AllergyIntolerance", "r")


async def test_g10_AUT_PAT_33_of_a_type_single_kinds_are_granted(here: World) -> None:
    page = await begin(here, "pat.one", scope="launch/patient patient/Observation.rs patient/Patient.rs")
    found = await token(here, page, LAB, "patient/Patient.rs")
    assert str(found["scope"]).split() == ["launch/patient", LAB, "patient/Patient.rs"]


async def test_identity_and_lasting_access_are_for_the_person_to_give(here: World) -> None:
    page = await begin(here, "pat.one", scope=ASKED)
    left = [one for one in ticked(page) if one not in ("identity", "stay")]
    found = await token(here, page, *left)
    assert found["scope"] == "launch/patient patient/*.rs"
    assert not {"refresh_token", "id_token"} & found.keys()


async def test_nothing_ticked_is_a_refusal(here: World) -> None:
    page = await begin(here, "pat.one", scope=ASKED)
    assert answered(await send(here, page, "consent"))["error"] == "access_denied"
    assert await here.site.ledger.of(GRANT) == []


async def test_who_does_not_allow_is_back_in_the_app(here: World) -> None:
    page = await begin(here, "pat.one", scope=ASKED)
    refused = answered(await send(here, page, "cancel"))
    assert (refused["error"], refused["state"]) == ("access_denied", "a state")
    assert await here.site.ledger.of(GRANT) == []


async def test_what_was_not_asked_can_not_be_ticked(here: World) -> None:
    page = await begin(here, "pat.one", scope="launch/patient patient/Patient.rs")
    more = (
        "patient/Patient.rs",
        "patient/*.rs",
        "patient/Observation.rs",
        "user/*.rs",
        "identity",
        "stay",
        "system/*.rs",
    )
    found = await token(here, page, *more)
    assert found["scope"] == "launch/patient patient/Patient.rs"


async def test_a_form_of_another_page_is_refused(here: World) -> None:
    page = await begin(here, "pat.one", scope=ASKED)
    form = page.form(f"{page.path}/consent")
    sent = await here.browser.send(form, follow=False, headers={"origin": "https://evil.example"})
    assert sent.status == 403
    assert await here.site.ledger.of(GRANT) == []


async def test_names_of_apps_and_people_are_no_markup(here: World) -> None:
    await here.add("evil", name='<script>alert("x")</script>')
    here.client = "evil"
    page = await begin(here, "pat.two", scope="launch/patient patient/Patient.rs")
    page = await send(here, page, "patient", patient="p2")
    assert "<script>" not in page.text
    assert "<b>Ben" not in page.text.replace("<b>Ben &lt;b&gt;", "")


async def test_a_trusted_app_of_staff_needs_no_page_unless_it_asks_for_one(here: World) -> None:
    await here.add("ours", trusted=True)
    here.client = "ours"
    page = await begin(here, "kim.doe", scope="user/Patient.rs")
    assert "code" in answered(page)
    page = await here.authorize(scope="user/Patient.rs", prompt="consent")
    assert "has approved it" in page.text


@pytest.mark.parametrize(
    ("who", "asked", "section"),
    [
        ("kim.doe", "the records of patients that you may see?", "In the records of all patients that you may see<"),
        ("pat.one", "what you may see?", "In all records that you may see yourself<"),
    ],
)
async def test_staff_is_asked_about_records_of_patients_and_not_about_their_own(
    here: World, who: str, asked: str, section: str
) -> None:
    page = await begin(here, who, scope="user/Patient.rs")
    assert f"<h1>Allow Growth Chart to use {asked}</h1>" in page.text
    assert section in page.text


@pytest.mark.parametrize("type", sorted(CATEGORIES))
def test_every_kind_has_words_and_can_be_enforced(type: str) -> None:
    for search in CATEGORIES[type]:
        assert constraint(type, search)
        assert search[0][1].rpartition("|")[2] in words()["kinds"][type]


TABLE = roles(
    """[narrow]
    rules = [{ types = "*", may = "rs", but = ["Condition", "Goal"] }, { types = ["Condition"], may = "r" }]
    """,
    packaged(),
)
SITE = cast(Site, SimpleNamespace(roles=TABLE))
ROLES = ("patient", "practitioner", "admin", "auditor", "narrow")
TYPES = ("*", "Observation", "Condition", "Patient", "Practitioner", "Consent", "AuditEvent", "Basic", "Provenance")
LETTERS = st.sets(st.sampled_from("cruds"), min_size=1).map(lambda some: "".join(x for x in "cruds" if x in some))
LEVELS = st.sampled_from(("patient", "user"))
SCOPE = st.builds("{}/{}.{}".format, LEVELS, st.sampled_from(TYPES), LETTERS)
LIMITED = st.builds("{}/Observation.{}?category=laboratory".format, LEVELS, LETTERS)
SCOPES = st.lists(SCOPE | LIMITED, min_size=1, max_size=5).map(" ".join)


@given(SCOPES, SCOPES, st.sampled_from(ROLES), st.data())
def test_what_is_granted_is_asked_registered_within_the_role_and_ticked(
    asked: str, registered: str, role: str, data: st.DataObject
) -> None:
    table = rules((role,), TABLE)
    most = grantable(scopes.asked(asked), scopes.parse(registered), table)
    offered = [one.key for one in choices(most)]
    assert len(set(offered)) == len(offered)
    some = data.draw(st.sets(st.sampled_from(offered)) if offered else st.just(set[str]()))
    left = allowed(SITE, User("kim", "Kim", (role,)), Asked(most), some).resources
    for one in left:
        assert one in grantable(Asked((one,)), (one,), table)
        assert any(within(one, other) for other in scopes.parse(asked))
        assert any(within(one, other) for other in scopes.parse(registered))
        for letter in one.interactions:
            group = next(letters for letters in ("rs", "cu", "d") if letter in letters)
            ticks = {key for key in some if (found := scopes.parse(key)[0]).level == one.level
                     and found.type in (one.type, "*") and set(found.interactions) == set(group)}  # fmt: skip
            assert ticks, written([one])
    assert granted(most, offered) == most
    assert granted(most, []) == ()


def test_parts_of_all_types_are_judged_by_the_role_each() -> None:
    most = Asked(scopes.parse("user/*.rs"))
    some = [one.key for one in choices(most.resources) if one.type != "Flag"]
    left = written(allowed(SITE, User("kim", "Kim", ("narrow",)), most, some).resources).split()
    assert "user/Procedure.rs" in left
    assert [one for one in left if "/Goal" in one or "/Flag" in one] == []
    assert "user/Condition.r" in {one.partition("?")[0] for one in left}
    assert "user/Condition.rs" not in {one.partition("?")[0] for one in left}


@given(SCOPES, st.data())
def test_what_is_not_ticked_is_not_seen(asked: str, data: st.DataObject) -> None:
    most = scopes.parse(asked)
    offered = choices(most)
    out = data.draw(st.sampled_from([one for one in offered if not one.rest]))
    left = granted(most, [one.key for one in offered if one != out])
    for one in left:
        if one.level == out.level and set(one.search) <= set(out.search):
            letters = {"see": "rs", "change": "cu", "delete": "d"}[out.group]
            assert one.type not in (out.type, "*") or not set(one.interactions) & set(letters), written(left)


def test_every_listed_type_is_one_of_R4() -> None:
    assert policy(tuple(scopes.parse(f"user/{type}.rs")[0] for type in listed()), None).grants
    assert len(set(listed())) == len(listed())
    assert json.dumps(words())
