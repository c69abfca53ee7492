"""From scopes to a Policy: what was asked for, within what the client is registered for, within what the user may.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html: scopes delegate, so that an app never may more
than its user. Every scope meets every rule of the user's roles, and each pair makes grants of its own: nothing is ever
merged, so that a `user/` scope does not widen a `patient/` one, nor one rule another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from hilum.access.policy import Grant, Policy
from hilum.access.roles import Rule
from hilum.access.shared import BELONGS, BY_NAME, SHARED
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.oauth.scopes import Asked, Scope, Search, part, parts, widest
from hilum.problems import Invalid

Owners = tuple[tuple[str, str], ...] | None

_LOOKING: Final = frozenset("rs")
_SEARCH: Final = frozenset("s")
_AT_ONCE: Final = 500
"""Alternatives of one search parameter: it takes a thousand at most."""


@dataclass(frozen=True, slots=True)
class Context:
    """Of a grant: the `patient` in context, the `patients` whose records are the user's own, and the resource of the
    user (`Practitioner/1`) where the app may know who it is. `user` and `encounter` limit nothing: policies are shared.
    """

    user: str | None = field(default=None, compare=False)
    fhir_user: str | None = None
    patients: tuple[str, ...] = ()
    patient: str | None = None
    encounter: str | None = field(default=None, compare=False)


@lru_cache(maxsize=4096)
def policy(
    scopes: tuple[Scope, ...],
    rules: tuple[Rule, ...] | None,
    context: Context = Context(),
    foreign_states: tuple[str, ...] = (),
) -> Policy:
    """What these scopes allow a user with these rules; `rules` None: no user, the scopes alone.

    `foreign_states`: the codes (`system|code`) of other clients' app state, which is not to be seen. What can't be
    enforced (see `refusal`) allows nothing, a patient scope without a patient neither, and a system scope only where
    there is no user. Equal arguments have the same Policy, by which searches know theirs again.
    """
    grants: list[Grant] = []
    named: list[Grant] = []
    for scope in scopes:
        for one, but, own, shared in _narrowed(scope, rules):
            owners = _owners(one, own, context)
            if owners == ():
                continue
            grants += _grants(one, but, owners, foreign_states)
            if owners is not None:
                named += _named(one, but, BY_NAME if shared is None else shared)
    if context.fhir_user:
        type, _, id = context.fhir_user.partition("/")
        grants += _grant(type, frozenset("r"), None, (("_id", _value(id)),))
    return Policy(tuple(dict.fromkeys(grants)), tuple(dict.fromkeys(named)))


def of_scopes(scopes: Iterable[Scope], patient: str | None) -> Policy:
    """The policy of scopes alone, as `hilum token` mints them, with the id of the patient in context."""
    return policy(tuple(scopes), None, Context(patient=patient))


def grantable(asked: Asked, registered: tuple[Scope, ...], rules: tuple[Rule, ...] | None) -> tuple[Scope, ...]:
    """The resource scopes that may be granted of those asked for: each part of one of them that a single registered
    scope and, where there is a user, a single rule allow.

    `rules` None: no user, so that only `system/` scopes can be; with a user only the others. What a rule allows of
    some patients only, or of all types but some, is no matter of scopes: `policy` sees to it.
    """
    found: list[Scope] = []
    for one in asked.resources:
        if (one.level == "system") is not (rules is None):
            continue
        for shared in parts(one, registered):
            found += (each for each, *_ in _narrowed(shared, rules) if refusal(each) is None)
    return widest(found)


def refusal(scope: Scope) -> str | None:
    """Why a scope can't be enforced, and so grants nothing, in words for who asked; None when it can be."""
    if scope.type != "*" and scope.type not in TYPE_NUMBER:
        return f"The scope names {scope.type!r}, which is no resource type of FHIR R4."
    try:
        Grant(scope.type, scope.interactions, None, scope.search)
    except Invalid as problem:
        return f"The scope on {scope.type} can't be limited so: {problem}"
    return None


def _narrowed(
    scope: Scope, rules: tuple[Rule, ...] | None
) -> Iterator[tuple[Scope, frozenset[str], bool, tuple[str, ...] | None]]:
    """The scope within each rule: with the types left out of it, whether only in records of one's own, and `shared`."""
    if rules is None:
        yield scope, frozenset(), False, None
        return
    if scope.level == "system":
        return
    for rule in rules:
        for type in rule.types:
            one = part(scope, Scope(scope.level, type, rule.may, rule.search))
            if one is not None and one.type not in rule.but:
                yield one, rule.but if one.type == "*" else frozenset(), rule.own, rule.shared


def _owners(scope: Scope, own: bool, context: Context) -> Owners:
    """The compartments that bind; None: none does, (): there is none to be in."""
    if scope.level != "patient":
        return tuple(("Patient", id) for id in context.patients) if own else None
    if not context.patient or (own and context.patient not in context.patients):
        return ()
    return (("Patient", context.patient),)


def _grants(scope: Scope, but: frozenset[str], owners: Owners, states: tuple[str, ...]) -> Iterator[Grant]:
    """A scope as grants: where a type has a law of its own it is taken out of `*` and has a grant of its own."""
    letters, search = scope.interactions, scope.search
    laws = (*(("Basic",) if states else ()), *(("Binary", "Group", "Patient", *BELONGS) if owners else ()))
    special = [type for type in laws if scope.type in ("*", type) and type not in but]
    if scope.type not in special:
        yield from _grant(scope.type, letters, owners, search, but.union(special))
    for type in special:
        if type == "Basic":
            others = (states[start : start + _AT_ONCE] for start in range(0, len(states), _AT_ONCE))
            none = tuple(("code:not", ",".join(_value(code, "|") for code in some)) for some in others)
            yield from _grant(type, letters, owners, (*search, *none))
        elif type == "Binary":  # it is in no compartment: seen by its securityContext, which no search can follow
            yield from _grant(type, letters - _SEARCH, owners, search)
        elif type == "Group":  # in R4's compartment by its members, and it tells of all the others: in nobody's
            yield from _grant(type, letters, (("Patient", ""),), search)
        elif type == "Patient":  # others that link to one (`Patient.link`) are in its compartment, and other people
            yield from _grant(type, letters, owners, (*search, ("_id", ",".join(_value(id) for _, id in owners or ()))))
        else:
            parameter, enough = BELONGS[type]
            about = ",".join(f"Patient/{id}" for _, id in owners or ())
            yield from _grant(type, letters & enough, None, (*search, (parameter, about)))


def _named(scope: Scope, but: frozenset[str], shared: tuple[str, ...]) -> Iterator[Grant]:
    for type in shared:
        if scope.type in ("*", type) and type not in but:
            yield from _grant(type, scope.interactions & _LOOKING, None, (*scope.search, *SHARED.get(type, ())))


def _grant(
    type: str, letters: frozenset[str], owners: Owners, search: Search = (), but: frozenset[str] = frozenset()
) -> Iterator[Grant]:
    """The grant, unless it would be empty or can't be enforced."""
    if not letters or (type != "*" and type not in TYPE_NUMBER):
        return
    try:
        yield Grant(type, letters, owners, tuple(dict.fromkeys(search)), but)
    except Invalid:
        return


def _value(text: str, but: str = "") -> str:
    """A text as the value of a search parameter. https://hl7.org/fhir/R4/search.html#escaping"""
    return "".join(f"\\{one}" if one in "\\,$|" and one not in but else one for one in text)
