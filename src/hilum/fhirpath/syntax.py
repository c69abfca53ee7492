"""The syntax tree of FHIRPath. https://hl7.org/fhirpath/N1/grammar.html

Every node is a value: two expressions that differ in spacing alone are equal. `position` counts characters from 0 and
only serves messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Empty:
    """`{}`, the empty collection."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal: `kind` is boolean, string, integer, decimal, date, datetime, time (the last three as text)."""

    kind: str
    value: bool | str | int | Decimal


@dataclass(frozen=True, slots=True)
class Quantity:
    """`4 days`, `10 'mg'`. `calendar`: the unit is a word (year .. millisecond), not UCUM."""

    value: Decimal
    unit: str
    calendar: bool


@dataclass(frozen=True, slots=True)
class Constant:
    """`%resource`, `%'us-zip'`."""

    name: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Variable:
    """`$this`, `$index` or `$total`, without the dollar."""

    name: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Member:
    """`source.name`; `source` None where a path begins."""

    source: Expression | None
    name: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`source.name(arguments)`; `source` None where a path begins."""

    source: Expression | None
    name: str
    arguments: tuple[Expression, ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Indexer:
    """`source[index]`."""

    source: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Unary:
    """`+operand`, `-operand`."""

    operator: str
    operand: Expression
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`: arithmetic, comparison, membership, union and logic."""

    operator: str
    left: Expression
    right: Expression
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class TypeOperation:
    """`operand is type`, `operand as type`; `type` may be qualified: `FHIR.Patient`, `System.String`."""

    operator: str
    operand: Expression
    type: str
    position: int = field(default=0, compare=False)


Expression = Empty | Literal | Quantity | Constant | Variable | Member | Call | Indexer | Unary | Binary | TypeOperation
