"""docs/reference/video-templates.md, made from the templates and tables by scripts/generate_docs.py."""

from __future__ import annotations

from collections.abc import Iterator

from hilum.video.phrases import languages
from hilum.video.refusals import REFUSALS
from hilum.video.script import BODY
from hilum.video.templates import PICTURES, ROLES, SLOTS, Say, SceneOf, Template, packaged

_ROLES = dict(
    zip(
        ROLES,
        (
            "greets the patient and says what this is",
            "says why: what the visit or the procedure is about",
            "says what to do",
            "says when to call",
            "says whom to call",
            "asks the patient to tell it in their own words",
        ),
        strict=True,
    )
)
_GROUPS = {
    "patient": "Patient: the first given name in use (`usual`, then `official`)",
    "visit": "the latest finished Encounter",
    "reason": "reasons of the visit, or of the procedure where the template needs one: `reasonCode`, else "
    "`reasonReference`, else `diagnosis`",
    "done": "completed Procedures of the visit",
    "medicine": "active MedicationRequests and MedicationStatements; where a visit is needed, those of the visit",
    "appointment": "the next Appointment that is booked",
    "procedure": "the next procedure: an active ServiceRequest, or a Procedure in preparation, with its Appointment",
    "preparation": "`patientInstruction` of the order and of its Appointment, sentence by sentence",
    "foreign": "of `preparation`, what is in another language than the script, where that is known",
    "contact": "whom to call, the first that has a telephone number at work: the place, its organisation, the "
    "clinician, the patient's own doctor",
}


def page(made: str) -> str:
    """The page as Markdown; `made`: the line that says how it came about."""
    return "\n".join(
        (
            "# Templates of videos\n",
            made,
            "A script is written from FHIR resources and a template. Each sentence is a phrase of a phrase table, its "
            "slots filled with facts, and cites the elements that they came from: version, path, value, and the words "
            "that tell them. Doses have the digits and the unit of the record; nothing is rounded, converted or "
            "guessed. Data that is missing, stale or in conflict [refuses](#refusals) the script. How to write one's "
            "own: [Write a template](../how-to/write-a-video-template.md).\n",
            "## Templates\n",
            *(line for one in packaged().values() for line in _template(one)),
            *_roles(),
            *_facts(),
            *_languages(),
            *_grades(),
            "## Refusals\n",
            "| code | what stopped it |\n|---|---|",
            *(f"| `{code}` | {what} |" for code, what in REFUSALS.items()),
            "",
            "The text names the element; it has no data of the patient but names of drugs.\n",
        )
    )


def _template(one: Template) -> Iterator[str]:
    yield f"### {one.title}: `{one.name}`\n"
    yield (
        f"Needs {', '.join(f'`{need}`' for need in one.needs)}. Gathered by the recipe `{one.recipe}`. "
        f"Approval: {one.approval}. Languages: {', '.join(one.languages)}. Reading grade: {one.grade:g} or less.\n"
    )
    yield from (f"- {kind}: of {limit.days} days at most. {limit.why}" for kind, limit in one.stale.items())
    yield ""
    yield "| scene | role | picture | says |\n|---|---|---|---|"
    yield from (_scene(scene) for scene in one.scenes)
    yield ""


def _scene(scene: SceneOf) -> str:
    each = f", for each `{scene.each}`" if scene.each else ""
    return f"| {scene.id}{each} | {scene.role} | {scene.picture} | {'<br>'.join(_say(say) for say in scene.says)} |"


def _say(say: Say) -> str:
    if say.tell:
        return (
            f"*all of the `{say.tell}`: its name, what it is for, dose, timing, limits, the words of the prescription*"
        )
    found = languages()["en"].phrases[say.phrase]
    text = found if isinstance(found, str) else found["other"]
    notes = (
        f"for each `{say.each}`" if say.each else "",
        "where it is known" if say.optional else "",
        f"where there is a `{say.where}`" if say.where else "",
        f"where there is no `{say.unless}`" if say.unless else "",
        f"can be edited, {say.limit} characters" if say.limit else "",
    )
    told = ", ".join(filter(None, notes))
    return f"{text} ({told})" if told else text


def _roles() -> Iterator[str]:
    yield "## Roles and pictures\n"
    yield "Each template has scenes of all roles:\n"
    yield from (f"- `{role}` {what}" for role, what in _ROLES.items())
    yield ""
    yield (
        f"Pictures: {', '.join(f'`{one}`' for one in PICTURES if one)}. A `calendar` marks the day that its scene "
        "tells, a `clock` the times of day of a medicine, a `body` the place of a procedure; where nothing is "
        "to be marked, another picture is drawn. Places of the body, left and right being the patient's own: "
        f"{', '.join(f'`{one}`' for one in BODY)}.\n"
    )


def _facts() -> Iterator[str]:
    yield "## Facts\n"
    yield "Slots of phrases are `{group.name}`.\n"
    yield "| group | names | from |\n|---|---|---|"
    for group, names in SLOTS.items():
        yield f"| `{group}` | {', '.join(f'`{name}`' for name in names)} | {_GROUPS[group]} |"
    yield ""
    yield (
        "A day, and a time of day, are told in the offset that they have in the record; one in UTC says so, and a day "
        "in UTC has its time. A day without a time stays one. Words of the record are told as they are, white space "
        "aside.\n"
    )


def _languages() -> Iterator[str]:
    yield "## Languages\n"
    yield "| language | table | comes reviewed |\n|---|---|---|"
    for code, table in sorted(languages().items()):
        reviewed = "by nobody" if table.notice else "hilum's own language"
        yield f"| `{code}`, {table.own} | version {table.version} | {reviewed} |"
    yield ""
    yield (
        "A script in a language that nobody has reviewed carries a notice in each scene: "
        f"*{languages()['es'].notice}* Names of conditions and procedures are told in the script's language where its "
        "table has them, always with the record's own words beside them; names of drugs stay as they are.\n"
    )


def _grades() -> Iterator[str]:
    yield "## Reading grades\n"
    yield (
        "English: Flesch-Kincaid (Kincaid and others, 1975), 0.39 x words per sentence + 11.8 x syllables per word - "
        "15.59, over all sentences of a script. Syllables are those of the CMU Pronouncing Dictionary, by a rule for "
        "words that it does not have. Spanish: the score of Fernández Huerta (1959), 206.84 - 0.60 x syllables in 100 "
        "words - 1.02 x words per sentence, as the school year that he gives: 70 is year 6, 80 year 5. Names of drugs "
        "are not counted, and are listed in the script (`exempt`); a number is a word of one syllable. A script above "
        "the template's grade is refused, and the sentence that makes it hardest is named.\n"
    )
