"""FHIRPath text to syntax tree: the whole grammar. https://hl7.org/fhirpath/N1/grammar.html"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from hilum.fhirpath.lexer import Token, tokens
from hilum.fhirpath.syntax import (
    Binary,
    Call,
    Constant,
    Empty,
    Expression,
    Indexer,
    Literal,
    Member,
    Quantity,
    TypeOperation,
    Unary,
    Variable,
)
from hilum.problems import Malformed

_PRECEDENCE = {
    **dict.fromkeys(("*", "/", "div", "mod"), 10),
    **dict.fromkeys(("+", "-", "&"), 9),
    **dict.fromkeys(("is", "as"), 8),
    "|": 7,
    **dict.fromkeys(("<", ">", "<=", ">="), 6),
    **dict.fromkeys(("=", "~", "!=", "!~"), 5),
    **dict.fromkeys(("in", "contains"), 4),
    "and": 3,
    **dict.fromkeys(("or", "xor"), 2),
    "implies": 1,
}
"""Binding strength; all associate to the left. https://hl7.org/fhirpath/N1/#operator-precedence"""

_UNITS = ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
_CALENDAR = frozenset(_UNITS) | frozenset(f"{unit}s" for unit in _UNITS)
_RESERVED = frozenset(("and", "or", "xor", "implies", "div", "mod", "true", "false"))

_DIGITS = 10
"""Of an integer, which has 32 bits. https://hl7.org/fhirpath/N1/#integer"""
_LONGEST_NUMBER = 64
DEPTH = 100
"""Deeper nesting than this is refused: expressions also come from outside (FHIRPath Patch)."""


LONGEST = 10_000
"""Characters of an expression; R4's longest search parameter has 1,386. Trees are remembered, so their size matters."""


def parse(expression: str) -> Expression:
    """The syntax tree. Raises Malformed with the position; the text of the expression is not repeated."""
    if len(expression) > LONGEST:
        raise Malformed(f"FHIRPath: the expression has more than {LONGEST} characters.")
    return _parse(expression)


@lru_cache(maxsize=4096)
def _parse(expression: str) -> Expression:
    return _Parser(tokens(expression)).whole()


class _Parser:
    """Precedence climbing over a list of tokens."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.at = 0
        self.depth = 0

    def whole(self) -> Expression:
        found = self.expression(0)
        if self.next.kind != "end":
            raise self.unexpected("the end of the expression or an operator")
        return found

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def sees(self, *symbols: str) -> bool:
        return self.next.kind == "symbol" and self.next.text in symbols

    def skip(self, symbol: str) -> None:
        if not self.sees(symbol):
            raise self.unexpected(f"{symbol!r}")
        self.at += 1

    def unexpected(self, expected: str) -> Malformed:
        kind = "the end" if self.next.kind == "end" else f"a token of kind {self.next.kind}"
        return Malformed(f"FHIRPath: found {kind} at position {self.next.position + 1}, expected {expected}.")

    def operator(self) -> str | None:
        token = self.next
        return token.text if token.kind in ("symbol", "identifier") and token.text in _PRECEDENCE else None

    def expression(self, above: int) -> Expression:
        """An expression of operators that bind stronger than `above`."""
        self.depth += 1
        if self.depth > DEPTH:
            raise Malformed(f"FHIRPath: the expression is nested deeper than {DEPTH} levels.")
        left = self.polarity()
        while (operator := self.operator()) and (strength := _PRECEDENCE[operator]) > above:
            position = self.take().position
            if operator in ("is", "as"):
                left = TypeOperation(operator, left, self.qualified(), position)
            else:
                left = Binary(operator, left, self.expression(strength), position)
        self.depth -= 1
        return left

    def polarity(self) -> Expression:
        signs: list[Token] = []
        while self.sees("+", "-"):
            signs.append(self.take())
        found = self.postfix()
        for sign in reversed(signs):
            found = Unary(sign.text, found, sign.position)
        return found

    def postfix(self) -> Expression:
        """A term with its invocations and indexers."""
        found = self.term()
        while True:
            if self.sees("."):
                self.take()
                found = self.invocation(found)
            elif self.sees("["):
                self.take()
                found = Indexer(found, self.expression(0))
                self.skip("]")
            else:
                return found

    def term(self) -> Expression:
        token = self.next
        if self.sees("("):
            self.take()
            found = self.expression(0)
            self.skip(")")
            return found
        if self.sees("{"):
            self.take()
            self.skip("}")
            return Empty()
        if self.sees("%"):
            self.take()
            if self.next.kind == "string":
                return Constant(self.take().text, token.position)
            return Constant(self.identifier(), token.position)
        if token.kind == "number":
            return self.number()
        if token.kind == "string":
            return Literal("string", self.take().text)
        if token.kind in ("date", "datetime", "time"):
            return Literal(token.kind, self.take().text[1:])
        if token.kind == "identifier" and token.text in ("true", "false"):
            return Literal("boolean", self.take().text == "true")
        return self.invocation(None)

    def number(self) -> Expression:
        text = self.take().text
        if len(text) > _LONGEST_NUMBER and "." in text:
            raise Malformed(f"FHIRPath: a number has {_LONGEST_NUMBER} digits at most.")
        if len(text) > _LONGEST_NUMBER or ("." not in text and len(text) > _DIGITS and not self.measured()):
            raise Malformed(f"FHIRPath: an integer has {_DIGITS} digits at most; write a decimal.")
        if self.next.kind == "string":
            return Quantity(Decimal(text), self.take().text, calendar=False)
        if self.next.kind == "identifier" and self.next.text in _CALENDAR:
            return Quantity(Decimal(text), self.take().text, calendar=True)
        if "." in text:
            return Literal("decimal", Decimal(text))
        return Literal("integer", int(text))

    def measured(self) -> bool:
        """Whether a unit comes next."""
        return self.next.kind == "string" or (self.next.kind == "identifier" and self.next.text in _CALENDAR)

    def invocation(self, source: Expression | None) -> Expression:
        token = self.next
        if token.kind == "variable" and source is None:
            return Variable(self.take().text[1:], token.position)
        # After a dot only a name can stand, and HL7's own patch cases write `Patient.text.div` without backticks.
        word = source is not None and self.next.kind == "identifier" and self.next.text in ("div", "mod")
        name = self.take().text if word else self.identifier()
        if not self.sees("("):
            return Member(source, name, token.position)
        self.take()
        arguments: list[Expression] = []
        while not self.sees(")"):
            if arguments:
                self.skip(",")
            arguments.append(self.key(name))
        self.take()
        return Call(source, name, tuple(arguments), token.position)

    def key(self, function: str) -> Expression:
        """An argument; of `sort()` one may say `asc` or `desc`, which is kept as a call of that."""
        found = self.expression(0)
        if function == "sort" and self.next.kind == "identifier" and self.next.text in ("asc", "desc"):
            token = self.take()
            return Call(found, f"${token.text}", (), token.position)
        return found

    def identifier(self) -> str:
        if self.next.kind == "delimited" and not self.next.text:
            raise self.unexpected("a name between the backticks")
        if self.next.kind == "delimited" or (self.next.kind == "identifier" and self.next.text not in _RESERVED):
            return self.take().text
        raise self.unexpected("an identifier")

    def qualified(self) -> str:
        names = [self.identifier()]
        while self.sees("."):
            # `X as Quantity.value` is no FHIRPath: a dot after a type name belongs to the name.
            self.take()
            names.append(self.identifier())
        return ".".join(names)
