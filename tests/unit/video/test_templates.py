"""Templates: those that come with hilum are sound; what is wrong in a file is told by file, table and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.video.records import NOW, bodies, resources, texts

from hilum.broker import recipes
from hilum.problems import Invalid, Misconfigured
from hilum.video.templates import ROLES, packaged, template, templates
from hilum.video.writing import write

OWN = """
title = "After the vaccine"
needs = ["patient", "visit", "contact"]
approval = "none"
grade = 5

[stale.Encounter]
days = 14
why = "Side effects come within two weeks."

[phrases.en]
vaccine = "You got your shot on {visit.date}."
vaccine-rest = "Rest today if you feel tired."

[[scene]]
id = "hello"
role = "title"
heading = "title-after-visit"
picture = "heart"
say = ["hello"]

[[scene]]
id = "why"
role = "why"
heading = "heading-why-visit"
picture = "calendar"
say = ["vaccine"]

[[scene]]
id = "do"
role = "do"
heading = "heading-do"
say = [{ phrase = "vaccine-rest", limit = 100 }]

[[scene]]
id = "call"
role = "call"
heading = "heading-call"
say = ["call-worse"]

[[scene]]
id = "whom"
role = "whom"
heading = "heading-whom"
say = ["whom", "whom-phone"]

[[scene]]
id = "teach-back"
role = "teach-back"
heading = "heading-teach"
say = ["teach-call"]
"""


def test_the_packaged_templates_are_sound() -> None:
    assert list(packaged()) == ["after-visit", "medications", "procedure"]
    for name, one in packaged().items():
        assert one.name == name
        assert one.approval == "required"
        assert one.grade == 6
        assert one.languages == ("en", "es")
        assert one.recipe in recipes.packaged()
        assert {scene.role for scene in one.scenes} == set(ROLES)


def test_their_recipe_gathers_the_types_that_facts_are_made_of() -> None:
    assert set(recipes.packaged()["guide"].types) == {
        "Patient", "Encounter", "Condition", "AllergyIntolerance", "Procedure", "MedicationRequest",
        "MedicationStatement", "ServiceRequest", "Appointment", "Practitioner", "Location", "Organization",
    }  # fmt: skip


def test_advice_can_be_edited_and_facts_can_not() -> None:
    for one in packaged().values():
        for say in (say for scene in one.scenes for say in scene.says if say.limit):
            assert say.phrase.startswith(("advice-", "call-", "teach-"))


def test_a_folder_s_templates_stand_beside_and_in_place_of_the_packaged(tmp_path: Path) -> None:
    (tmp_path / "vaccine.toml").write_text(OWN)
    (tmp_path / "procedure.toml").write_text(OWN)
    found = templates(tmp_path)
    assert list(found) == ["after-visit", "medications", "procedure", "vaccine"]
    assert found["procedure"].title == "After the vaccine"
    assert templates(tmp_path / "none") == packaged()


def test_one_s_own_template_says_its_own_phrases_in_the_languages_that_it_has() -> None:
    own = template("vaccine.toml", OWN)
    assert (own.languages, own.approval, own.stale) == (
        ("en",),
        "none",
        {"Encounter": (14, "Side effects come within two weeks.")},
    )
    script = write(own, "en", resources(bodies()), NOW)
    assert texts(script)[1:3] == ["You got your shot on Friday, November 20, 2026.", "Rest today if you feel tired."]


def test_the_how_to_s_template_can_be_read() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "how-to" / "write-a-video-template.md").read_text()
    own = template("vaccine.toml", page.partition("```toml\n")[2].partition("```")[0])
    assert "You got your shot on Friday, November 20, 2026." in texts(write(own, "en", resources(bodies()), NOW))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title = ", "titel = ", "Template vaccine.toml: titel is not known; known here: title, recipe, needs"),
        ('title = "After the vaccine"', "title = 1", "title must be a text; found 1."),
        ('"visit", "contact"', '"visit", "budget"', "needs must be a list of patient, visit,"),
        ('"patient", ', "", "needs must name patient"),
        ('approval = "none"', 'approval = "maybe"', "approval must be one of required, none; found 'maybe'."),
        ("grade = 5", "grade = 50", "grade must be a number from 1 to 12"),
        ("days = 14", "days = 0", "stale.Encounter.days must be a whole number"),
        ("[stale.Encounter]", "[stale.Meeting]", "stale.Meeting is not known"),
        ('why = "Side effects come within two weeks."', "", "stale.Encounter.why must be a text"),
        ('role = "why"', 'role = "because"', "scene[2].role must be one of title, why, do"),
        ('role = "call"', 'role = "do"', "scene must have one of the role call"),
        ('id = "call"', 'id = "do"', "scene must have ids of their own."),
        ('picture = "heart"', 'picture = "cat"', "scene[1].picture must be one of body, clock"),
        ('heading = "heading-do"', 'heading = "hello"', "scene[3].heading must be a phrase without slots"),
        (
            'say = ["hello"]',
            'say = ["howdy"]',
            "scene[1].say[1].phrase names the phrase 'howdy', which no language has.",
        ),
        ('say = ["hello"]', "say = []", "scene[1].say must be a list of phrases"),
        ('say = ["hello"]', 'say = [{ phrase = "hello", limit = 50 }]', "limit is for fixed advice"),
        ('say = ["hello"]', 'say = [{ phrase = "hello", tell = "medicine" }]', "must have either `phrase` or `tell`."),
        ('say = ["hello"]', 'say = [{ tell = "patient" }]', "tell must be one of medicine"),
        ('say = ["hello"]', 'say = [{ phrase = "hello", each = "cat" }]', "each must be one of patient, visit"),
        ("limit = 100", "limit = 3000", "limit must be a whole number from 0 to 300; found 3000."),
        ("{visit.date}", "{visit.weather}", "whose slot {visit.weather} is no fact that a template may name."),
        ("{visit.date}", "{Visit}", "phrases.en.vaccine has a brace that is no slot"),
        ("feel tired", "feel tired for 2 days", "phrases.en.vaccine-rest states a number"),
        ("vaccine-rest = ", "hello = ", "phrases.en.hello must be a name of its own"),
        ("[phrases.en]", "[phrases.tlh]", "phrases.tlh is not known"),
        ("[phrases.en]", "[phrases.en", "is not TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(old: str, new: str, said: str) -> None:
    assert old in OWN
    with pytest.raises(Misconfigured) as found:
        template("vaccine.toml", OWN.replace(old, new, 1))
    assert said in str(found.value)
    assert "vaccine.toml" in str(found.value)


def test_a_name_that_is_none_and_a_file_that_is_no_text_are_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="the name must have"):
        template("Vaccine 1.toml", OWN)
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    found = templates(tmp_path)
    assert dict(found) == dict(packaged()), "a file stops only itself"
    with pytest.raises(Invalid, match=r"The template 'bad' can't be used\. Template .*/bad\.toml can't be read"):
        found.named("bad")
