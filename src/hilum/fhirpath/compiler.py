"""A syntax tree to code: static types are followed, and what can't be is refused. https://hl7.org/fhirpath/N1/"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from hilum.fhirpath import calls, operators, temporal, walk
from hilum.fhirpath.code import NEVER, Code, Types, always, computed, condition, items
from hilum.fhirpath.function import Argument, Function
from hilum.fhirpath.functions import FUNCTIONS
from hilum.fhirpath.nodes import NOBODY, NOTHING, Node, Scope, count_children
from hilum.fhirpath.quantities import Quantity, calendar
from hilum.fhirpath.references import target_type
from hilum.fhirpath.resources import reference, target, variable
from hilum.fhirpath.static import (
    has,
    holds_a_value,
    is_this,
    members,
    ordered,
    result,
    suits,
    type_at_start,
    type_name,
    unknown,
)
from hilum.fhirpath.surroundings import ALONE
from hilum.fhirpath.syntax import (
    Binary,
    Call,
    Constant,
    Empty,
    Expression,
    Indexer,
    Literal,
    Member,
    TypeOperation,
    Unary,
    Variable,
)
from hilum.fhirpath.syntax import Quantity as QuantityLiteral
from hilum.fhirpath.types import (
    INTEGER,
    QUANTITY,
    STRING,
    Type,
    casts_to,
    is_a,
    is_abstract,
    resolve_name,
)
from hilum.fhirpath.values import made
from hilum.problems import Invalid, Malformed

_URLS: Final = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
    "us-zip": "[0-9]{5}(-[0-9]{4}){0,1}",
}
"""https://hl7.org/fhir/R4/fhirpath.html#variables"""
_PREFIXES: Final = {
    "vs-": "http://hl7.org/fhir/ValueSet/",
    "ext-": "http://hl7.org/fhir/StructureDefinition/",
}


_CHILDREN: Final = Call(None, "children", ())


class Compiler:
    """`root`: the types of `%context`; `resource`: of `%resource`. `variables`: the names that the surroundings will
    give values to; None: any. `lenient`: what `$this` at the root doesn't have is empty, for conditions on choices.
    `looks_up`, of what was compiled: it refers to the resource around.
    """

    def __init__(
        self, root: Types, resource: Types, variables: frozenset[str] | None, *, lenient: bool = False
    ) -> None:
        self.root = root
        self.resource = resource
        self.variables = variables
        self.lenient = lenient
        self.defined: list[str] = []
        self.steps = 0
        self.looks_up = False

    def whole(self, tree: Expression) -> tuple[Code, int]:
        """The code of an expression, and how many steps it has."""
        beginning = tree
        while isinstance(beginning, Member | Call | Indexer) and beginning.source is not None:
            beginning = beginning.source
        if isinstance(beginning, Member) and (wanted := type_at_start(beginning)) and self.root is not None:
            known = [t for t in self.root if is_abstract(t) or is_a(t, wanted)]
            if not known:
                names = " or ".join(sorted(map(str, self.root)))
                raise Invalid(f"FHIRPath: the expression begins with {wanted}, and is about {names}.")
        return self.code(tree, self.root), self.steps

    def code(self, tree: Expression, focus: Types) -> Code:
        """The code of a part of it; `focus`: the types of `$this`."""
        self.steps += 1
        match tree:
            case Member():
                return self._member(tree, focus)
            case Call(name="as" | "is" | "ofType", arguments=(argument,)):
                return self._typed(tree.name, tree.source, type_name(argument), focus)
            case TypeOperation():
                return self._typed(tree.operator, tree.operand, tree.type, focus)
            case Call(name="defineVariable"):
                return self._define(tree, focus)
            case Call():
                return self._call(tree, focus)
            case Indexer():
                return self._indexer(tree, focus)
            case Binary():
                return self._binary(tree, focus)
            case Unary():
                return operators.signed(tree.operator, self.code(tree.operand, focus))
            case Literal():
                return _literal(tree)
            case QuantityLiteral():
                return always([Node(_quantity(tree), QUANTITY)], frozenset((QUANTITY,)))
            case Empty():
                return NEVER
            case Variable(name="this"):
                return _this(focus)
            case Variable(name="index"):
                return computed(lambda this, scope: scope.index, frozenset((INTEGER,)))
            case Variable():
                return items(lambda this, scope: scope.total, None)
            case Constant():
                return self._constant(tree)

    def _source(self, tree: Expression | None, focus: Types) -> Code:
        return _this(focus) if tree is None else self.code(tree, focus)

    def _member(self, tree: Member, focus: Types) -> Code:
        wanted = type_at_start(tree)
        if wanted is not None:
            return _of_type(wanted, focus)
        inner = self._source(tree.source, focus)
        if tree.name == "value" and inner.types and all(map(holds_a_value, inner.types)):
            return walk.values(inner)
        lenient = self.lenient and tree.source is None and focus == self.root
        found = frozenset() if lenient and not has(inner.types, tree.name) else members(inner.types, tree.name)
        if inner.types is not None and not found and found is not None:
            return NEVER if not inner.types or lenient else items(lambda this, scope: NOTHING, frozenset())
        return walk.member(inner, tree.name, found, from_this=is_this(tree.source, wanted, inner))

    def _typed(self, operator: str, operand: Expression | None, name: str, focus: Types) -> Code:
        wanted = resolve_name(name)
        if wanted is None:
            raise Invalid(f"FHIRPath: R4 has no type {name[:64]!r}.")
        if operator == "is" and isinstance(operand, Call) and operand.name == "resolve" and not operand.arguments:
            self.looks_up = True
            return _resolves(self._source(operand.source, focus), wanted)
        inner = self._source(operand, focus)
        evaluate = inner.evaluate
        if operator == "is":

            def is_(this: Node, scope: Scope) -> bool | None:
                found = evaluate(this, scope)
                if len(found) > 1:
                    raise Invalid("FHIRPath: `is` was given several items.")
                return is_a(found[0].type, wanted) if found else None

            return condition(is_)

        # `as` is meant for one item, but search parameters use it on repeating ones (Group.characteristic.value).
        def as_(this: Node, scope: Scope) -> list[Node]:
            return [node for node in evaluate(this, scope) if casts_to(node.type, wanted)]

        if inner.types is not None and not any(map(is_abstract, inner.types)):
            return items(as_, frozenset(t for t in inner.types if casts_to(t, wanted)))
        return items(as_, None if wanted.startswith("System.") else frozenset((Type(wanted),)))

    def _define(self, tree: Call, focus: Types) -> Code:
        match tree.arguments:
            case (Literal(kind="string", value=str(name)), *rest) if len(rest) < 2:
                pass
            case _:
                raise Invalid("FHIRPath: defineVariable() takes a name, as a literal text, and one expression at most.")
        if name in ("context", "resource", "rootResource", *_URLS):
            raise Invalid("FHIRPath: defineVariable() can't change a variable that there is.")
        inner = self._source(tree.source, focus)
        given = self.code(rest[0], focus).evaluate if rest else None
        self.defined.append(name)
        evaluate = inner.evaluate

        def define(this: Node, scope: Scope) -> list[Node]:
            found = evaluate(this, scope)
            if name in scope.defined:
                raise Invalid("FHIRPath: defineVariable() defines a variable that there is.")
            scope.defined = {**scope.defined, name: found if given is None else given(this, scope)}
            return found

        return items(define, inner.types)

    def _apart(self, tree: Expression, focus: Types) -> Code:
        """Code of an operand or argument: variables that it defines end with it."""
        known = len(self.defined)
        found = self.code(tree, focus)
        if len(self.defined) == known:
            return found
        del self.defined[known:]
        evaluate = found.evaluate

        def ended(this: Node, scope: Scope) -> list[Node]:
            before = scope.defined
            some = evaluate(this, scope)
            scope.defined = before
            return some

        return items(ended, found.types)

    def _call(self, tree: Call, focus: Types) -> Code:
        function = FUNCTIONS.get(tree.name)
        if function is None:
            raise Invalid(f"FHIRPath: the function {tree.name[:64]}() {unknown(tree.name)}")
        fewest, most = function.arity
        if not fewest <= len(tree.arguments) <= most:
            raise Invalid(f"FHIRPath: {tree.name}() takes {fewest} to {most} arguments, found {len(tree.arguments)}.")
        self.looks_up = self.looks_up or tree.name == "resolve"
        if tree.name == "count" and isinstance(tree.source, Call) and tree.source == _CHILDREN:
            return computed(lambda this, scope: count_children(this), frozenset((INTEGER,)))
        inner = self._source(tree.source, focus)
        suits(tree.name, function, inner.types)
        if function.plain is None:
            return self._scoped(tree, function, inner)
        arguments = [self._apart(argument, focus) for argument in tree.arguments]
        types = result(function, inner, arguments)
        return calls.called(tree.name, function, inner, arguments, types)

    def _scoped(self, tree: Call, function: Function, inner: Code) -> Code:
        codes: list[Code] = []
        arguments: list[Argument] = []
        for given in tree.arguments:
            order = ""
            if tree.name == "sort":
                given, order = ordered(given)
            before = self.steps
            code = self._apart(given, inner.types)
            codes.append(code)
            arguments.append(Argument(code.evaluate, code.test, 1 + self.steps - before, order))
        weight = sum(argument.weight for argument in arguments)
        some = tuple(replace(argument, weight=weight) for argument in arguments)
        return calls.scoped(tree.name, function, inner, some, result(function, inner, codes))

    def _indexer(self, tree: Indexer, focus: Types) -> Code:
        inner, position = self.code(tree.source, focus), self._apart(tree.index, focus)
        return operators.indexed(inner, position)

    def _binary(self, tree: Binary, focus: Types) -> Code:
        return operators.binary(tree.operator, self._apart(tree.left, focus), self._apart(tree.right, focus))

    def _constant(self, tree: Constant) -> Code:
        name = tree.name
        if name == "context":
            return items(lambda this, scope: [scope.context], self.root)
        self.looks_up = self.looks_up or name in ("resource", "rootResource")
        if name == "resource":
            return items(lambda this, scope: [scope.resource], self.resource)
        if name == "rootResource":
            return items(lambda this, scope: [scope.root], None)
        text = _URLS.get(name)
        for prefix, url in _PREFIXES.items():
            if name.startswith(prefix):
                text = url + name.removeprefix(prefix)
        if text is not None:
            return always([made(text)], frozenset((STRING,)))
        if name not in self.defined and self.variables is not None and name not in self.variables:
            raise Invalid(f"FHIRPath: there is no variable %{name[:64]}.")

        def given(this: Node, scope: Scope) -> list[Node]:
            if name in scope.defined:
                return scope.defined[name]
            if name in scope.around.variables:
                return variable(scope.around.variables[name])
            raise Invalid(f"FHIRPath: there is no variable %{name[:64]} here.")

        return items(given, None)


def _of_type(wanted: str, focus: Types) -> Code:
    if focus is not None and not any(map(is_abstract, focus)):
        some = frozenset(t for t in focus if is_a(t, wanted))
        if some == focus:
            return _this(focus)
        if not some:
            return NEVER
        focus = some
    return items(lambda this, scope: [this] if is_a(this.type, wanted) else NOTHING, focus)


def _this(focus: Types) -> Code:
    return items(
        lambda this, scope: NOTHING if this is NOBODY else [this], focus, lambda this, scope: this is not NOBODY
    )


def _resolves(inner: Code, wanted: str) -> Code:
    """`resolve() is Patient`, judged by the text of the reference, and by the resource only where that doesn't tell."""
    evaluate = inner.evaluate

    def resolves(this: Node, scope: Scope) -> bool | None:
        found = evaluate(this, scope)
        if len(found) > 1:
            raise Invalid("FHIRPath: `resolve() is` was given several items.")
        text = reference(found[0]) if found else None
        if text is None:
            return None
        named = target_type(text)
        if named is not None:
            return is_a(Type(named), wanted)
        one = None if scope.around is ALONE else target(text, scope)
        return None if one is None else is_a(one.type, wanted)

    return condition(resolves)


def _quantity(tree: QuantityLiteral) -> Quantity:
    if tree.calendar:
        found = calendar(tree.value, tree.unit)
        assert found is not None
        return found
    return Quantity(tree.value, tree.unit)


def _literal(tree: Literal) -> Code:
    value: Any = tree.value
    if tree.kind in ("date", "datetime", "time"):
        value = temporal.parse(str(tree.value).removeprefix("T"), tree.kind)
        if value is None:
            raise Malformed(f"FHIRPath: a literal is no {tree.kind} that there is.")
    node = made(value)
    return always([node], frozenset((node.type,)))
