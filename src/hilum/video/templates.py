"""Templates: what a video tells, in which order, as files.

Each file `<name>.toml` is one template; `templates/` holds those that come with hilum, and a folder one's own
(`hilum.tables.own`). A template says nothing itself: it names phrases of the phrase tables,
or brings phrases of its own for the languages that it is for.

    title = "After-visit guide"
    recipe = "guide"
    needs = ["patient", "visit", "contact"]

    [[scene]]
    id = "why"
    role = "why"
    heading = "heading-why-visit"
    say = ["visit-when", { phrase = "visit-reason", each = "reason" }, { phrase = "call-worse", limit = 120 }]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.tables import own
from hilum.tables.own import Tables
from hilum.tables.place import Place
from hilum.video.phrases import SLOT, languages
from hilum.video.script import CALL, DO, TEACH_BACK, TITLE, WHOM, WHY

ROLES: Final = (TITLE, WHY, DO, CALL, WHOM, TEACH_BACK)
"""Each template has scenes of all of them."""
PICTURES: Final = ("", "body", "clock", "calendar", "pill", "phone", "question", "heart")
SLOTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    "patient": ("name",),
    "visit": ("date", "place", "clinician", "kind"),
    "reason": ("name",),
    "done": ("name", "site"),
    "medicine": ("name",),
    "appointment": ("when", "what", "place"),
    "procedure": ("name", "when", "site", "place"),
    "preparation": ("words",),
    "foreign": ("words",),
    "contact": ("name", "phone"),
})  # fmt: skip
"""Groups of facts, and what can be said of each."""
APPROVALS: Final[tuple[Literal["required", "none"], ...]] = ("required", "none")
"""Who says that a video may go out: a person, or its template."""
TELLS: Final = ("medicine",)
"""Groups whose rows bring sentences of their own, all of which are told."""
LONGEST: Final = 300
"""Characters of a sentence that is edited, at most."""


@dataclass(frozen=True, slots=True)
class Say:
    """One entry of a scene: a phrase, or `tell`: all sentences of a row of this group. `each`: once for each row of a
    group. `optional`: left out where a slot has nothing to say. `where`, `unless`: only where a group has rows, or has
    none. `limit`: characters that a clinician may put in its place; 0 for none.
    """

    phrase: str = ""
    tell: str = ""
    each: str = ""
    optional: bool = False
    where: str = ""
    unless: str = ""
    limit: int = 0


@dataclass(frozen=True, slots=True)
class SceneOf:
    """One scene, or one for `each` row of a group, and only `where` a group has rows."""

    id: str
    role: str
    heading: str
    says: tuple[Say, ...]
    picture: str = ""
    each: str = ""
    where: str = ""


class Stale(NamedTuple):
    """How many days old data may be, and why not more, dated."""

    days: int
    why: str


@dataclass(frozen=True, slots=True)
class Template:
    """`recipe`: of the broker, that gathers what is needed. `needs`: groups that must have rows. `stale`: how old data
    of a type may be. `grade`: the highest reading grade. `phrases`: its own, by language.
    """

    name: str
    title: str
    recipe: str
    needs: tuple[str, ...]
    scenes: tuple[SceneOf, ...]
    stale: Mapping[str, Stale]
    approval: Literal["required", "none"] = "required"
    grade: float = 6.0
    phrases: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages in which all of its phrases are."""
        names = {say.phrase for scene in self.scenes for say in scene.says if say.phrase}
        names |= {scene.heading for scene in self.scenes}
        return tuple(
            code
            for code, table in sorted(languages().items())
            if all(name in table.phrases or name in self.phrases.get(code, {}) for name in names)
        )


class Templates(Tables[Template]):
    """Templates by name."""

    kind = "template"


@cache
def packaged() -> Templates:
    """The templates that come with hilum."""
    return Templates(own.packaged(files("hilum.video") / "templates", template))


def templates(folder: Path) -> Templates:
    """The packaged templates, and those of a folder, if there is one, in their place."""
    return own.beside(Templates, packaged(), folder, template)


_KEYS: Final = ("title", "recipe", "needs", "approval", "grade", "stale", "scene", "phrases")
_SCENE: Final = ("id", "role", "heading", "picture", "each", "where", "say")
_SAY: Final = ("phrase", "tell", "each", "optional", "where", "unless", "limit")


def template(file: str, text: str) -> Template:
    """The template of a TOML text; its name is that of the file. Raises Misconfigured naming file, table and key."""
    name, place, table = own.opened("template", file, text)
    place.known(table, _KEYS)
    phrases = _phrases(place.at("phrases"), table.get("phrases", {}))
    needs = place.at("needs").texts(table.get("needs"), SLOTS)
    if "patient" not in needs:
        raise place.at("needs").wrong("must name patient: a video is for somebody")
    grade = table.get("grade", 6)
    if type(grade) not in (int, float) or not 1 <= grade <= 12:
        raise place.at("grade").wrong("must be a number from 1 to 12", grade)
    approval = place.at("approval").one_of(table.get("approval", "required"), APPROVALS)
    scenes = place.at("scene").tables(table.get("scene"))
    made = tuple(_scene(where, one, phrases) for where, one in scenes)
    if len({one.id for one in made}) != len(made):
        raise place.at("scene").wrong("must have ids of their own")
    for role in ROLES:
        if not any(one.role == role for one in made):
            raise place.at("scene").wrong(f"must have one of the role {role}; the roles are: {', '.join(ROLES)}")
    result = Template(
        name,
        place.at("title").text(table.get("title")),
        place.at("recipe").text(table.get("recipe", "guide")),
        needs,
        made,
        _stale(place.at("stale"), table.get("stale", {})),
        approval,
        float(grade),
        phrases,
    )
    if not result.languages:
        raise place.at("phrases").wrong("must have all phrases that are not packaged in one language at least")
    return result


def _stale(place: Place, table: Any) -> Mapping[str, Stale]:
    found = {}
    for key, one in place.known(table, TYPE_NUMBER).items():
        here = place.at(key)
        here.known(one, ("days", "why"))
        days = here.at("days").whole(one.get("days"), 1, 3660)
        found[key] = Stale(days, here.at("why").text(one.get("why")))
    return MappingProxyType(found)


def _phrases(place: Place, table: Any) -> Mapping[str, Mapping[str, str]]:
    for code, phrases in place.known(table, languages()).items():
        if type(phrases) is not dict:
            raise place.at(code).wrong("must be a table of phrases", phrases)
        for name, text in phrases.items():
            here = place.at(code).at(name)
            if not re.fullmatch(r"[a-z][a-z0-9-]{0,59}", name) or name in languages()[code].phrases:
                raise here.wrong("must be a name of its own: letters a-z, digits and '-'")
            here.text(text)
            if re.search(r"[0-9]", text):
                raise here.wrong("states a number: numbers come from the record", text)
            if re.search(r"[{}]", SLOT.sub("", text)):
                raise here.wrong("has a brace that is no slot, such as {visit.date}", text)
    return MappingProxyType({code: MappingProxyType(dict(one)) for code, one in table.items()})


def _scene(place: Place, table: Any, phrases: Mapping[str, Mapping[str, str]]) -> SceneOf:
    place.known(table, _SCENE)
    id = place.at("id").text(table.get("id"))
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", id):
        raise place.at("id").wrong("must have at most 40 letters a-z, digits and '-'", id)
    role = place.at("role").one_of(table.get("role"), ROLES)
    picture = place.at("picture").one_of(table.get("picture", ""), PICTURES)
    each, where = (_group(place.at(key), table.get(key, "")) for key in ("each", "where"))
    heading = place.at("heading").text(table.get("heading"))
    if _slots(place.at("heading"), heading, phrases):
        raise place.at("heading").wrong("must be a phrase without slots: facts are told in sentences, which cite them")
    listed = table.get("say")
    if type(listed) is not list or not listed:
        raise place.at("say").wrong("must be a list of phrases", listed)
    says = tuple(_say(place.at(f"say[{number}]"), one, phrases) for number, one in enumerate(listed, 1))
    return SceneOf(id, role, heading, says, picture, each, where)


def _group(place: Place, value: Any) -> str:
    return place.one_of(value, ("", *SLOTS))


def _say(place: Place, value: Any, phrases: Mapping[str, Mapping[str, str]]) -> Say:
    table = place.known({"phrase": value} if type(value) is str else value, _SAY)
    if ("phrase" in table) is ("tell" in table):
        raise place.wrong("must have either `phrase` or `tell`")
    each, where, unless = (_group(place.at(key), table.get(key, "")) for key in ("each", "where", "unless"))
    if "tell" in table:
        tell = place.at("tell").one_of(table["tell"], TELLS)
        return Say(tell=tell, each=each, where=where, unless=unless)
    phrase = place.at("phrase").text(table["phrase"])
    slots = _slots(place.at("phrase"), phrase, phrases)
    optional = place.at("optional").flag(table.get("optional", False))
    limit = place.at("limit").whole(table.get("limit", 0), 0, LONGEST)
    if limit and slots:
        raise place.at("limit").wrong(f"is for fixed advice; {phrase} tells what stands in the record")
    return Say(phrase, "", each, optional, where, unless, limit)


def _slots(place: Place, phrase: str, phrases: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    """The slots of a phrase in all languages that have it, which must be the same. Raises Misconfigured."""
    found: set[frozenset[str]] = set()
    for code, table in languages().items():
        if phrase in phrases.get(code, {}):
            found.add(frozenset(SLOT.findall(phrases[code][phrase])))
        elif phrase in table.phrases:
            found.add(table.slots(phrase))
    if not found:
        raise place.wrong(f"names the phrase {phrase!r}, which no language has")
    if len(found) > 1:
        raise place.wrong(f"names the phrase {phrase!r}, which has other slots in another language")
    for slot in next(iter(found)):
        group, _, name = slot.partition(".")
        if name not in SLOTS.get(group, ()):
            raise place.wrong(f"names the phrase {phrase!r}, whose slot {{{slot}}} is no fact that a template may name")
    return next(iter(found))
