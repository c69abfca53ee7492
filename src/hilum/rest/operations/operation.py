"""How an operation is declared. https://hl7.org/fhir/R4/operationdefinition.html"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from hilum.fhir.definitions import TYPE_NUMBER, type_
from hilum.rest.message import Request, Response
from hilum.rest.operations.inputs import Inputs
from hilum.rest.operations.outputs import Returned
from hilum.rest.router import Handler, Service

Runs = Callable[[Service, Request, Inputs], Awaitable[Returned | Response]]
"""A handler: what it returns is put into Parameters, or is the Response already."""
LEVELS: Final = ("system", "type", "instance", "version")
"""Where an operation is: `[base]/$x`, `[type]/$x`, `[type]/[id]/$x`, `[type]/[id]/_history/[vid]/$x` (for `$meta`)."""
HL7: Final = "http://hl7.org/fhir/OperationDefinition/"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. https://hl7.org/fhir/R4/operationdefinition-definitions.html#OperationDefinition.parameter

    `type`: a data type, a resource type, `Resource`, or `Element` for a value of any data type; "" where it has
    `parts`. `search_type`: of a string that is read as a search parameter.
    """

    name: str
    type: str
    text: str
    min: int = 0
    max: str = "1"
    use: str = "in"
    parts: tuple[Parameter, ...] = ()
    search_type: str = ""

    @property
    def resource(self) -> bool:
        """Whether its value is a resource."""
        return self.type == "Resource" or self.type in TYPE_NUMBER

    @property
    def simple(self) -> bool:
        """Whether it can stand in a URL: "there are only simple input parameters"."""
        return not self.parts and not self.resource and self.type != "Element" and _primitive(self.type)


def _primitive(name: str) -> bool:
    return type_(name).kind == "primitive-type"


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the table.

    `code`: what stands behind the `$`. `name`: `[type]-[code]`, or `Resource-[code]` for all types. `hl7`: HL7 defines
    it under that name; otherwise hilum does. `levels`: some of LEVELS; `types`: those that have it, empty for all of
    them. `title` and `text` say what it is for. `run` answers from the inputs; `answer`, for what has a language of its
    own in its body, from the request. `affects_state`: only by POST; `gets`: the levels of those
    that GET may call otherwise. `searches`: search parameters besides those that
    are declared (`Inputs.beside`). `needs`: the letter of `cruds` that a scope must have on the type, judged before the
    body is read; the handler judges the rest. `large`: the body may be as long as that of a resource. `takes`: more
    that a URL may hold. `reserved`: why it is not there yet; every use answers 501.
    """

    code: str
    name: str
    title: str
    text: str
    levels: tuple[str, ...]
    run: Runs | None = None
    answer: Handler | None = None
    types: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    hl7: bool = False
    affects_state: bool = False
    gets: tuple[str, ...] = LEVELS
    searches: bool = False
    needs: str = ""
    large: bool = False
    takes: frozenset[str] = frozenset()
    reserved: str = ""

    def of(self, type: str) -> bool:
        """Whether a type has it, or its instances."""
        return self.levels != ("system",) and (not self.types or type in self.types)

    @property
    def inputs(self) -> tuple[Parameter, ...]:
        """What goes in."""
        return tuple(one for one in self.parameters if one.use == "in")

    @property
    def outputs(self) -> tuple[Parameter, ...]:
        """What comes out."""
        return tuple(one for one in self.parameters if one.use == "out")

    @property
    def by_get(self) -> bool:
        """Whether GET may call it. https://hl7.org/fhir/R4/operations.html#executing"""
        return not self.affects_state and all(one.simple or not one.min for one in self.inputs)

    @property
    def bare(self) -> Parameter | None:
        """The input that may be posted without Parameters around it: the only one that is a resource."""
        found = [one for one in self.inputs if one.resource]
        return found[0] if len(found) == 1 else None

    @property
    def own_id(self) -> str:
        """The id of the OperationDefinition that this server has of it."""
        return f"hilum-{self.name}"

    def canonical(self, base: str) -> str:
        """The canonical URL of its definition: HL7's where it is HL7's."""
        return f"{HL7}{self.name}" if self.hl7 else f"{base}/OperationDefinition/{self.own_id}"
