"""Wrong facts, planted into scripts: each by plain replacement in a sentence, with citations forged to fit it.

Nothing here reads as the checker reads: a planter knows where it puts its lie by a pattern of its own.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

Body = dict[str, Any]
_UNITS = {
    "en": ("mg", "mL", "mcg", "g", "mEq", "tablet", "tablets", "capsule", "puffs", "drops", "units"),
    "es": ("mg", "mL", "mcg", "g", "mEq", "tableta", "tabletas", "cápsula", "inhalaciones", "gotas", "unidades"),
}
_AMOUNT = re.compile(
    rf"(?<![\w.])(\d+(?:\.\d+)?) ({'|'.join(sorted({*_UNITS['en'], *_UNITS['es']}, key=len, reverse=True))})\b"
)
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
]
_DAYS = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "lunes",
    "martes",
    "miércoles",
    "jueves",
    "viernes",
    "sábado",
    "domingo",
]
_SIDES = {
    "left": "right",
    "right": "left",
    "Left": "Right",
    "Right": "Left",
    "izquierdo": "derecho",
    "derecho": "izquierdo",
    "izquierda": "derecha",
    "derecha": "izquierda",
}
_ROUTES = {
    "en": ("by mouth", "under your tongue", "in your nose", "on your skin", "under your skin"),
    "es": ("por la boca", "debajo de la lengua", "en la nariz", "en la piel", "debajo de la piel"),
}
_DRUGS = (
    "Lisinopril",
    "Metformin",
    "Amlodipine",
    "Warfarin",
    "Atenolol",
    "Simvastatin",
    "Levothyroxine",
    "Gabapentin",
    "Azithromycin",
    "Prednisone",
    "Omeprazole",
    "Tramadol",
    "Ciprofloxacin",
)
_CONDITIONS = (
    "Hypertension",
    "Type 2 diabetes",
    "Asthma",
    "Acute bronchitis",
    "Sinus infection",
    "Bladder infection",
    "Cough",
    "Sore knee",
    "Back pain",
)
_OFTEN = (
    (re.compile(r"\b([2-9]) (times|veces)\b"), lambda f: f"{int(f[1]) + 1} {f[2]}"),
    (re.compile(r"\bonce (?=every)"), lambda f: "twice "),
    (re.compile(r"\buna vez (?=cada)"), lambda f: "2 veces "),
    (re.compile(r"\bevery (day|week)\b"), lambda f: "every week" if f[1] == "day" else "every day"),
    (re.compile(r"\bcada (día|semana)\b"), lambda f: "cada semana" if f[1] == "día" else "cada día"),
    (re.compile(r"\b(every|cada) (\d+) (hours|horas|days|días)\b"), lambda f: f"{f[1]} {int(f[2]) * 2} {f[3]}"),
    (re.compile(r"\bin the morning\b"), lambda f: "in the evening"),
    (re.compile(r"\bpor la mañana\b"), lambda f: "por la noche"),
)
Change = tuple[int, int, str]


class Planted(NamedTuple):
    """`where`: the sentence's id; `before`, `after`: its texts; `forged`: how its citations were."""

    kind: str
    forged: str
    where: str
    before: str
    after: str
    script: Body


def _amounts(text: str, random: Random) -> Iterator[Change]:
    for found in _AMOUNT.finditer(text):
        number = found[1]
        options = [f"{number}0" if "." not in number else number.replace(".", ""), str(int(float(number)) + 1)]
        options += [f"0.{number}"] if "." not in number else []
        yield found.start(1), found.end(1), random.choice(options)


def _units(units: tuple[str, ...], text: str, random: Random) -> Iterator[Change]:
    for found in _AMOUNT.finditer(text):
        others = [one for one in units if one.rstrip("s") != found[2].rstrip("s")]
        yield found.start(2), found.end(2), random.choice(others)


def _times(text: str, random: Random) -> Iterator[Change]:
    for found in re.finditer(r"\b(\d+):(\d\d) (a|p)(?=\. ?m)", text):
        if random.random() < 0.5:
            yield found.start(3), found.end(3), "p" if found[3] == "a" else "a"
        else:
            yield found.start(1), found.end(1), str(int(found[1]) % 12 + 1)


def _dates(text: str, random: Random) -> Iterator[Change]:
    for name in (*_MONTHS, *_DAYS):
        for found in re.finditer(rf"\b{name}\b", text):
            listed = next(one for one in (_MONTHS[:12], _MONTHS[12:], _DAYS[:7], _DAYS[7:]) if name in one)
            yield found.start(), found.end(), random.choice([one for one in listed if one != name])
    for found in re.finditer(r"\b(\d\d?)(?:, | de \w+ de )(20\d\d)\b", text):
        day = int(found[1])
        yield found.start(1), found.end(1), str(day + 7 if day < 21 else day - 7)  # of the same weekday
        yield found.start(2), found.end(2), str(int(found[2]) + 1)


def _swapped(words: tuple[str, ...], text: str, random: Random) -> Iterator[Change]:
    for one in words:
        for found in re.finditer(rf"(?<!\w){re.escape(one)}(?!\w)", text):
            yield found.start(), found.end(), random.choice([other for other in words if other != one])


def _sides(text: str, random: Random) -> Iterator[Change]:
    for found in re.finditer(rf"\b({'|'.join(_SIDES)})\b(?! (?:way|away))", text):
        yield found.start(), found.end(), _SIDES[found[0]]


def _often(text: str, random: Random) -> Iterator[Change]:
    for pattern, change in _OFTEN:
        for found in pattern.finditer(text):
            yield found.start(), found.end(), change(found)


def _phones(text: str, random: Random) -> Iterator[Change]:
    for found in re.finditer(r"[+(]?\d[\d() -]{8,}\d", text):
        place = random.choice([n for n in range(*found.span()) if text[n].isdigit()])
        yield place, place + 1, str((int(text[place]) + random.randint(1, 9)) % 10)
        yield found.start(), found.end(), random.choice(("+1-928-555-0000", "+1-928-555-0001", "928-555-7777"))


def planters(names: tuple[str, ...] = (), language: str = "en") -> dict[str, Callable[[str, Random], Iterator[Change]]]:
    """By kind. `names`: of people and places of the Bundle."""
    foreign = ("Maiden", "Oldname", "Dr. Eve Other", "Elsewhere Hospital", "Nick")

    def named(text: str, random: Random) -> Iterator[Change]:
        for one in names:
            for found in re.finditer(rf"(?<!\w){re.escape(one)}(?!\w)", text):
                yield found.start(), found.end(), random.choice([o for o in (*names, *foreign) if o != one])

    return {
        "drug": lambda text, random: _swapped(_DRUGS, text, random),
        "dose": _amounts,
        "unit": lambda text, random: _units(_UNITS[language], text, random),
        "time": _times,
        "date": _dates,
        "side": _sides,
        "name": named,
        "frequency": _often,
        "phone": _phones,
        "route": lambda text, random: _swapped(_ROUTES[language], text, random),
        "condition": lambda text, random: _swapped(_CONDITIONS, text, random),
    }


FORGED = ("nothing", "said", "value", "elsewhere", "none")
"""What is forged of the citations: nothing; words; words and value; they lead to another element; there are none."""


def plant(script: Body, kind: str, forged: str, names: tuple[str, ...], random: Random) -> Planted | None:
    """One wrong fact of a kind somewhere in the script, in a sentence that cites; None where there is no place."""
    planter = planters(names, script["language"])[kind]
    places = [
        (one["id"], change)
        for scene in script["scenes"]
        for one in scene["sentences"]
        if one.get("cites")
        for change in planter(one["text"], random)
    ]
    if not places:
        return None
    where, (start, end, new) = random.choice(places)
    made = copy.deepcopy(script)
    (sentence,) = (one for scene in made["scenes"] for one in scene["sentences"] if one["id"] == where)
    text = sentence["text"]
    after = f"{text[:start]}{new}{text[end:]}"
    everything = [cite for scene in script["scenes"] for one in scene["sentences"] for cite in one.get("cites", ())]
    _forge(sentence, text, (start, end, new), forged, everything, random)
    sentence["text"] = after
    return Planted(kind, forged, where, text, after, made)


def _forge(sentence: Body, text: str, change: Change, forged: str, others: list[Body], random: Random) -> None:
    if forged == "nothing":
        return
    sentence.pop("spoken", None)
    if forged == "none":
        sentence["cites"] = []
        return
    start, end, new = change
    for cite in sentence["cites"]:
        at = text.find(cite.get("said") or "\0")
        if at < 0 or not at <= start < at + len(cite["said"]):
            continue
        old = cite["said"]
        cite["said"] = old[: start - at] + new + old[end - at :]
        if forged == "value":
            cite["value"] = cite["said"]
        elif forged == "elsewhere":
            cite |= {key: value for key, value in random.choice(others).items() if key != "said"}


def left_out(script: Body, phrase: str) -> tuple[str, Body] | None:
    """The script without its first sentence made of that phrase, and the scene's id."""
    made = copy.deepcopy(script)
    for scene in made["scenes"]:
        for one in scene["sentences"]:
            if one["phrase"] == phrase and len(scene["sentences"]) > 1:
                scene["sentences"].remove(one)
                return scene["id"], made
    return None
