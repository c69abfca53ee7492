"""Expressions as the grammar allows them, most of them senseless. https://hl7.org/fhirpath/N1/grammar.html"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hypothesis import strategies as st

from hilum.fhirpath.functions import COMPILED, FUNCTIONS

# fmt: off
LITERALS = (
    "1", "0", "-1", "9999999999", "2147483647", "3.14", "0.0000001", "1" + "0" * 40 + ".5", "true", "false", "{}",
    "''", "'a'", "'[a-z]+'", "'(a|b)*'", "'1974-12-25'", "'2147483648'", "'4 days'", "'\\u0041\\n'",
    "'" + "x" * 300 + "'",
    "@2014", "@2014-02", "@2014-02-28", "@0001-01-01", "@9999-12-31", "@2014T", "@2014-02-28T10", "@2014-02-28T10:30Z",
    "@2014-02-28T10:30:00.000+14:00", "@9999-12-31T23:59:59.999-12:00", "@T10", "@T23:59:59.9", "4 days", "1 year",
    "1000000000 years", "10 milliseconds", "3 'mg'", "2 'g'", "1 'cm'", "37 'Cel'", "98 '[degF]'", "1 'no unit'",
    "5 ''",
    "$this", "$index", "$total", "%resource", "%rootResource", "%context", "%ucum", "%`vs-x`", "%'us-zip'", "%nobody",
)
NAMES = (
    "name", "given", "family", "birthDate", "telecom", "value", "code", "coding", "system", "id", "extension", "url",
    "contact", "period", "start", "end", "subject", "reference", "component", "Patient", "Observation", "Resource",
    "contained", "text", "div", "meta", "lastUpdated", "active", "multipleBirth", "referenceRange", "low", "`div`", "x",
)
TYPES = (
    "Patient", "string", "Quantity", "System.String", "FHIR.code", "Boolean", "Element", "Resource", "date", "Pigeon",
    "System.Patient", "dateTime", "integer", "DomainResource",
)
OPERATORS = (
    "+", "-", "*", "/", "div", "mod", "&", "|", "=", "!=", "~", "!~", "<", "<=", ">", ">=", "and", "or", "xor",
    "implies",
    "in", "contains",
)
# fmt: on
_CALLED = (*sorted(FUNCTIONS), *COMPILED, "nothing")

_LEAVES = (
    lambda dice: dice.choice(LITERALS),
    lambda dice: dice.choice(NAMES),
    lambda dice: f"descendants().{dice.choice(NAMES)}",  # of which nobody knows the type before
    lambda dice: dice.choice(("children()", "descendants()", "%given", "%resources", "$this")),
)
_GROWN = (
    lambda dice, inner: f"({inner()}).{dice.choice(NAMES)}",
    lambda dice, inner: f"({inner()}).{_call(dice, inner)}",
    lambda dice, inner: f"({inner()}).{_call(dice, inner)}",
    lambda dice, inner: f"({inner()}).{_call(dice, inner)}",
    lambda dice, inner: _call(dice, inner),
    lambda dice, inner: f"({inner()}) {dice.choice(OPERATORS)} ({inner()})",
    lambda dice, inner: f"{inner()} {dice.choice(OPERATORS)} {inner()}",
    lambda dice, inner: f"({inner()})[{inner()}]",
    lambda dice, inner: f"{inner()} {dice.choice(('is', 'as'))} {dice.choice(TYPES)}",
    lambda dice, inner: f"-({inner()})",
    lambda dice, inner: f"iif(true, {inner()}, {inner()})",
)


def _call(dice: Random, inner: Callable[[], str]) -> str:
    """With as many arguments as it takes, nearly always."""
    name = dice.choice(_CALLED)
    fewest, most = FUNCTIONS[name].arity if name in FUNCTIONS else (0, 2)
    count = dice.randint(0, 3) if dice.random() < 0.05 else dice.randint(fewest, min(3, most))
    return f"{name}({', '.join(inner() for _ in range(count))})"


def expression(dice: Random, depth: int = 4) -> str:
    """Some expression, of so many levels at most."""
    if depth == 0 or dice.random() < 0.25:
        return dice.choice(_LEAVES)(dice)
    return dice.choice(_GROWN)(dice, lambda: expression(dice, depth - 1))


expressions = st.randoms(use_true_random=False).map(expression)
