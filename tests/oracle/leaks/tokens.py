"""Random tokens: scopes of every form, roles, a patient in context or none, in the hands of all sorts of people."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.oracle.leaks import roles, scopes
from tests.oracle.leaks.populations import STATES, WRITABLE
from tests.oracle.leaks.rights import Context, Rights, rights
from tests.oracle.leaks.world import World
from tests.oracle.populations import TYPES
from tests.oracle.queries import CONSTRAINTS

PACKAGED = Path(__file__).resolve().parents[3] / "src" / "hilum" / "access" / "roles.toml"
"""The roles that there are without further ado: data."""

OWN = """
[nurse]
title = "Nurse"
picks = "any"
rules = [
  { types = "*", may = "rs", but = ["Condition", "Basic"] },
  { types = ["Observation"], may = "cud", search = "category=laboratory" },
  { types = ["Observation", "Appointment", "Task"], may = "cruds", within = "own" },
]

[carer]
title = "Carer"
picks = "own"
shared = ["Practitioner", "Location"]
rules = [
  { types = "*", may = "rs", within = "own" },
  { types = ["Observation"], may = "cud", within = "own", search = "category=vital-signs" },
  { types = ["Encounter"], may = "s" },
]

[clerk]
title = "Clerk"
rules = [
  { types = ["Patient", "Encounter", "Appointment", "Binary", "Communication"], may = "cruds" },
  { types = ["Location", "Device"], may = "r" },
  { types = ["Observation"], may = "ud" },
]
"""
"""Roles of a house of its own."""

TABLE = roles.read(PACKAGED.read_text()) | roles.read(OWN) if PACKAGED.is_file() else roles.read(OWN)

SEARCHES = CONSTRAINTS | {
    "Basic": ((("code", STATES[0]),), (("code:not", STATES[1]),)),
    "Task": ((("status", "requested"), ("identifier", "v1,v2")),),
    "Device": ((("identifier", "urn:leak|v1,urn:leak|v2"),),),
    "Communication": ((("identifier", "v1,v3"),),),
    "Practitioner": ((("active", "true"),),),
    "Medication": ((("identifier", "v1,v2"),),),
    "*": ((("_tag", "t1"),), (("_security:not", "R"),), (("identifier", "v1,v2,v3"),)),
}
"""What granular scopes are about."""

LETTERS = (
    "rs",
    "rs",
    "rs",
    "cruds",
    "cruds",
    "r",
    "s",
    "cud",
    "ud",
    "crus",
    "us",
    "cs",
    "cus",
    "read",
    "write",
    "*",
    "rds",
)


@dataclass(frozen=True)
class Token:
    """`words`: the scopes that were granted; `roles`: of the person, None where there is none."""

    words: str
    roles: tuple[str, ...] | None
    context: Context

    def rights(self, world: World) -> Rights:
        """What the evaluator says that it may do."""
        some = None if self.roles is None else [TABLE[name] for name in self.roles]
        return rights(world.population, scopes.read(self.words), some, self.context)

    def __str__(self) -> str:
        return f"[{self.words}] as {self.roles}, {self.context}"


KINDS = ("patient", "patient", "clinician", "clinician", "house", "house", "machine", "minted", "stranger", "narrow")


def token(chance: random.Random, world: World, kinds: tuple[str, ...] = KINDS) -> Token:
    """One token: an app's of a patient, of a clinician, or of a machine, or one that `hilum token` minted."""
    patients = [item.id for item in world.population.by_type["Patient"]]
    patient = chance.choice(patients[: chance.choice((1, 3, 3, 99))])
    own = tuple(sorted({patient, *chance.sample(patients, min(len(patients), chance.choice((0, 0, 1))))}))
    kind = chance.choice(kinds)
    if kind == "machine":
        return Token(_words(chance, ("system",)), None, Context())
    if kind == "narrow":  # may read what stands for another resource, and not that one
        words = f"{_words(chance, ('patient',))} patient/Binary.{chance.choice(('r', 'crud'))}"
        return Token(words if chance.random() < 0.5 else words.split()[-1], None, Context(patient))
    if kind == "stranger":  # somebody else's patient is in context
        others = tuple(one for one in own if one != patient)
        return Token(
            _words(chance, ("patient", "user")), chance.choice((("patient",), ("carer",))), Context(patient, others)
        )
    if kind == "bound":
        return Token(_words(chance, ("patient",)), None, Context(patient))
    if kind == "minted":
        return Token(_words(chance, ("patient", "patient", "user", "system")), None, Context(patient))
    states = (chance.choice(STATES),) if chance.random() < 0.4 else ()
    in_context = patient if chance.random() < 0.9 else None
    if kind == "patient":
        context = Context(in_context, own, ("Patient", patient), states)
        return Token(_words(chance, ("patient", "patient", "user")), ("patient",), context)
    practitioners = [item.id for item in world.population.by_type["Practitioner"]]
    me = ("Practitioner", chance.choice(practitioners)) if chance.random() < 0.7 else None
    names = (
        ("practitioner",)
        if kind == "clinician"
        else chance.choice((("nurse",), ("carer",), ("carer",), ("clerk", "auditor")))
    )
    if chance.random() < 0.1:
        names = ("admin",)
    others = tuple(one for one in own if one != patient)
    context = Context(in_context, own if chance.random() < 0.6 else others, me, states)
    return Token(_words(chance, ("patient", "user", "user")), names, context)


def _words(chance: random.Random, levels: tuple[str, ...]) -> str:
    """One to four scopes, wide and narrow ones beside each other."""
    found = []
    for _ in range(chance.choice((1, 2, 2, 3, 4))):
        level, letters = chance.choice(levels), chance.choice(LETTERS)
        type = chance.choice(("*", "*", chance.choice(WRITABLE), chance.choice(TYPES)))
        search = ""
        if type in SEARCHES and chance.random() < (0.5 if type != "*" else 0.2):
            pairs = chance.choice(SEARCHES[type])
            search = "?" + "&".join(f"{name}={quote(value, safe='|,:/')}" for name, value in pairs)
        found.append(f"{level}/{type}.{letters}{search}")
    return " ".join(dict.fromkeys(found))
