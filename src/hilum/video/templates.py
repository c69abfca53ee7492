"""Templates: what a video tells, in which order, as files.

Each file `<name>.toml` is one template; `templates/` holds those that come with hilum, and a folder one's own, which
stand in place of packaged ones of the same name. A template says nothing itself: it names phrases of the phrase tables,
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
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.problems import Misconfigured
from hilum.video.phrases import SLOT, languages
from hilum.video.refusals import refused
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


Templates = Mapping[str, Template]


@cache
def packaged() -> Templates:
    """The templates that come with hilum."""
    found = [one for one in (files("hilum.video") / "templates").iterdir() if one.name.endswith(".toml")]
    made = (template(one.name, one.read_text("utf-8")) for one in sorted(found, key=lambda one: one.name))
    return MappingProxyType({one.name: one for one in made})


def read(folder: Path) -> Templates:
    """The packaged templates, and those of a folder, if there is one, in their place. Raises Misconfigured."""
    found = dict(packaged())
    for path in sorted(folder.glob("*.toml")):
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeError):
            raise Misconfigured(f"The template {path} can't be read: expected a file of UTF-8 text.") from None
        made = template(str(path), text)
        found[made.name] = made
    return MappingProxyType(found)


def find(among: Templates, name: str) -> Template:
    """The template of a name. Raises Refused."""
    try:
        return among[name]
    except KeyError:
        known = ", ".join(sorted(among))
        raise refused("template-unknown", f"There is no template of this name; there are: {known}.") from None


_KEYS: Final = ("title", "recipe", "needs", "approval", "grade", "stale", "scene", "phrases")
_SCENE: Final = ("id", "role", "heading", "picture", "each", "where", "say")
_SAY: Final = ("phrase", "tell", "each", "optional", "where", "unless", "limit")


def template(file: str, text: str) -> Template:
    """The template of a TOML text; its name is that of the file. Raises Misconfigured naming file, table and key."""
    name = Path(file).name.removesuffix(".toml")
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name):
        raise Misconfigured(f"Template {file}: the name must have at most 40 letters a-z, digits and '-'.")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"Template {file} is not TOML: {error}.") from None
    place = _Place(file)
    _known(place, table, _KEYS)
    phrases = _phrases(place.at("phrases"), table.get("phrases", {}))
    needs = _list(place.at("needs"), table.get("needs"))
    for need in needs:
        if need not in SLOTS:
            raise place.at("needs").wrong(f"names {need!r}; known are: {', '.join(SLOTS)}.")
    if "patient" not in needs:
        raise place.at("needs").wrong("must name patient: a video is for somebody.")
    grade = table.get("grade", 6)
    if type(grade) not in (int, float) or not 1 <= grade <= 12:
        raise place.at("grade").wrong("must be a number from 1 to 12.")
    approval = table.get("approval", "required")
    if approval not in ("required", "none"):
        raise place.at("approval").wrong("must be required or none.")
    scenes = table.get("scene")
    if type(scenes) is not list or not scenes:
        raise place.at("scene").wrong("must be tables: [[scene]].")
    made = tuple(_scene(place.at(f"scene[{number}]"), one, phrases) for number, one in enumerate(scenes, 1))
    if len({one.id for one in made}) != len(made):
        raise place.at("scene").wrong("must have ids of their own.")
    for role in ROLES:
        if not any(one.role == role for one in made):
            raise place.at("scene").wrong(f"must have one of the role {role}; the roles are: {', '.join(ROLES)}.")
    result = Template(
        name,
        _text(place.at("title"), table.get("title")),
        _text(place.at("recipe"), table.get("recipe", "guide")),
        needs,
        made,
        _stale(place.at("stale"), table.get("stale", {})),
        approval,
        float(grade),
        phrases,
    )
    if not result.languages:
        raise place.at("phrases").wrong("must have all phrases that are not packaged in one language at least.")
    return result


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something stands: a file, and the tables and keys down to it."""

    file: str
    key: str = ""

    def at(self, key: str) -> _Place:
        return _Place(self.file, f"{self.key}.{key}" if self.key else key)

    def wrong(self, what: str) -> Misconfigured:
        return Misconfigured(f"Template {self.file}: {self.key or 'the file'} {what}")


def _known(place: _Place, table: Any, keys: Iterable[str]) -> None:
    if type(table) is not dict:
        raise place.wrong("must be a table.")
    for key in table:
        if key not in keys:
            raise place.at(key).wrong(f"is not known; known here: {', '.join(keys)}.")


def _text(place: _Place, value: Any) -> str:
    if type(value) is not str or not value.strip():
        raise place.wrong("must be a text.")
    return value


def _list(place: _Place, value: Any) -> tuple[str, ...]:
    if type(value) is not list or not value or not all(type(one) is str for one in value):
        raise place.wrong("must be a list of texts.")
    return tuple(dict.fromkeys(value))


def _stale(place: _Place, table: Any) -> Mapping[str, Stale]:
    _known(place, table, TYPE_NUMBER)
    for key, one in table.items():
        _known(place.at(key), one, ("days", "why"))
        if type(one.get("days")) is not int or not 1 <= one["days"] <= 3660:
            raise place.at(key).at("days").wrong("must be a whole number from 1 to 3660.")
        _text(place.at(key).at("why"), one.get("why"))
    return MappingProxyType({key: Stale(one["days"], one["why"]) for key, one in table.items()})


def _phrases(place: _Place, table: Any) -> Mapping[str, Mapping[str, str]]:
    _known(place, table, languages())
    for code, phrases in table.items():
        if type(phrases) is not dict:
            raise place.at(code).wrong("must be a table of phrases.")
        for name, text in phrases.items():
            if not re.fullmatch(r"[a-z][a-z0-9-]{0,59}", name) or name in languages()[code].phrases:
                raise place.at(code).at(name).wrong("must be a name of its own: letters a-z, digits and '-'.")
            _text(place.at(code).at(name), text)
            if re.search(r"[0-9]", text):
                raise place.at(code).at(name).wrong("states a number: numbers come from the record.")
            if re.search(r"[{}]", SLOT.sub("", text)):
                raise place.at(code).at(name).wrong("has a brace that is no slot, such as {visit.date}.")
    return MappingProxyType({code: MappingProxyType(dict(one)) for code, one in table.items()})


def _scene(place: _Place, table: Any, phrases: Mapping[str, Mapping[str, str]]) -> SceneOf:
    _known(place, table, _SCENE)
    id = _text(place.at("id"), table.get("id"))
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", id):
        raise place.at("id").wrong("must have at most 40 letters a-z, digits and '-'.")
    if table.get("role") not in ROLES:
        raise place.at("role").wrong(f"must be one of {', '.join(ROLES)}.")
    if table.get("picture", "") not in PICTURES:
        raise place.at("picture").wrong(f"must be one of {', '.join(PICTURES[1:])}.")
    each, where = (_group(place.at(key), table.get(key, "")) for key in ("each", "where"))
    heading = _text(place.at("heading"), table.get("heading"))
    if _slots(place.at("heading"), heading, phrases):
        raise place.at("heading").wrong("must be a phrase without slots: facts are told in sentences, which cite them.")
    listed = table.get("say")
    if type(listed) is not list or not listed:
        raise place.at("say").wrong("must be a list of phrases.")
    says = tuple(_say(place.at(f"say[{number}]"), one, phrases) for number, one in enumerate(listed, 1))
    return SceneOf(id, table["role"], heading, says, table.get("picture", ""), each, where)


def _group(place: _Place, value: Any) -> str:
    if value != "" and value not in SLOTS:
        raise place.wrong(f"must be one of {', '.join(SLOTS)}.")
    return str(value)


def _say(place: _Place, value: Any, phrases: Mapping[str, Mapping[str, str]]) -> Say:
    table = {"phrase": value} if type(value) is str else value
    _known(place, table, _SAY)
    if ("phrase" in table) is ("tell" in table):
        raise place.wrong("must have either `phrase` or `tell`.")
    each, where, unless = (_group(place.at(key), table.get(key, "")) for key in ("each", "where", "unless"))
    if "tell" in table:
        if table["tell"] not in TELLS:
            raise place.at("tell").wrong(f"must be one of {', '.join(TELLS)}.")
        return Say(tell=table["tell"], each=each, where=where, unless=unless)
    phrase = _text(place.at("phrase"), table["phrase"])
    slots = _slots(place.at("phrase"), phrase, phrases)
    optional, limit = table.get("optional", False), table.get("limit", 0)
    if type(optional) is not bool:
        raise place.at("optional").wrong("must be true or false.")
    if type(limit) is not int or not 0 <= limit <= LONGEST:
        raise place.at("limit").wrong(f"must be a whole number from 0 to {LONGEST}.")
    if limit and slots:
        raise place.at("limit").wrong(f"is for fixed advice; {phrase} tells what stands in the record.")
    return Say(phrase, "", each, optional, where, unless, limit)


def _slots(place: _Place, phrase: str, phrases: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    """The slots of a phrase in all languages that have it, which must be the same. Raises Misconfigured."""
    found: set[frozenset[str]] = set()
    for code, table in languages().items():
        if phrase in phrases.get(code, {}):
            found.add(frozenset(SLOT.findall(phrases[code][phrase])))
        elif phrase in table.phrases:
            found.add(table.slots(phrase))
    if not found:
        raise place.wrong(f"names the phrase {phrase!r}, which no language has.")
    if len(found) > 1:
        raise place.wrong(f"names the phrase {phrase!r}, which has other slots in another language.")
    for slot in next(iter(found)):
        group, _, name = slot.partition(".")
        if name not in SLOTS.get(group, ()):
            raise place.wrong(
                f"names the phrase {phrase!r}, whose slot {{{slot}}} is no fact that a template may name."
            )
    return next(iter(found))
