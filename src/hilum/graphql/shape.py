"""What was found to the answer: what has no value is left out, and the directives move values about.

https://hl7.org/fhir/R4/graphql.html#flattening
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from hilum.fhirpath import Work
from hilum.graphql.errors import Failed
from hilum.graphql.plan import Field, Items
from hilum.problems import Invalid, Problem


@dataclass(slots=True)
class Thing:
    """One object on its way into the answer: its fields with what was found, Things among it. `body`: its JSON."""

    body: Any
    found: list[tuple[Field, Items]] = field(default_factory=list)


_MISSING: Final = object()


def answer(thing: Thing, work: Work) -> dict[str, Any]:
    """The object as it is answered. Raises Failed where `@singleton` or `@flatten` can't be had."""
    return _Writer(work).object(thing)


class _Writer:
    def __init__(self, work: Work) -> None:
        self.work = work

    def object(self, thing: Thing) -> dict[str, Any]:
        target: dict[str, Any] = {}
        self._write(thing, target, {}, False, "")
        return target

    def _write(self, thing: Thing, target: dict[str, Any], types: dict[str, str], many: bool, suffix: str) -> None:
        """`many`: a parent was flattened that repeats, so that children become lists."""
        for one, items in thing.found:
            for number, value in items:
                after = suffix
                if one.slice is not None:
                    whole = value.body if type(value) is Thing else value
                    after += "." + one.slice(whole, number, self.work)
                if one.flatten and type(value) is Thing:
                    self._write(value, target, types, many or one.meaning.many, after)
                elif type(value) is Thing:
                    self._put(one, one.key + after, self.object(value), target, types, many)
                else:
                    self._put(one, one.key + after, value, target, types, many)

    def _put(
        self, one: Field, name: str, value: Any, target: dict[str, Any], types: dict[str, str], many: bool
    ) -> None:
        before = target.get(name, _MISSING)
        if before is not _MISSING and types[name] != one.meaning.type:
            raise _refused(one, "@flatten puts values of different types under one name; give one of them an alias.")
        types[name] = one.meaning.type
        if one.singleton:
            if before is not _MISSING:
                raise _refused(one, "@singleton is on a field that has more than one value here.")
            target[name] = value
        elif one.meaning.many or many:
            if before is _MISSING:
                target[name] = [value]
            elif isinstance(before, list):
                before.append(value)
            else:
                raise _refused(one, "A flattened field repeats one beside it; give one of them an alias.")
        elif before is _MISSING:
            target[name] = value
        else:
            raise _refused(one, "A flattened field repeats one beside it; give one of them an alias.")


def _refused(one: Field, text: str) -> Problem:
    return Failed(Invalid(text), one.places)
