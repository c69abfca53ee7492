"""Random searches of a population: every type, prefix, modifier, chain and include, under random policies.

Values are drawn from what the population says and from near it, so that most searches find something but not all.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.oracle import populations, prose, units
from tests.oracle.contained import inside
from tests.oracle.criteria import PREFIXES, Refused
from tests.oracle.definitions import SearchParameter
from tests.oracle.evaluator import Population
from tests.oracle.links import HIERARCHIES
from tests.oracle.records import Item, Name, Permit, Policy
from tests.oracle.values import Date, Identifier, Number, Position, Reference, String, Text, Token, Typed, Uri

Pair = tuple[str, str]


@dataclass(frozen=True)
class Question:
    """One search as in a URL: `type` None is system-level, `compartment` as in Patient/1/Observation."""

    type: str | None
    pairs: tuple[Pair, ...]
    policy: Policy | None = None
    compartment: Name | None = None

    def __str__(self) -> str:
        where = "/".join(part for part in (*(self.compartment or ()), self.type) if part)
        return f"{where}?{'&'.join(f'{name}={value}' for name, value in self.pairs)} as {self.policy}"


def escape(text: str) -> str:
    r"""`,` `|` `$` `\` as themselves."""
    return "".join("\\" + c if c in ",|$\\" else c for c in text)


CONSTRAINTS: dict[str, tuple[tuple[Pair, ...], ...]] = {
    "Observation": (
        (("category", "laboratory"),),
        (("category", f"{populations.CATEGORIES}|vital-signs"),),
        (("status", "final,amended"), ("category:not", "laboratory")),
        (("value-quantity", "gt5"),),
    ),
    "Condition": ((("category", "a,b,c"),), (("code:text", "heart"),)),
    "Patient": ((("gender", "male"),), (("active", "true"), ("birthdate", "ge2013"))),
    "Encounter": ((("status", "finished"),),),
    "Location": ((("status", "active"),),),
    "DocumentReference": ((("status", "current"),),),
}
"""Constraints of policies that make sense for a type; any type may be constrained by its labels, too."""


class Asker:
    """Makes questions about one population."""

    def __init__(self, population: Population, seed: int) -> None:
        self.population = population
        self.chance = random.Random(seed)
        self.aside = random.Random(f"contained {seed}")
        self.apart = random.Random(f"prose {seed}")
        self.within = random.Random(f"within {seed}")
        self.between = random.Random(f"between {seed}")
        self.by_type: dict[str, list[SearchParameter]] = {}
        self.holders: list[Item] | None = None

    def pick(self, values: Any) -> Any:
        """One of them."""
        return self.chance.choice(values)

    def maybe(self, probability: float) -> bool:
        """True so often."""
        return self.chance.random() < probability

    def question(self) -> Question:
        """One search: the first of a few that finds something but not all, else the last, whatever it finds."""
        make = self.any_question
        usual = self.chance
        if self.apart.random() < 0.1:
            make, self.chance = self.text_question, self.apart
        elif self.aside.random() < 0.15:  # with chances of its own: the other questions stay what they are
            make, self.chance = self.contained_question, self.aside
        elif self.within.random() < 0.15:
            make, self.chance = self.inward_question, self.within
        elif self.between.random() < 0.08:
            make, self.chance = self.between_question, self.between
        try:
            return self._telling(make)
        finally:
            self.chance = usual

    def _telling(self, make: Callable[[], Question]) -> Question:
        for _ in range(5):
            asked = make()
            try:
                found = self.population.search(asked.type, asked.pairs, asked.policy, asked.compartment)
            except Refused:
                continue
            whole = self.population.by_type.get(asked.type, ()) if asked.type else self.population.items
            if 0 < found.total < len(whole):
                break
        return asked

    def any_question(self) -> Question:
        """One search."""
        kind = self.chance.random()
        compartment: Name | None = None
        if kind < 0.07:
            return self.system_level()
        type = self.pick(self.population.items).type
        if kind < 0.15:
            owner = self.pick(("Patient", "Patient", "Practitioner", "Encounter"))
            members = [t for t in self.population.definitions.compartments[owner] if t in self.population.by_type]
            type, compartment = self.pick(members), self.name_of(owner)
        pairs = [self.pair(type, 3) for _ in range(self.pick((0, 1, 1, 1, 1, 2, 2, 3)))]
        if self.maybe(0.3):
            pairs.append(("_sort", self.sort((type,))))
        if self.maybe(0.35):
            pairs += [self.include(type) for _ in range(self.pick((1, 1, 2)))]
        return Question(type, tuple(pairs), self.policy(), compartment)

    def between_question(self) -> Question:
        """A search between two dates, of which a resource may have several."""
        type = self.pick(self.population.items).type
        if self.population.by_type.get("Encounter") and self.maybe(0.4):
            type = "Encounter"
        dates = [one for one in self.useful(type) if one.type == "date"]
        if not dates:
            return self.any_question()
        code = self.pick(dates).code
        pairs = []
        for prefixes in (("gt", "ge", "sa"), ("lt", "le", "eb")):
            text = self.pick((*populations.TIMES, *map(str, range(2010, 2017)), "2013-04"))
            pairs.append((code, self.pick(prefixes) + text))
        if self.maybe(0.3):
            pairs.append(self.pair(type, 0))
        if self.maybe(0.2):
            pairs.append(("_sort", self.sort((type,))))
        return Question(type, tuple(pairs), self.policy())

    def text_question(self) -> Question:
        """A search for words."""
        type = self.pick(self.population.items).type
        pairs = [self._words(type) for _ in range(self.pick((1, 1, 2)))]
        if self.maybe(0.3):
            name, value = self._words(type := self.pick(["Patient", "Questionnaire"]))
            chained = {"Patient": ("Observation", "subject:Patient"), "Questionnaire": ("QuestionnaireResponse", "")}
            type, link = chained[type]
            pairs = [(f"{link or 'questionnaire'}.{name}", value)]
        if self.maybe(0.3):
            pairs.append(self.pair(type, 1))
        if self.maybe(0.3):
            pairs.append(("_sort", self.sort((type,))))
        return Question(type, tuple(pairs), self.policy())

    def _words(self, type: str) -> Pair:
        """`_text` or `_content` with words and phrases that some resource of the type has."""
        where = self.pick(("_text", "_content", "_content"))
        said = [
            text for item in self.population.by_type.get(type, ()) for text in prose.texts(item.body, where) if text
        ]
        pieces = [self._piece(self.pick(said) if said else ["heart"]) for _ in range(self.pick((1, 1, 2, 3)))]
        return where, self.pick((" ", " ", " OR ", ",", " AND ", " AND NOT ")).join(pieces)

    def _piece(self, text: list[str]) -> str:
        """A word, some words, or a phrase; now and then in another order, or within a NOT."""
        start = self.chance.randrange(len(text))
        some = text[start : start + self.pick((1, 2, 2, 3))]
        if self.maybe(0.1):
            some = some[::-1]
        found = " ".join(some).replace("not", "x").title()
        found = f'"{found}"' if self.maybe(0.6) else f"({found})"
        return f"NOT {found}" if self.maybe(0.1) else found

    def contained_question(self) -> Question:
        """A search for what resources contain."""
        types = sorted({item.type for item in inside(self.population.items)} & set(self.population.by_type))
        if not types:
            return self.any_question()
        type = self.pick(types)
        pairs: list[Pair] = [("_contained", self.pick(("true", "true", "both")))]
        apart = self.maybe(0.5)
        if apart or self.maybe(0.2):
            pairs.append(("_containedType", "contained" if apart else "container"))
        pairs += [self._of_contained(type) for _ in range(self.pick((0, 1, 1, 2, 2, 3)))]
        if self.maybe(0.4):
            pairs.append(("_sort", self.sort((type,))))
        if self.maybe(0.35):
            pairs.append(self.include(type))
        compartment = self.name_of("Patient") if self.maybe(0.1) else None
        members = self.population.definitions.compartments["Patient"]
        return Question(type, tuple(pairs), self.policy(), compartment if type in members else None)

    def inward_question(self) -> Question:
        """A search by chains that lead from a resource into what it contains, and perhaps on from there."""
        if self.holders is None:
            self.holders = [item for item in self.population.items if "contained" in item.body and self._ways(item)]
        if not self.holders:
            return self.any_question()
        holder = self.pick(self.holders)
        ways = self._ways(holder)
        pairs: list[Pair] = []
        for _ in range(self.pick((1, 1, 1, 2))):
            chain, end = self.pick(ways)
            further = [(f"{chain}.{link}", other) for link, other in self._ways(end)]
            if further and self.maybe(0.5):
                chain, end = self.pick(further)
            name, value = self.pair(end.type, self.pick((0, 0, 0, 2)))
            if name in ("_list", "_filter"):
                name, value = "_id", self.pick(("n1", "n2", "c1", "c2", "c1,n2"))
            pairs.append((f"{chain}.{name}", value))
        if self.maybe(0.3):
            pairs.append(self.pair(holder.type, 1))
        if self.maybe(0.2):
            return Question("Patient", ((f"_has:{holder.type}:patient:{pairs[0][0]}", pairs[0][1]),), self.policy())
        if self.maybe(0.2):
            pairs.append(("_sort", self.sort((holder.type,))))
        return Question(holder.type, tuple(pairs), self.policy())

    def _ways(self, item: Item) -> list[tuple[str, Item]]:
        """Links of a chain from a resource to what it, or its container, contains."""
        found = []
        for parameter in self.references(item.type):
            local = self.population.local(item, parameter)
            targets = self.population.aim(item.type, parameter).targets
            for end in inside([item.holder or item]) if local else ():
                if end.id in local and end.type in (targets or (end.type,)):
                    typed = self.maybe(0.7) or not targets
                    found.append((f"{parameter.code}:{end.type}" if typed else parameter.code, end))
        return found

    def _of_contained(self, type: str) -> Pair:
        """Nothing about what refers there."""
        while True:
            name, value = self.pair(type, 2)
            if not name.startswith(("_has", "_list", "_filter")):
                return name, value

    def system_level(self) -> Question:
        """A search of several types, or of all."""
        pairs: list[Pair] = []
        types = tuple(self.chance.sample(sorted(self.population.by_type), self.chance.randint(1, 3)))
        if self.maybe(0.7):
            pairs.append(("_type", ",".join(types)))
        if self.maybe(0.15):
            pairs.append(("_type:not", self.pick((types[0], "Patient", "Group,Claim"))))
        code = self.pick(("_tag", "_security", "_profile", "_id", "_lastUpdated", None))
        if code in ("_tag", "_security", "_profile"):
            pairs.append(self.plain(types[0], self.parameter(types[0], code)))
        elif code == "_id":
            pairs.append(("_id", f"n{self.chance.randint(1, 9)},n{self.chance.randint(1, 4)}"))
        elif code == "_lastUpdated":
            pairs.append(("_lastUpdated", self.updated()))
        if self.maybe(0.3):
            pairs.append(("_sort", self.pick(("_lastUpdated", "-_lastUpdated", "_id", "-_id,_lastUpdated"))))
        if self.maybe(0.2):
            pairs.append(self.include(types[0]))
        compartment = self.name_of("Patient") if self.maybe(0.3) else None
        return Question(None, tuple(pairs), self.policy(), compartment)

    # --- one parameter ----------------------------------------------------------------------------------------------

    def parameter(self, type: str, code: str) -> SearchParameter:
        """The parameter of a type."""
        return self.population.parameter(type, code)

    def useful(self, type: str) -> list[SearchParameter]:
        """Parameters of which the population has values, and a few others."""
        if type not in self.by_type:
            all_of = sorted(self.population.definitions.parameters(type), key=lambda one: one.code)
            items = self.population.by_type.get(type, ())
            self.by_type[type] = [
                one
                for one in all_of
                if one.code not in ("_id", "_lastUpdated")
                and (
                    (one.type != "composite" and any(self.population.values(item, one) for item in items))
                    or (one.type == "composite" and any(any(map(any, e)) for i in items for e in self.elements(i, one)))
                    or self.maybe(0.05)
                )
            ]
        return self.by_type[type]

    def elements(self, item: Any, parameter: SearchParameter) -> list[Any]:
        """Per element of a composite, per component, the values."""
        return self.population.elements(item, parameter)

    def pair(self, type: str, depth: int) -> Pair:
        """One (name, value)."""
        kind = self.chance.random()
        if kind < 0.04:
            ids = ",".join(f"n{self.chance.randint(1, 9)}" for _ in range(self.chance.randint(1, 3)))
            return self.pick(("_id", "_id", "_id:not")), self.pick((ids, f"{type}/{ids}"))
        if kind < 0.07:
            return "_lastUpdated", self.updated()
        if kind < 0.1:
            return "_list", self.pick([item.id for item in self.population.by_type.get("List", ())] or ["nobody"])
        if kind < 0.18:
            return "_filter", self.filter(type, 2)
        if kind < 0.3 and depth:
            return self.chain(type, depth)
        if kind < 0.38 and depth:
            return self.has(type, depth)
        useful = self.useful(type)
        rare = [one for one in useful if one.type in ("quantity", "number", "composite", "uri", "special")]
        if rare and self.maybe(0.3):
            useful = rare
        return self.plain(type, self.pick(useful)) if useful else ("_id", "n1")

    def plain(self, type: str, parameter: SearchParameter) -> Pair:
        """A parameter of the type itself, perhaps with a modifier, with one to three alternatives."""
        code = parameter.code
        if parameter.type not in ("composite", "special") and self.maybe(0.06):
            return f"{code}:missing", self.pick(("true", "false"))
        modifier = self.modifier(type, parameter)
        count = self.pick((1, 1, 1, 1, 2, 3))
        texts = [self.value(type, parameter, modifier) for _ in range(count)]
        return code + (f":{modifier}" if modifier else ""), ",".join(texts)

    def modifier(self, type: str, parameter: SearchParameter) -> str:
        """A modifier that the parameter knows, or none."""
        if self.maybe(0.55):
            return ""
        match parameter.type:
            case "token":
                forms = self.population.forms(type, parameter)
                known = ["not"]
                if forms & {"CodeableConcept", "Coding", "Identifier"}:
                    known += ["text"]
                if "Identifier" in forms:
                    known += ["of-type", "of-type"]
                if forms & {"CodeableConcept", "Coding"}:
                    known += ["in", "not-in", "below", "above"]
                if self.population.mime(type, parameter):
                    known += ["below"] * 3
                found = self.pick(known)
            case "string":
                found = self.pick(("exact", "contains"))
            case "uri":
                found = self.pick(("below", "above"))
            case "reference":
                aim = self.population.aim(type, parameter)
                known = ["below"]
                if aim.addresses:
                    known = ["identifier", *(aim.targets or ("Patient", "Observation"))[:4]]
                    if set(aim.targets) & set(HIERARCHIES):
                        known += ["below", "above"] * 2
                found = self.pick(known)
            case _:
                found = ""
        return str(found)

    def seen(self, type: str, parameter: SearchParameter, kind: Any) -> Any:
        """A value of this kind that some resource has; None where none has."""
        items = self.population.by_type.get(type, ())
        found = [v for item in items for v in self.population.values(item, parameter) if isinstance(v, kind)]
        return self.pick(found) if found else None

    def value(self, type: str, parameter: SearchParameter, modifier: str) -> str:
        """One alternative."""
        match parameter.type, modifier:
            case "token", "" | "not":
                return self.token(self.seen(type, parameter, Token), self.population.forms(type, parameter))
            case "token", "text":
                found = self.seen(type, parameter, Text)
                return self.words(found.folded if found else "heart")
            case "token", "of-type":
                typed = self.seen(type, parameter, Typed) or Typed(populations.IDENTIFIER_TYPES, "MR", "x")
                return "|".join(map(escape, (typed.system or "?", typed.code or "?", typed.value)))
            case "token", "in" | "not-in":
                id = self.pick(("named", "under-c", "not-b", "both"))
                return str(self.pick((f"http://example.org/vs/{id}", f"ValueSet/{id}")))
            case "token", "below" if self.population.mime(type, parameter):
                return str(self.pick(("text", "text/", "Text/XML", "text/plain", "image/png", "urn:ietf:bcp:13|text")))
            case "token", _:
                return f"{populations.TREE}|{self.pick('abcde')}"
            case "string", _:
                found = self.seen(type, parameter, String)
                return self.string(found.written if found else "Peter", modifier)
            case "date", _:
                return self.date(self.seen(type, parameter, Date))
            case "number", _:
                return str(self.pick(("", "", *PREFIXES))) + self.number(self.seen(type, parameter, Number))
            case "quantity", _:
                return self.quantity(self.seen(type, parameter, Number))
            case "uri", _:
                return escape(self.uri(self.seen(type, parameter, Uri), modifier))
            case "reference", "identifier":
                return self.token(self.seen(type, parameter, Identifier), frozenset())
            case "reference", _:
                return self.reference(type, parameter, modifier)
            case "special", _:
                return self.near(self.seen(type, parameter, Position))
            case _:
                return self.composite(type, parameter)

    def token(self, found: Any, forms: frozenset[str]) -> str:
        """`code`, `system|code`, `|code` or `system|`, of a value that is there or of none."""
        if found is None or self.maybe(0.08):
            found = (self.pick((populations.LOINC, None)), self.pick(populations.CODES))
        system, code = found[0], found[1]
        if forms == {"boolean"}:
            return str(self.pick(("true", "false")))
        if forms and forms <= {"ContactPoint", "uri", "boolean"}:
            return escape(code or "x")
        kind = self.chance.random()
        if code is None or (system and kind < 0.08):
            return f"{escape(system or 'urn:mrn')}|"
        if kind < 0.5:
            return escape(code)
        if kind < 0.58 and "string" in forms:
            return escape(code.swapcase())
        return f"{escape(system or '')}|{escape(code)}"

    def words(self, folded: str) -> str:
        """The beginning of some word of a text."""
        words = folded.split()
        start = self.chance.randrange(len(words))
        rest = " ".join(words[start:])
        return escape(rest[: self.chance.randint(1, len(rest))].strip() or "x")

    def string(self, written: str, modifier: str) -> str:
        """A piece of a text, or another spelling of it; something with a letter in it."""
        text = written
        if modifier == "exact":
            return escape(text if self.maybe(0.7) else text.upper())
        if modifier == "contains":
            start = self.chance.randrange(len(text))
            text = text[start : start + self.chance.randint(1, 6)]
        elif self.maybe(0.6):
            text = text[: self.chance.randint(1, len(text))]
        elif " " in text:
            text = text.partition(" ")[2]
        text = self.pick((str, str.upper, str.lower))(text)
        return escape(text) if any(c.isalnum() for c in text) else "e"

    def date(self, found: Date | None) -> str:
        """A prefix and a date of the population."""
        return str(self.pick(("", "", *PREFIXES)) + self.pick(populations.TIMES))

    def updated(self) -> str:
        """A prefix and the time of some resource, or its day."""
        item = self.pick(self.population.items)
        text = item.body["meta"]["lastUpdated"] if self.maybe(0.8) else item.body["meta"]["lastUpdated"][:10]
        return str(self.pick(("", *PREFIXES)) + text)

    def number(self, found: Number | None) -> str:
        """A number that is there or near it, with more or fewer digits."""
        at = found.low if found and abs(found.low) != float("inf") else found.high if found else 5.4
        if abs(at) == float("inf"):
            at = 5.0
        written = (f"{at:g}", f"{at:.1f}", f"{at:.2f}", f"{at:.0f}", f"{at:.0e}", f"{at:.2e}", f"{at:.4f}")
        text = self.pick((*written, f"{at:.0e}".replace("e+0", "e")))
        if self.maybe(0.2):
            text = f"{at * self.pick((1.1, 0.9, 1.01)) + self.pick((0, 1)):.3g}"
        return str(text)

    def quantity(self, found: Number | None) -> str:
        """A number with its unit, with another of the same dimension, with a human unit, or without."""
        prefix = self.pick(("", "", *PREFIXES))
        kind = self.chance.random()
        if found is None or kind < 0.25:
            return str(prefix) + self.number(found)
        if found.system == units.UCUM and found.code in units.UNITS and kind < 0.75:
            dimension = units.UNITS[found.code][0]
            unit = self.pick([code for code, (kin, _) in units.UNITS.items() if kin == dimension])
            return self.in_unit(prefix, found, unit)
        if found.system == units.UCUM and found.code in units.KELVINS and kind < 0.75:
            return self.in_unit(prefix, found, self.pick(tuple(units.KELVINS)))
        if found.system and kind < 0.78:
            return f"{prefix}{self.number(found)}|{escape(found.system)}|"
        if kind < 0.81:
            beside = self.pick((found.system, found.code, found.unit)) or "mg"
            return f"{prefix}{self.number(found)}|{escape(beside)}"
        if kind < 0.85:
            return f"{prefix}{self.number(found)}||{escape(found.unit or found.code or 'mg')}"
        system = self.pick((found.system or units.UCUM, units.UCUM, populations.LOCAL))
        return f"{prefix}{self.number(found)}|{escape(system)}|{escape(found.code or 'mg')}"

    def in_unit(self, prefix: str, found: Number, unit: str) -> str:
        """The same in another unit."""
        how = units.conversion(found.code or "", unit)
        assert how is not None
        by, plus = map(float, how)
        at = Number(found.low * by + plus, found.high * by + plus)
        return f"{prefix}{self.number(at)}|{units.UCUM}|{escape(unit)}"

    def uri(self, found: Uri | None, modifier: str) -> str:
        """A uri, or one under or over it."""
        text = found.text if found else "http://example.org/fhir/q"
        if found and found.versioned and self.maybe(0.5):
            text = text.partition("|")[0]
        if not modifier:
            return text
        text, _, version = text.partition("|")
        if not text.startswith("http") and self.maybe(0.8):
            text = "http://example.org/fhir/q/1"
        if modifier == "below":
            over = text.rpartition("/")[0] or text
            versions = (f"{text}|{version}", f"{text}|{version.partition('.')[0]}") if version else ()
            return str(self.pick((text, over, over + "/", text[:-1], text[: len(text) // 2], "http", *versions)))
        return str(self.pick((text, text + "/5", text + "/_history/5", text + "5")))

    def reference(self, type: str, parameter: SearchParameter, modifier: str) -> str:
        """A reference in one of its spellings."""
        aim = self.population.aim(type, parameter)
        if not aim.addresses:
            return escape(self.below(self.seen(type, parameter, Uri), modifier))
        elsewhere = self.seen(type, parameter, Uri)
        if elsewhere and not modifier and not aim.restricted and self.maybe(0.1):
            return escape(elsewhere.text)
        if modifier in ("below", "above"):
            kinds = [t for t in HIERARCHIES if t in aim.targets]
            return "/".join(self.name_of(self.pick(kinds)))
        name = self.seen(type, parameter, Reference)
        if modifier and (name is None or name.type != modifier):
            name = Reference(*self.name_of(modifier))
        if name is None:
            name = Reference(*self.name_of(self.pick(aim.targets or ("Patient",))))
        base = self.population.base
        return str(
            self.pick(
                (f"{name.type}/{name.id}", f"{name.type}/{name.id}", name.id, f"{base}/{name.type}/{name.id}")
                + ((f"{name.type}/{name.id}/_history/1",) if self.maybe(0.2) else ())
            )
        )

    def below(self, found: Uri | None, modifier: str) -> str:
        """A canonical, whole, without its version, or with the beginning of it."""
        text = found.text if found else "http://example.org/fhir/q|1"
        url, _, version = text.partition("|")
        return str(self.pick((text, url, f"{url}|{version.partition('.')[0] or '1'}")))

    def near(self, found: Position | None) -> str:
        """A place near one of the population's, and how far."""
        latitude, longitude = found or (60.0, 25.0)
        latitude += self.pick((0, 0.01, -0.1 if latitude > 0 else 0.1))
        unit = self.pick(("", "|km", "|m", "|[mi_us]"))
        distance = self.pick(("1.5", "3", "20", "150", "1000")) if unit != "|m" else self.pick(("1500", "20000"))
        return str(self.pick((f"{latitude:.4f}|{longitude:.4f}", f"{latitude:.4f}|{longitude:.4f}|{distance}{unit}")))

    def composite(self, type: str, parameter: SearchParameter) -> str:
        """Values of one element, or of two."""
        elements = [e for i in self.population.by_type.get(type, ()) for e in self.elements(i, parameter) if all(e)]
        element = self.pick(elements) if elements else [[] for _ in parameter.components]
        if elements and self.maybe(0.3):
            element = [self.pick(elements)[n] for n in range(len(parameter.components))]
        texts = []
        for component, values in zip(parameter.components, element, strict=True):
            part = self.population.part(type, parameter, component)
            texts.append(self.part(type, part, [v for v in values if not isinstance(v, (Text, Typed, Identifier))]))
        return "$".join(texts)

    def part(self, type: str, part: SearchParameter, values: list[Any]) -> str:
        """One component of a composite."""
        found = self.pick(values) if values else None
        match part.type:
            case "token":
                return self.token(found, self.population.forms(type, part))
            case "string":
                return self.string(found.written if found else "Heart", "")
            case "date":
                return self.date(found)
            case "number":
                return str(self.pick(("", *PREFIXES))) + self.number(found)
            case "quantity":
                return self.quantity(found)
            case _:
                return f"{found.type}/{found.id}" if isinstance(found, Reference) else "DocumentReference/n1"

    # --- other resources --------------------------------------------------------------------------------------------

    def name_of(self, type: str) -> Name:
        """A resource of a type, seldom one that is not there."""
        there = self.population.by_type.get(type, ())
        return (type, self.pick(there).id) if there and self.maybe(0.95) else (type, "nobody")

    def references(self, type: str) -> list[SearchParameter]:
        """Reference parameters of a type."""
        return [p for p in self.useful(type) if p.type == "reference"]

    def chain(self, type: str, depth: int) -> Pair:
        """A chained parameter, mostly typed."""
        references = self.references(type)
        if not references:
            return "_id", "n1"
        parameter = self.pick(references)
        targets = list(self.population.aim(type, parameter).targets or ("Patient", "Observation"))
        there = [t for t in targets if t in self.population.by_type]
        target = self.pick(there or targets)
        name, value = self.pair(target, depth - 1)
        if name in ("_list", "_filter"):
            name, value = "_id", self.name_of(target)[1]
        elif self.maybe(0.08):
            name, value = self.pick(("_type", "_type", "_type:not")), self.pick((target, f"{target},Group", "Patient"))
        typed = self.maybe(0.7) if self.population.aim(type, parameter).targets else True
        return f"{parameter.code}{f':{target}' if typed else ''}.{name}", value

    def has(self, type: str, depth: int) -> Pair:
        """A reverse chain."""
        referring = [
            (source, p)
            for source in sorted(self.population.by_type)
            for p in self.references(source)
            if type in (self.population.aim(source, p).targets or (type,))
        ]
        if not referring:
            return "_id", "n1"
        source, parameter = self.pick(referring)
        name, value = self.pair(source, depth - 1)
        if name in ("_list", "_filter"):
            name, value = "_id", self.name_of(source)[1]
        elif self.maybe(0.04):
            name, value = self.pick(("_type", "_type:not")), self.pick((source, "Patient"))
        return f"_has:{source}:{parameter.code}:{name}", value

    def include(self, type: str) -> Pair:
        """`_include` or `_revinclude`, with or without a type, a wildcard, or `:iterate`."""
        iterate = self.pick((":iterate", ":iterate", ":recurse")) if self.maybe(0.35) else ""
        if self.maybe(0.08):
            return self.pick(("_include", "_revinclude")) + iterate, self.pick(("*", "*:*"))
        if self.maybe(0.5):
            source = self.pick(sorted(self.population.by_type)) if iterate and self.maybe(0.5) else type
            references = self.references(source)
            if not references or self.maybe(0.1):
                return f"_include{iterate}", f"{source}:*"
            parameter = self.pick(references)
            targets = self.population.aim(source, parameter).targets
            target = f":{self.pick(targets or ('Patient', 'Observation'))}" if self.maybe(0.3) else ""
            return f"_include{iterate}", f"{source}:{parameter.code}{target}"
        name, _ = self.has(type, 1)
        if name == "_id":
            return f"_revinclude{iterate}", "Observation:*"
        _, source, code, _ = name.split(":", 3)
        if self.maybe(0.1):
            return f"_revinclude{iterate}", f"{source}:*"
        return f"_revinclude{iterate}", f"{source}:{code}" + (f":{type}" if self.maybe(0.2) else "")

    # --- order, filter, policy --------------------------------------------------------------------------------------

    def sort(self, types: tuple[str, ...]) -> str:
        """One to three keys, up or down."""
        codes = [p.code for p in self.useful(types[0]) if p.type not in ("composite", "special")]
        keys = [self.pick((*codes, "_id", "_lastUpdated")) for _ in range(self.pick((1, 1, 2, 3)))]
        return ",".join(self.pick(("", "-")) + key for key in dict.fromkeys(keys))

    def filter(self, type: str, depth: int) -> str:
        """An expression of `_filter`."""
        kind = self.chance.random()
        if depth and kind < 0.3:
            word = self.pick(("and", "or"))
            return f"{self.filter(type, depth - 1)} {word} {self.filter(type, depth - 1)}"
        if depth and kind < 0.4:
            return f"not ({self.filter(type, depth - 1)})"
        if depth and kind < 0.45:
            return f"({self.filter(type, depth - 1)})"
        if depth and kind < 0.6 and (references := self.references(type)):
            parameter = self.pick(references)
            targets = self.population.aim(type, parameter).targets or ("Patient",)
            target = self.pick([t for t in targets if t in self.population.by_type] or targets)
            inside = f"[{self.filter(target, 0)}]" if self.maybe(0.4) else ""
            return f"{parameter.code}{inside}.{self.filter(target, 0)}"
        if type == "Group" and self.maybe(0.4):
            return self.of_element("characteristic[code eq {}].value eq {}", type, "characteristic", "value")
        if type == "DocumentReference" and self.maybe(0.4):
            return self.of_element("relatesTo[code eq {}].target re {}", type, "relation", "relatesto")
        useful = [p for p in self.useful(type) if p.type not in ("composite", "special")]
        if not useful:
            return "_id eq n1"
        parameter = self.pick(useful)
        operation, value = self.operation(type, parameter)
        if any(c in value for c in ' ()[]"\\') or self.maybe(0.3):
            value = json.dumps(value, ensure_ascii=False)
        return f"{parameter.code} {operation} {value}"

    def of_element(self, text: str, type: str, *codes: str) -> str:
        """Two tests of one element."""
        some = [self.population.parameter(type, code) for code in codes]
        return text.format(*(json.dumps(self.value(type, one, ""), ensure_ascii=False) for one in some))

    def operation(self, type: str, parameter: SearchParameter) -> Pair:
        """An operation of `_filter` that the parameter knows, and a value."""
        if self.maybe(0.1):
            return "pr", self.pick(("true", "false"))

        def without_prefix(text: str) -> str:
            return text[2:] if text[:2] in PREFIXES else text

        match parameter.type:
            case "string":
                operation = self.pick(("eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le"))
                modifier = {"co": "contains", "sw": ""}.get(operation, "exact")
                return operation, self.value(type, parameter, modifier)
            case "token":
                coded = self.population.forms(type, parameter) & {"CodeableConcept", "Coding"}
                operation = self.pick(("eq", "eq", "ne", "ne", *(("ss", "sb", "in", "ni") if coded else ())))
                modifier = {"ss": "below", "sb": "above", "in": "in", "ni": "in"}.get(operation, "")
                value = self.value(type, parameter, modifier)
                return operation, value if modifier else self.recased(value)
            case "reference":
                return "re", self.value(type, parameter, "")
            case "uri":
                single = parameter.code in ("url", "_source")  # of several urls there is no `ne`
                return self.pick(("eq", "ne")) if single else "eq", self.value(type, parameter, "")
            case "date":
                return self.pick((*PREFIXES, "po", "co")), without_prefix(self.value(type, parameter, ""))
            case _:
                return self.pick(PREFIXES), without_prefix(self.value(type, parameter, ""))

    def recased(self, text: str) -> str:
        """A token, its code perhaps in another case, of which a store knows that it may be meant."""
        system, bar, code = text.rpartition("|")
        others = (code.lower(), code.upper(), code.capitalize(), code.swapcase())
        few = sum(letter.lower() != letter.upper() for letter in code) <= 6
        usual = [one for one in others if few or code in (one.lower(), one.upper(), one.capitalize())]
        return f"{system}{bar}{self.pick((code, *usual))}"

    def policy(self) -> Policy | None:
        """Everything, or per type: everything, nothing, some compartments, some constraints, or several of these."""
        if self.maybe(0.45):
            return None
        patients = tuple(self.name_of("Patient") for _ in range(self.pick((1, 1, 2))))
        found: dict[str, tuple[Permit, ...]] = {}
        for type in populations.TYPES:
            kind = self.chance.random()
            if kind < 0.1:
                continue
            if kind < 0.45:
                found[type] = (Permit(),)
                continue
            in_compartment = type == "Patient" or type in self.population.definitions.compartments["Patient"]
            permits = []
            for _ in range(self.pick((1, 1, 2))):
                owners = patients if in_compartment and self.maybe(0.6) else None
                constraints: tuple[Pair, ...] = ()
                if owners is None or self.maybe(0.4):
                    constraints = self.pick((*CONSTRAINTS.get(type, ()), (("_tag", "t1"),), (("_security:not", "R"),)))
                permits.append(Permit(owners, constraints))
            found[type] = tuple(permits)
        return Policy(found)
