"""The shapes: what is asked, how fast it must be, what a right answer has. https://hl7.org/fhir/R4/search.html"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from bench.records import LOINC, MEASURES, MRN, WEIGHT, mrn
from bench.shapes.records import (
    CATEGORIES,
    CLASSES,
    FOLLOW_UP,
    HYPERTENSION,
    PRESSURE,
    SNOMED,
    SYSTOLIC,
    TESTS,
    UCUM,
    URGENT,
    VALUE_SET,
    Population,
    id_of,
    rare_family,
)

SELECTIVE, OTHER, EXCEPTION = 10.0, 50.0, 500.0
"""95th percentiles asked for, in milliseconds."""
PAGE: Final = 20
_VARIANTS: Final = 12
_DEEP: Final = 50
"""How many links deep paging follows."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a shape's queries are made of: the people, chance, and `ask`, which GETs a path and gives the JSON."""

    population: Population
    chance: random.Random
    ask: Callable[[str], dict[str, Any]]

    @property
    def patient(self) -> str:
        """The id of some Patient of the many."""
        return id_of("Patient", self.chance.randrange(self.population.patients))

    @property
    def crowded(self) -> str:
        """The id of a Patient with hundreds of Observations."""
        return id_of("Patient", self.chance.randrange(max(1, self.population.patients // 100)) * 100)

    @property
    def rare(self) -> int:
        """The number of a Patient whose family name nobody shares."""
        return self.chance.randrange(0, self.population.patients, 50)

    @property
    def seldom(self) -> str:
        """A code that seven Observations have."""
        return token(TESTS, f"seldom-{self.chance.randrange(self.population.seldom)}")


@dataclass(frozen=True, slots=True)
class Shape:
    """One way to search. `path` makes a query from chance; `least` to `most` matches are on its page.

    `aim`: the 95th percentile in milliseconds. `why`: of an exception, the reason.
    """

    name: str
    path: Callable[[Site], str]
    aim: float = OTHER
    least: int = PAGE
    most: int = PAGE
    why: str = ""
    prepared: bool = False

    def paths(self, site: Site) -> list[str]:
        """Several such queries; one, where making it takes requests."""
        return [self.path(site) for _ in range(1 if self.prepared else _VARIANTS)]


def token(system: str, code: str) -> str:
    """`system|code`, as it stands in a URL."""
    return quote(f"{system}|{code}", safe="")


_WEIGHTS: Final = f"/Observation?code={token(LOINC, WEIGHT)}"
_EACH_IS_COUNTED = "an accurate total visits every match"
_AGAINST = "the newest 30,000 by date are walked in vain; then all matches are collected"
_BOTH_MANY = "each of two clauses finds a large part of all: every row of the smaller is probed"


def _day(site: Site) -> str:
    chance = site.chance
    return f"{chance.randrange(2010, 2024)}-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}"


def _many_codes(site: Site) -> str:
    codes = [f"seldom-{site.chance.randrange(site.population.seldom)}" for _ in range(30)]
    return "/Observation?code=" + ",".join(token(TESTS, code) for code in codes)


def _common_codes(site: Site) -> str:
    codes = [token(LOINC, one.code) for one in MEASURES] + [token(LOINC, PRESSURE)]
    return _many_codes(site) + "," + ",".join(codes)


def _ids(site: Site) -> str:
    numbers = site.chance.sample(range(site.population.patients), PAGE)
    return "/Patient?_id=" + ",".join(id_of("Patient", n) for n in numbers)


def _updated(site: Site) -> str:
    newest = site.ask("/Patient?_sort=-_lastUpdated&_count=20")["entry"][-1]["resource"]["meta"]["lastUpdated"]
    return f"/Patient?_lastUpdated=ge{quote(newest)}"


def _deep(path: str) -> Callable[[Site], str]:
    def follow(site: Site) -> str:
        found = path
        for _ in range(_DEEP):
            links = {link["relation"]: link["url"] for link in site.ask(found)["link"]}
            if "next" not in links:
                break
            found = links["next"].partition("/fhir")[2]
        return found

    return follow


def _fixed(path: str) -> Callable[[Site], str]:
    return lambda _: path


SHAPES: Final = (
    # tokens
    Shape("token, none", _fixed(f"/Observation?code={token(LOINC, '0000-0')}"), SELECTIVE, 0, 0),
    Shape(
        "token, one",
        lambda s: f"/Patient?identifier={token(MRN, mrn(s.chance.randrange(s.population.patients)))}",
        SELECTIVE, 1, 1,
    ),
    Shape("token, few", lambda s: f"/Observation?code={s.seldom}", SELECTIVE, 1, 20),
    Shape("token, many", _fixed(_WEIGHTS), SELECTIVE),
    Shape("code without system, many", _fixed(f"/Observation?code={WEIGHT}"), SELECTIVE),
    Shape("system| alone, some", _fixed(f"/Observation?code={quote(TESTS + '|', safe='')}")),
    Shape("system| alone, many", _fixed(f"/Observation?code={quote(LOINC + '|', safe='')}")),
    Shape("two tokens, many", _fixed(f"{_WEIGHTS}&status=amended")),
    Shape(
        "two tokens, each many, together none",
        _fixed(f"/Encounter?class={token(CLASSES, URGENT)}&type={token(SNOMED, FOLLOW_UP)}"),
        EXCEPTION, 0, 0, _BOTH_MANY,
    ),
    Shape("OR of 30 codes", _many_codes),
    Shape("OR of 44 codes, common ones among them", _common_codes),
    Shape(":not, many", _fixed("/Observation?status:not=final")),
    Shape(":missing=true", _fixed("/Observation?encounter:missing=true")),
    Shape(":missing=false and a token", _fixed(f"{_WEIGHTS}&encounter:missing=false")),
    Shape(":in a ValueSet of 40", _fixed(f"/Observation?code:in={quote(VALUE_SET, safe='')}")),
    Shape(":text", _fixed("/Condition?code:text=diabetes")),
    # strings
    Shape("string, few", lambda s: f"/Patient?family={rare_family(s.rare).lower()}", SELECTIVE, 1, 20),
    Shape("string prefix, many", _fixed("/Patient?name=a")),
    Shape("string :contains, many", _fixed("/Patient?name:contains=e")),
    Shape("string :contains, few", lambda s: f"/Patient?family:contains=nder{s.rare}", OTHER, 1, 20),
    # dates and amounts
    Shape("date, one day", lambda s: f"/Observation?date={_day(s)}", OTHER, 0),
    Shape("date, six years", _fixed("/Observation?date=ge2012&date=lt2018")),
    Shape("token and date", _fixed(f"{_WEIGHTS}&date=ge2015&date=lt2016")),
    Shape("token and a date that it never has", _fixed("/Observation?status=preliminary&date=ge2012"), EXCEPTION, 0, 0,
          _BOTH_MANY),
    Shape("_lastUpdated, newest", _updated, SELECTIVE, prepared=True),
    Shape("quantity with unit, many", _fixed(f"/Observation?value-quantity=gt60{quote(f'|{UCUM}|kg', safe='')}")),
    Shape(
        "token and quantity, converted units",
        _fixed(f"{_WEIGHTS}&value-quantity=gt235{quote(f'|{UCUM}|[lb_av]', safe='')}"),
    ),
    Shape(
        "composite, many",
        _fixed(f"/Observation?code-value-quantity={token(LOINC, WEIGHT)}$gt80{quote(f'|{UCUM}|kg', safe='')}"),
    ),
    Shape(
        "composite of a component",
        _fixed(
            f"/Observation?component-code-value-quantity={token(LOINC, SYSTOLIC)}$ge180"
            + quote(f"|{UCUM}|mm[Hg]", safe="")
        ),
        OTHER, 5,
    ),
    # patients and compartments
    Shape("patient and token", lambda s: f"{_WEIGHTS}&patient={s.patient}", SELECTIVE, 0, 20),
    Shape("patient, token and date", lambda s: f"{_WEIGHTS}&patient={s.crowded}&date=ge2014", SELECTIVE),
    Shape("patient, sorted by date", lambda s: f"/Observation?patient={s.crowded}&_sort=-date", OTHER),
    Shape("compartment", lambda s: f"/Patient/{s.patient}/Observation", SELECTIVE),
    Shape("compartment, all types", lambda s: f"/Patient/{s.patient}/*", OTHER),
    Shape("_id, a list of 20", _ids, SELECTIVE),
    # orders
    Shape("sorted by date", _fixed("/Observation?_sort=date")),
    Shape("token, sorted by date, newest first", _fixed(f"{_WEIGHTS}&_sort=-date")),
    Shape("sorted by name", _fixed("/Patient?gender=female&_sort=family")),
    Shape("sorted by quantity, greatest first", _fixed(f"{_WEIGHTS}&_sort=-value-quantity")),
    Shape("sorted by code", _fixed("/Observation?_sort=code")),
    Shape(
        "sorted by code, greatest first",
        _fixed(f"/Observation?category={token(CATEGORIES, 'vital-signs')}&_sort=-code"),
    ),
    Shape("sorted by _lastUpdated", _fixed(f"{_WEIGHTS}&_sort=-_lastUpdated")),
    Shape("sorted by three keys", _fixed("/Patient?gender=female&_sort=family,-birthdate,given")),
    Shape("sorted by reference", _fixed("/Condition?_sort=subject")),
    Shape("sorted by _id", _fixed("/Observation?_sort=_id")),
    Shape("filter against the order", _fixed("/Observation?status=preliminary&_sort=-date"), EXCEPTION, why=_AGAINST),
    # references
    Shape("chain, few", lambda s: f"/Observation?subject:Patient.family={rare_family(s.rare)}", SELECTIVE, 1, 20),
    Shape("chain, many", _fixed(f"{_WEIGHTS}&subject:Patient.gender=female")),
    Shape("chain of two, many", _fixed("/MedicationRequest?encounter.service-provider.name=north")),
    Shape(
        "chain of two, few",
        lambda s: f"/MedicationRequest?encounter.subject:Patient.family={rare_family(s.rare)}", SELECTIVE, 1, 20,
    ),
    Shape("_has, few", lambda s: f"/Patient?_has:Observation:patient:code={s.seldom}", SELECTIVE, 1, 20),
    Shape("_has, many", _fixed(f"/Patient?_has:Condition:patient:code={token(SNOMED, HYPERTENSION)}")),
    Shape(
        "nested _has",
        lambda s: f"/Patient?_has:Encounter:patient:_has:Observation:encounter:code={s.seldom}", OTHER, 0, 20,
    ),
    Shape("_include", _fixed(f"{_WEIGHTS}&_include=Observation:subject&_include=Observation:encounter")),
    Shape("_revinclude", _fixed("/Patient?gender=female&_revinclude=Condition:patient")),
    Shape("_revinclude of Provenance", _fixed(f"{_WEIGHTS}&_revinclude=Provenance:target")),
    Shape(
        "_include:iterate",
        _fixed(
            f"{_WEIGHTS}&_include=Observation:encounter&_include:iterate=Encounter:service-provider"
            "&_include:iterate=Organization:partof"
        ),
    ),
    # counts
    Shape("_total=accurate, few", lambda s: f"/Observation?code={s.seldom}&_total=accurate", SELECTIVE, 1, 20),
    Shape("_total=accurate, many", _fixed(f"{_WEIGHTS}&_total=accurate"), EXCEPTION, why=_EACH_IS_COUNTED),
    Shape(
        "_summary=count, two clauses", _fixed(f"{_WEIGHTS}&status=final&_summary=count"), EXCEPTION, 0, 0,
        _EACH_IS_COUNTED,
    ),
    Shape("_total=estimate", _fixed(f"{_WEIGHTS}&status=final&_total=estimate")),
    # words and pages
    Shape("_content, few", lambda s: f"/Condition?_content=word{s.chance.randrange(4000)}", OTHER, 0, 20),
    Shape("_text, many", _fixed("/Condition?_text=chronic")),
    Shape("_text, two words", lambda s: f"/Condition?_text=lynx%20word{s.chance.randrange(4000)}", OTHER, 0, 20),
    Shape("page 50", _deep(_WEIGHTS), SELECTIVE, 0, 20, prepared=True),
    Shape("page 50, sorted by date", _deep(f"{_WEIGHTS}&_sort=-date"), OTHER, 0, 20, prepared=True),
)  # fmt: skip
