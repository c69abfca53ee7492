"""Recipes as files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from hilum.broker.gathered import Reason, State
from hilum.broker.recipes import Ask, Limits, Recipe, Recipes, packaged, recipe, recipes
from hilum.problems import Invalid, Misconfigured
from hilum.search.parse import parse_query

VISITS = """
title = "Visits"
start = ["mrn"]
store = "none"

[limits]
resources = 100
megabytes = 2

[[ask]]
type = "Encounter"
search = "patient={patient}&_include=Encounter:location&date=ge2024"

[[ask]]
type = "Observation"
search = "encounter={Encounter}"

[[ask]]
name = "Seen by"
type = "Practitioner"
read = "Encounter.participant.individual"
"""


def wrong(text: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        recipe("/etc/recipes/mine.toml", text)
    said = str(caught.value)
    assert said.startswith("Recipe /etc/recipes/mine.toml")
    return said.removeprefix("Recipe /etc/recipes/mine.toml").removeprefix(": ")


def asking(more: str) -> str:
    return f'title = "Mine"\n[[ask]]\ntype = "Encounter"\nsearch = "patient={{patient}}"\n[[ask]]\n{more}'


def test_a_recipe_says_where_it_starts_what_it_asks_and_how_much_it_takes() -> None:
    assert recipe("visits.toml", VISITS) == Recipe(
        "visits",
        "Visits",
        ("mrn",),
        (
            Ask(
                "Encounter",
                "Encounter",
                (("patient", "{patient}"), ("_include", "Encounter:location"), ("date", "ge2024")),
                along=("Location",),
            ),
            Ask("Observation", "Observation", (("encounter", "{Encounter}"),), after=("Encounter",)),
            Ask("Seen by", "Practitioner", read="Encounter.participant.individual", after=("Encounter",)),
        ),
        "none",
        Limits(resources=100, bytes=2 << 20),
    )


def test_a_recipe_without_asks_gathers_the_patient_from_any_start() -> None:
    assert recipe("who.toml", 'title = "Who"') == Recipe("who", "Who", ("mrn", "patient", "launch"), ())


def test_the_payload_of_a_recipe_is_kept_as_it_stands() -> None:
    text = 'title = "Who"\n[payload.fields]\nname = { from = "Patient", path = "name.given.first()", type = "string" }'
    fields = {"name": {"from": "Patient", "path": "name.given.first()", "type": "string"}}
    assert recipe("who.toml", text).payload == {"fields": fields}


def test_the_example_of_the_reference_page_is_sound() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/reference/recipes.md").read_text()
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert [one.name for one in recipe("visits.toml", text).asks] == [
        "Encounter",
        "Vital signs",
        "Procedure",
        "Practitioner",
    ]
    for state in (*get_args(State), *get_args(Reason)):
        assert f"`{state}`" in page


def test_the_packaged_recipes_are_sound() -> None:
    assert list(packaged()) == ["demographics", "documents", "guide", "record", "visits"]
    assert packaged()["visits"].types[:3] == ("Patient", "Encounter", "Observation")


@pytest.mark.parametrize(
    ("more", "types"),
    [
        ("_include=Encounter:location", ("Location",)),
        (
            "_include=MedicationRequest:medication&_include:iterate=Medication:manufacturer",
            ("Medication", "Organization"),
        ),
        ("_include=Encounter:serviceProvider:Organization", ("Organization",)),
        ("_include=Observation:focus:Specimen", ("Specimen",)),
        ("_revinclude=Provenance:target", ("Provenance",)),
        ("_revinclude:iterate=Task:focus:Goal", ("Task",)),
        ("_count=5&_sort=date", ()),
    ],
)
def test_the_includes_of_a_search_say_which_types_come_along(more: str, types: tuple[str, ...]) -> None:
    made = recipe("mine.toml", f'title = "Mine"\n[[ask]]\ntype = "Goal"\nsearch = "patient={{patient}}&{more}"')
    assert made.asks[0].along == types
    assert made.taken == {"Patient", "Goal", *types}


@pytest.mark.parametrize("name", sorted(packaged()))
def test_the_packaged_recipes_ask_by_parameters_of_r4(name: str) -> None:
    for ask in packaged()[name].asks:
        if ask.search:
            parse_query(ask.type, [(one, value.replace("{patient}", "p1")) for one, value in ask.search])


def test_a_folder_adds_recipes_and_takes_the_place_of_packaged_ones(tmp_path: Path) -> None:
    (tmp_path / "visits.toml").write_text(VISITS)
    (tmp_path / "short.toml").write_text('title = "Short"')
    found = recipes(tmp_path)
    assert sorted(found) == ["demographics", "documents", "guide", "record", "short", "visits"]
    assert found["visits"].store == "none"
    assert recipes(tmp_path / "nowhere") == Recipes(packaged())


def test_a_file_that_is_not_sound_stops_itself_alone(tmp_path: Path) -> None:
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "odd.toml").write_bytes(b"\xff")
    (folder / "My own.toml").write_text('title = "Mine"')
    (folder / "sent.toml").write_text('title = "Sent"\n[payload.fields]\nname = { from = "Patient", path = "nam" }')
    (folder / "folder.toml").mkdir()
    (folder / "visits.toml").write_text("title = 3")
    (folder / "short.toml").write_text('title = "Short"')
    found = recipes(folder)
    assert sorted(found) == ["demographics", "documents", "guide", "record", "short"], "no packaged one in its place"
    assert found.named("short").title == "Short"
    for name, says in (
        ("odd", "Recipe recipes/odd.toml can't be read"),
        ("My own", "Recipe recipes/My own.toml: the name must have"),
        ("sent", "Recipe recipes/sent.toml, [payload].fields.name"),
        ("folder", "Recipe recipes/folder.toml can't be read"),
        ("visits", "Recipe recipes/visits.toml: title must be a text"),
    ):
        with pytest.raises(Invalid, match=re.escape(f"The recipe {name!r} can't be used. {says}")):
            found.named(name)
    with pytest.raises(Invalid, match=r"There is no recipe 'none'\. There are demographics, .*, short\.$"):
        found.named("none")
    assert found.names == {*found, "odd", "My own", "sent", "folder", "visits"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = ", "is not TOML"),
        ('start = ["mrn"]', "title must be a text"),
        ('title = "Mine"\nstart = ["name"]', "start must be a list of mrn, patient, launch"),
        ('title = "Mine"\nstore = "lake"', "store must be one of own, none"),
        ('title = "Mine"\npayload = 3', "payload must be a table"),
        ('title = "Mine"\nask = 3', "ask must be tables"),
        ('title = "Mine"\nasks = 3', "asks is not known; known here: title"),
        ('title = "Mine"\n[limits]\nresources = 0', "limits.resources must be a whole number from 1"),
        ('title = "Mine"\n[limits]\nat_once = true', "limits.at_once must be a whole number from 1"),
        ('title = "Mine"\n[limits]\nbytes = 1', "limits.bytes is not known"),
        (asking('type = "Visit"'), "ask[2].type must be a resource type"),
        (asking('type = "Patient"\nsearch = "_id={patient}"'), "ask[2].type is Patient"),
        (asking('type = "SearchParameter"\nsearch = "a={patient}"'), "ask[2].type is SearchParameter, which is about"),
        (asking('type = "Goal"'), "ask[2] must have either `search` or `read`"),
        (asking('type = "Goal"\nsearch = "a"\nread = "b"'), "ask[2] must have either `search` or `read`"),
        (asking('type = "Encounter"\nsearch = "a"'), "ask[2].name 'Encounter' is that of another part"),
        (asking('type = "Goal"\nname = "{x}"\nsearch = "a"'), "ask[2].name must have at most"),
        (asking('type = "Goal"\nsearch = "patient"'), "ask[2].search must be search parameters"),
        (asking('type = "Goal"\nsearch = "status=active"'), "ask[2].search must say whose"),
        (asking('type = "Goal"\nsearch = "patient={Condition}"'), "names {Condition}: expected {patient}"),
        (asking('type = "Goal"\nsearch = "patient={Patient}"'), "names {Patient}: expected {patient}"),
        (asking('type = "Goal"\nsearch = "x=Encounter/{Encounter}"'), "must have {Encounter} as the whole value"),
        (asking('type = "Goal"\nsearch = "a={Encounter}&b={Encounter}"'), "must name each placeholder once"),
        (asking('type = "Goal"\nsearch = "patient={patient}&_summary=true"'), "must not set _summary"),
        (
            asking('type = "Goal"\nsearch = "patient={patient}&_include=*"'),
            "as Type:parameter or Type:parameter:Target",
        ),
        (asking('type = "Goal"\nsearch = "patient={patient}&_include=Goals:x"'), "by types of R4"),
        (asking('type = "Goal"\nsearch = "patient={patient}&_include=Goal:subject:Goals"'), "by types of R4"),
        (asking('type = "Goal"\nsearch = "patient={patient}&_include=Goal:x"'), "does not say what it brings"),
        (asking('type = "Task"\nsearch = "patient={patient}&_include=Task:focus"'), "name the type, Task:focus:Target"),
        (
            asking('type = "Goal"\nsearch = "patient={patient}&_revinclude=AuditEvent:entity"'),
            "ask[2].search brings along AuditEvent, which is about servers",
        ),
        (asking('type = "Location"\nread = "Goal.subject"'), "ask[2].read must be a FHIRPath that begins with"),
        (asking('type = "Location"\nread = "Encounter.where"'), "ask[2].read is no FHIRPath on Encounter"),
        (asking('type = "Location"\nread = "Encounter.place"'), "ask[2].read is no FHIRPath on Encounter"),
    ],
)
def test_a_recipe_that_is_wrong_is_told_by_file_table_and_key(text: str, said: str) -> None:
    assert said in wrong(text)


def test_the_name_of_a_recipe_is_that_of_its_file() -> None:
    with pytest.raises(Misconfigured, match="the name must have"):
        recipe("My Recipe.toml", 'title = "Mine"')
