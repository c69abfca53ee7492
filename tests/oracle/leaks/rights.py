"""Who may do what: scopes by rules of roles in a context, one by one, type by type, as plain data.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html. A scope and a rule together make one grant; what
may be done is what any single grant allows. Nothing here comes from hilum: the tables are transcribed from its
documentation of what a token may do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.oracle.criteria import Refused
from tests.oracle.evaluator import Population
from tests.oracle.leaks.roles import Role, Rule
from tests.oracle.leaks.scopes import Scope
from tests.oracle.records import Item, Name, Permit, Policy

Pairs = tuple[tuple[str, str], ...]

BELONGS = {
    "Contract": frozenset("rs"),
    "Device": frozenset("cruds"),
    "GuidanceResponse": frozenset("cruds"),
    "Task": frozenset("cruds"),
}
"""About a patient, by their parameter `patient`, though R4 has them in no compartment; and what that is enough for: a
Contract may have several subjects, so that a write could reach into another's record.
"""

SHARED: dict[str, Pairs] = {
    "Endpoint": (),
    "HealthcareService": (),
    "Location": (("type:not", "PTRES"),),
    "Medication": (),
    "MedicationKnowledge": (),
    "Organization": (),
    "OrganizationAffiliation": (),
    "Practitioner": (),
    "PractitionerRole": (),
    "Substance": (),
}
"""What whole houses share and no patient owns; but for the homes of patients."""

DEFINED = (
    "ActivityDefinition",
    "CodeSystem",
    "Library",
    "Measure",
    "PlanDefinition",
    "Questionnaire",
    "StructureDefinition",
    "ValueSet",
)
"""What resources name by its url."""

UNBOUND = Rule(frozenset({"*"}), frozenset("cruds"))
"""What bounds a system scope, which no person stands behind."""


@dataclass(frozen=True)
class Context:
    """Whom a token acts for: the patient in context, the person's own patients, and the person's own resource."""

    patient: str | None = None
    own: tuple[str, ...] = ()
    fhir_user: Name | None = None
    foreign_states: tuple[str, ...] = ()
    """Codes (`system|code`) of the Basics in which other apps keep their state."""


@dataclass(frozen=True)
class Grant:
    """One scope within one rule, for one type. `named`: only by its name."""

    type: str
    letters: frozenset[str]
    owners: tuple[Name, ...] | None
    search: Pairs = ()
    named: bool = False

    @property
    def permit(self) -> Permit:
        """As a predicate."""
        return Permit(self.owners, self.search)


@dataclass
class Rights:
    """All grants of a token."""

    grants: tuple[Grant, ...]
    _permits: dict[tuple[str, str], tuple[Permit, ...]] = field(default_factory=dict)

    def permits(self, type: str, letter: str) -> tuple[Permit, ...]:
        """Any of them suffices. What may be asked for by name may be read."""
        key = (type, letter)
        if key not in self._permits:
            self._permits[key] = tuple(
                one.permit for one in self.grants if one.type == type and letter in one.letters and not one.named
            ) + (self.named(type, "r") if letter == "r" else ())
        return self._permits[key]

    def named(self, type: str, letter: str) -> tuple[Permit, ...]:
        """Those by name: for reading, or for searches that name what they want."""
        return tuple(one.permit for one in self.grants if one.type == type and one.named and letter in one.letters)

    def unlimited(self, type: str, letter: str) -> bool:
        """Whether every resource of the type may be."""
        return Permit() in self.permits(type, letter)

    def policy(self, types: Iterable[str]) -> Policy:
        """What may be searched."""
        kinds = tuple(types)
        return Policy(
            {type: found for type in kinds if (found := self.permits(type, "s"))},
            {type: found for type in kinds if (found := self.named(type, "s"))},
            DEFINED,
            self.permits("List", "r"),
        )

    def allow(self, population: Population, letter: str, item: Item) -> bool:
        """Whether this is allowed on what the item says."""
        return population.within(item, self.permits(item.type, letter))


def rights(population: Population, scopes: Iterable[Scope], roles: Iterable[Role] | None, context: Context) -> Rights:
    """What scopes grant to a person with these roles; `roles` None: no roles are judged."""
    found: list[Grant] = []
    types = population.definitions.resource_types
    some = None if roles is None else tuple(roles)
    for scope in scopes:
        if scope.level == "patient" and context.patient is None:
            continue
        pairs = [(UNBOUND, None)]
        if scope.level != "system" and some is not None:
            pairs = [(rule, role.shared) for role in some for rule in role.rules]
        for rule, shared in pairs:
            for type in types:
                if _covers(scope, rule, type):
                    found += _grants(population, scope, rule, shared, type, context)
    if context.fhir_user is not None:
        type, id = context.fhir_user
        found.append(Grant(type, frozenset("r"), None, (("_id", id),)))
    return Rights(tuple(dict.fromkeys(found)))


def _covers(scope: Scope, rule: Rule, type: str) -> bool:
    return scope.type in (type, "*") and (type in rule.types or "*" in rule.types) and type not in rule.but


def _grants(
    population: Population, scope: Scope, rule: Rule, shared: frozenset[str] | None, type: str, context: Context
) -> list[Grant]:
    letters, search = scope.letters & rule.letters, scope.search + rule.search
    if type == "Basic" and context.foreign_states:
        search += (("code:not", ",".join(context.foreign_states)),)
    if not letters or not _known(population, type, search):
        return []
    bound: set[str] | None = {context.patient} if scope.level == "patient" and context.patient else None
    if rule.own:
        bound = set(context.own) if bound is None else bound & set(context.own)
    if bound is None:
        return [Grant(type, letters, None, search)]
    if not bound:
        return []
    patients = tuple(sorted(bound))
    if type in BELONGS:
        whose = ",".join(f"Patient/{one}" for one in patients)
        return [Grant(type, letters & BELONGS[type], None, (*search, ("patient", whose)))]
    if type == "Binary":
        letters -= {"s"}  # nothing tells whose it is where it is looked for
    if type == "Patient":
        search = (*search, ("_id", ",".join(patients)))  # one that links to it is another record
    found = [Grant(type, letters, tuple(("Patient", one) for one in patients), search)]
    if type == "Group":  # it tells of its other members: in nobody's record
        found = [Grant(type, letters, (("Patient", ""),), search)]
    usual = type in SHARED or type in DEFINED
    if letters & {"r", "s"} and (usual if shared is None else type in shared):
        found.append(Grant(type, letters & {"r", "s"}, None, search + SHARED.get(type, ()), named=True))
    return found


def _known(population: Population, type: str, search: Pairs) -> bool:
    try:
        for name, value in search:
            population.holds(type, name, value)
    except Refused:
        return False
    return True
