"""The constraints of R4's types, made ready for one kind of object. https://hl7.org/fhir/R4/conformance-rules.html#constraints

Three ways lead to an answer: the elements that are there decide (presence.py), a law written by hand (laws.py), or the
FHIRPath itself. An invariant that comes to nothing at all is broken, as HL7's validator has it, but where nothing only
means that two values can't be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from hilum.fhir import definitions
from hilum.fhir.definitions import TYPE_NUMBER, Invariant
from hilum.fhirpath import Surroundings, condition, parse
from hilum.fhirpath.syntax import Binary, Call, Constant, Expression, Indexer, Member, TypeOperation, Unary
from hilum.problems import Invalid, Malformed, Problem, Unprocessable
from hilum.validation import laws
from hilum.validation.bundles import Entries
from hilum.validation.containers import Container
from hilum.validation.findings import OF_BUNDLE, OF_CONTAINER, OF_RESOURCE, Finding, Found, ask, one, refused
from hilum.validation.presence import EMPTY, FALSE, OPEN, TRUE, names, weigh

ELSEWHERE: Final = {
    "ele-1": "structure.py: every object and primitive",
    "ext-1": "structure.py: a value or extensions",
    "dom-2": "structure.py: contained resources hold none",
    "ref-1": "references.py: there is such a contained resource",
    "txt-1": "narrative.py",
    "txt-2": "narrative.py",
}
"""Invariants that another room sees to."""

CORRECTED: Final = {
    "dom-6": ("text.exists()", "text.div is required where there is a text: the same, decided sooner"),
    "que-12": (
        "enableWhen.count() > 1 implies enableBehavior.exists()",
        "R4 writes > 2, and in words: more than one; later releases say so in FHIRPath, too",
    ),
    "con-3": (None, "R4 compares a CodeableConcept with a string; its words are kept instead (laws.py)"),
    "que-7": (None, "R4 asks for System.Boolean where the element is a FHIR boolean (laws.py)"),
    "dom-3": (None, "R4 casts collections with as(); what it means is kept (laws.py)"),
    "sdf-8": (
        "(%resource.kind = 'logical' or element.first().path = %resource.type) and "
        "defineVariable('root', element.first().path & '.').element.tail().all(path.startsWith(%root))",
        "R4 reads all elements again for each of them: the same, in linear time",
    ),
    "sdf-8a": (
        "(%resource.kind = 'logical' or element.first().path.startsWith(%resource.type)) and "
        "(element.tail().empty() or defineVariable('root', element.first().path.replaceMatches('\\\\..*','') & '.')"
        ".element.tail().all(path.startsWith(%root)))",
        "as sdf-8",
    ),
}
"""Key -> (what is evaluated instead; None: a law of ours, and why R4's text isn't)."""

UNEVALUATED: Final = {
    "cid-0": "ChargeItemDefinition has no element name: the expression can't be evaluated",
}
"""Key -> why it is not evaluated. A test says that there are no others."""

HARMLESS: Final = {
    "ppc-2": "R4 has a placeholder for the code system ('something'), so that it never fails",
    "ppc-3": "as ppc-2",
    "ppc-4": "as ppc-2",
    "ppc-5": "as ppc-2",
}
"""Key -> why it is evaluated, but finds nothing."""

UNDECIDED: Final = frozenset(("bdl-8", "md-1", "mdd-1", "per-1", "ras-2", "ref-1", "rng-2", "inv-1"))
"""Keys for which nothing means: all is well. They compare what may be missing, or less precise than the other."""

_NAMES: Final = "name.matches('[A-Z]([A-Za-z0-9_]){0,254}')"


class Rule(NamedTuple):
    """One invariant at one kind of element. `tree`: None when presence tells nothing."""

    broken: Finding
    key: str
    tree: Expression | None
    judge: Callable[[Any], Found]


class Verdict(NamedTuple):
    """What follows from the elements that an object has: findings, and rules that need its values."""

    found: tuple[Finding, ...]
    open: tuple[Rule, ...]


NO_VERDICT: Final = Verdict((), ())


def of_object(type_: str, path: str) -> tuple[Rule, ...]:
    """The rules of a type ("") or of one of its backbone elements, whatever stands where it is used."""
    return tuple(_rules(type_, path, type_, path))


def of_element(type_: str, path: str, at_type: str, at_path: str) -> tuple[Rule, ...]:
    """The rules that the element at `path` adds to those of what it holds: an object of `at_type` (or in it)."""
    return tuple(_rules(type_, path, at_type, at_path))


def _rules(type_: str, path: str, at_type: str, at_path: str) -> Iterator[Rule]:
    for invariant in definitions.type_(type_).invariants.get(path, ()):
        if invariant.key not in ELSEWHERE and invariant.key not in UNEVALUATED:
            yield _rule(invariant, type_, at_type, at_path)


def _rule(invariant: Invariant, type_: str, at_type: str, at_path: str) -> Rule:
    key = invariant.key
    broken = Finding("", "invariant", f"{_VERB[invariant.severity]} {key}: {invariant.human}", invariant.severity)
    expression = CORRECTED.get(key, (invariant.expression, ""))[0] or invariant.expression
    tree = parse(expression)
    by_hand = laws.named if expression == _NAMES else laws.LAWS.get(f"{type_}.{key}") or laws.LAWS.get(key)
    if key == "dom-3":
        return Rule(broken, key, tree, lambda value: [broken._replace(path=p) for p in _unreferenced(value)] or None)
    if by_hand is not None:
        law = by_hand
        return Rule(broken, key, tree if key not in _OWN else None, lambda value: None if law(value) else [broken])
    return Rule(broken, key, tree, _evaluated(expression, tree, broken, key, at_type, at_path))


def _unreferenced(value: Any) -> list[str]:
    return [f".contained[{index}]" for index in laws.unreferenced(value)]


_OWN: Final = frozenset(key for key, (instead, _) in CORRECTED.items() if instead is None) - {"dom-3"}
"""Keys whose expression does not even tell by presence."""

_VERB: Final = {"error": "breaks", "warning": "should keep"}


def _evaluated(
    expression: str, tree: Expression, broken: Finding, key: str, type_: str, path: str
) -> Callable[[Any], Found]:
    """By the FHIRPath. What it needs of the resource around is asked for later."""
    holds = _condition(expression, type_, path)
    if holds is None:
        return lambda value: None
    whole = not path and type_ in TYPE_NUMBER
    outward = set(constants(tree)) & {"resource", "rootResource"}
    resolving = calls(tree, "resolve")

    def judged(value: Any, resource: dict[str, Any], root: dict[str, Any], around: Surroundings) -> Found:
        try:
            result = holds(value, resource=resource, root=root, around=around)
        except Unprocessable:
            return one("too-costly", f"is too large to judge {key} on it", severity="warning")
        except (Problem, LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
            return one("processing", f"does not fit {key}, which could not be judged", severity="warning")
        return None if result or (result is None and key in UNDECIDED) else [broken]

    if resolving:

        def later(value: Any) -> Found:
            def in_container(around: Container) -> Found:
                root = around.body
                found = judged(value, root, root, Surroundings(resolve=around.contained.get))
                if found is not None:
                    return found
                return ask(
                    OF_BUNDLE,
                    lambda bundle: judged(value, root, root, Surroundings(resolve=_around(around, bundle))),
                )

            return ask(OF_CONTAINER, in_container)

        return later
    if outward and not whole:
        level = OF_CONTAINER if "rootResource" in outward else OF_RESOURCE
        return lambda value: ask(level, lambda around: judged(value, around.body, around.body, _ALONE))
    return lambda value: judged(value, value if whole else _NOWHERE, value if whole else _NOWHERE, _ALONE)


_ALONE: Final = Surroundings()
_NOWHERE: Final[dict[str, Any]] = {"resourceType": "Parameters"}


def _around(container: Container, bundle: Entries) -> Callable[[str], dict[str, Any] | None]:
    def resolve(reference: str) -> dict[str, Any] | None:
        found = container.contained.get(reference) or bundle.resolved.get(reference)
        return bundle.ending.get(reference) if found is None and ":" not in reference else found

    return resolve


@cache
def _condition(expression: str, type_: str, path: str) -> Any:
    """The condition, or None where the engine can't compile it: those are listed by `not_compiled`."""
    try:
        return condition(expression, type_, path)
    except (Invalid, Malformed, LookupError):
        return None


def parts(tree: Expression) -> Iterator[Expression]:
    """All nodes of a tree."""
    yield tree
    below: tuple[Expression | None, ...] = ()
    match tree:
        case Member(source=source):
            below = (source,)
        case Call(source=source, arguments=arguments):
            below = (source, *arguments)
        case Indexer(source=source, index=index):
            below = (source, index)
        case Binary(left=left, right=right):
            below = (left, right)
        case TypeOperation(operand=operand) | Unary(operand=operand):
            below = (operand,)
        case _:
            pass
    for part in below:
        if part is not None:
            yield from parts(part)


def constants(tree: Expression) -> Iterator[str]:
    """The names of constants such as %resource."""
    return (part.name for part in parts(tree) if isinstance(part, Constant))


def calls(tree: Expression, name: str) -> bool:
    """Whether a function is called."""
    return any(isinstance(part, Call) and part.name == name for part in parts(tree))


class Judge:
    """The rules of one kind of object, and what they come to for each set of elements that was met.

    `bits`: element -> its bit, of those on which rules look. The order of rules is R4's.
    """

    LARGEST: Final = 1024
    """So many sets of elements are remembered."""

    def __init__(self, rules: tuple[Rule, ...], bits: dict[str, int]) -> None:
        self.rules = rules
        self.bits = bits
        self.verdicts: dict[int, Verdict] = {}

    def weigh(self, present: int) -> Verdict:
        """What the elements that are there decide, remembered."""
        found: list[Finding] = []
        open_: list[Rule] = []

        def there(name: str) -> bool | None:
            bit = self.bits.get(name)
            return None if bit is None else bool(present & bit)

        for rule in self.rules:
            known = OPEN if rule.tree is None else weigh(rule.tree, there)
            if known is FALSE or (known is EMPTY and rule.key not in UNDECIDED and not rule.key.endswith("-0")):
                found.append(rule.broken)
            elif known is not TRUE and known is not EMPTY:
                open_.append(rule)
        verdict = Verdict(tuple(found), tuple(open_)) if found or open_ else NO_VERDICT
        if len(self.verdicts) >= self.LARGEST:
            self.verdicts.clear()
        self.verdicts[present] = verdict
        return verdict


def needed(rules: tuple[Rule, ...]) -> frozenset[str]:
    """The elements on whose presence the rules look."""
    return frozenset(name for rule in rules if rule.tree is not None for name in names(rule.tree))


def judged(verdict: Verdict, value: Any, out: Found) -> Found:
    """The findings on an object with those that rules add to them. What is broken already may break rules as well."""
    more = list(verdict.found)
    for rule in verdict.open:
        found = rule.judge(value)
        if found is not None:
            more += found
    if not more:
        return out
    if out is not None and refused(out):
        more = [finding for finding in more if finding.code != "processing"]
    return [*(out or ()), *more]
