"""FHIR XML to a body, in one pass of expat. https://hl7.org/fhir/R4/xml.html

Nothing of XML that could harm is read: no document type declaration, so no entities beyond XML's own five and no
external ones; UTF-8 only; nesting is bounded. Comments, processing instructions and white space between elements are
no content. A narrative is taken as it stands, character by character.
"""

from __future__ import annotations

import codecs
import re
from typing import Any, Final
from xml.parsers import expat

from hilum.fhir.xml import narrative
from hilum.fhir.xml.tables import FHIR, R4, SPACE, XHTML, Dialect, Kind, Slot, Table
from hilum.problems import Invalid, Issue, Malformed

DEEPEST: Final = 300
"""So many elements may stand within each other; validation allows fewer, which it tells by their place."""
MOST_PREFIXES: Final = 50
MOST: Final = 100
"""Faults after which the rest isn't looked at."""

_TAG: Final = re.compile(rb"<[^>\"']*+(?:\"[^\"]*+\"[^>\"']*+|'[^']*+'[^>\"']*+)*+>")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")


def parse(data: bytes, lines: dict[str, int] | None = None, dialect: Dialect = R4) -> dict[str, Any]:
    """The body of the resource in an XML document, as `hilum.fhir.json.parse` would give it.

    Raises Malformed when it is no XML that could be a resource, and Invalid naming each element that FHIR's XML does
    not allow there, with its line. `lines`, when given, is filled: FHIRPath of each element -> line.
    """
    body, issues = read(data, lines, dialect)
    if issues:
        raise Invalid(issues=tuple(issues))
    return body


def read(
    data: bytes, lines: dict[str, int] | None = None, dialect: Dialect = R4, *, ordered: bool = True
) -> tuple[dict[str, Any], list[Issue]]:
    """The same, what is wrong beside what could be read. `ordered`: as elements must stand. Raises Malformed."""
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or b"\0" in data[:4]:
        raise Malformed("The XML must be in UTF-8; this looks like UTF-16 or UTF-32.")
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data.strip():
        raise Malformed(f'The body is empty: expected one resource, such as <Patient xmlns="{FHIR}">.')
    reading = _Reading(data, lines, dialect, ordered)
    try:
        reading.parser.Parse(data, True)
    except expat.ExpatError as error:
        where = f"line {error.lineno}, column {error.offset + 1}"
        raise Malformed(f"The body is not well-formed XML: {expat.ErrorString(error.code)} ({where}).") from None
    except _Enough:
        pass
    return reading.root.body, reading.issues


class _Enough(Exception):
    """Within a callback: stop here."""


class _Frame:
    """An open element. `last`: the place of the latest child; `ragged`: lists to be made even at its end."""

    __slots__ = ("body", "index", "kind", "last", "ragged", "slot", "step", "table", "told")

    def __init__(self, step: str, slot: Slot | None, kind: Kind, table: Table, body: dict[str, Any]) -> None:
        self.step, self.slot, self.kind, self.table, self.body = step, slot, kind, table, body
        self.index = self.last = -1
        self.ragged: list[Slot] | None = None
        self.told = False


_EMPTY: Final = Table([], frozenset())


class _Reading:
    """One document. The frames' bodies are attached to their parents when they begin."""

    def __init__(self, data: bytes, lines: dict[str, int] | None, dialect: Dialect, ordered: bool) -> None:
        self.data, self.lines, self.dialect, self.ordered = data, lines, dialect, ordered
        self.issues: list[Issue] = []
        self.root = self.frame = _Frame("", None, Kind.RESOURCE, _EMPTY, {})
        self.stack = [self.root]
        self.leaf: Slot | None = None  # an open primitive that so far has nothing but its value, and so no frame
        self.skipping = 0  # elements open within what is not looked at
        self.inside = 0  # elements open within a narrative
        self.begun = 0  # where the narrative begins
        self.prefixes: set[str] = set()  # declared outside of narratives
        self.fresh: list[str] = []  # those of the element that begins next
        self.rewriting: narrative.Rewriting | None = None
        self.parser = parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.XmlDeclHandler = _declared
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartNamespaceDeclHandler = self.declare
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text

    # --- what expat calls ---------------------------------------------------------------------------------------------

    def declare(self, prefix: str | None, uri: str) -> None:
        """A namespace; a narrative that builds on one declared outside of it can't be taken as it stands."""
        if not self.inside and not self.skipping and (prefix or uri == XHTML):
            self.fresh.append(prefix or "")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        if self.inside or self.skipping:
            self._deeper(name, attributes)
            return
        if self.fresh:
            if name.rpartition(" ")[2] != "div":
                self.prefixes.update(self.fresh)
                if len(self.prefixes) > MOST_PREFIXES:
                    raise Malformed(f"The XML declares more than {MOST_PREFIXES} prefixes.")
            self.fresh = []
        if self.leaf is not None:
            self._unfold(self.leaf)
        frame = self.frame
        if frame.kind is Kind.RESOURCE:
            self._resource(frame, name, attributes)
            return
        slot = frame.table.children.get(name)
        if slot is None:
            self._unknown(frame, name)
            return
        if slot.order <= frame.last and not (slot.many and slot.order == frame.last):
            self._misplaced(frame, slot)
        frame.last = slot.order
        if slot.kind is Kind.PRIMITIVE:
            self._primitive(frame, slot, attributes)
        elif slot.kind is Kind.COMPLEX:
            body: dict[str, Any] = {}
            self._push(frame, slot, slot.table, body)
            self._attach(frame, slot, body)
            if attributes:
                self._attributes(self.frame, attributes)
        elif slot.kind is Kind.RESOURCE:
            body = {}
            self._push(frame, slot, _EMPTY, body)
            self._attach(frame, slot, body)
            if attributes:
                self._attributes(self.frame, attributes)
        else:
            self._div(frame, slot, name, attributes)

    def end(self, name: str) -> None:
        """An element ends."""
        if self.leaf is not None:
            self.leaf = None
            return
        if self.inside:
            self.inside -= 1
            if self.rewriting is not None:
                self.rewriting.end(name)
            if not self.inside:
                self._divided()
            return
        if self.skipping:
            self.skipping -= 1
            return
        frame = self.stack.pop()
        parent = self.frame = self.stack[-1]
        if frame.ragged is not None:
            _make_even(frame)
        if frame.kind is Kind.PRIMITIVE:
            self._ended(parent, frame)

    def text(self, data: str) -> None:
        """Text: only narratives have any."""
        if self.inside:
            if self.rewriting is not None:
                self.rewriting.text(data)
        elif not data.isspace() and data.strip(SPACE) and not self.skipping:
            if self.leaf is not None:
                self._unfold(self.leaf)
            if self.frame.told:
                return
            self.frame.told = True
            self._wrong(self._path(), "has text in it: values stand in the attribute value")

    # --- elements -----------------------------------------------------------------------------------------------------

    def _push(self, parent: _Frame, slot: Slot, table: Table, body: dict[str, Any]) -> None:
        if len(self.stack) > DEEPEST:
            raise Malformed("The XML is nested too deeply to be a FHIR resource.")
        self.frame = frame = _Frame(slot.step, slot, slot.kind, table, body)
        if slot.many:
            held = parent.body.get(slot.property)
            frame.index = len(held) if held is not None else 0
        self.stack.append(frame)
        if self.lines is not None:
            self.lines.setdefault(self._path(), self.parser.CurrentLineNumber)

    def _attach(self, parent: _Frame, slot: Slot, value: Any) -> None:
        if not slot.many:
            parent.body[slot.property] = value
        elif slot.property in parent.body:
            parent.body[slot.property].append(value)
        else:
            parent.body[slot.property] = [value]

    def _primitive(self, parent: _Frame, slot: Slot, attributes: dict[str, str]) -> None:
        text = attributes.pop("value", None)
        if text is not None and not attributes and self.lines is None:
            self._attach(parent, slot, slot.value(text))
            self.leaf = slot
            return
        self._push(parent, slot, slot.table, {})
        if attributes:
            self._attributes(self.frame, attributes)
        if text is not None:
            self._attach(parent, slot, slot.value(text))
            self.frame.last = 0
        elif slot.many:
            self._attach(parent, slot, None)

    def _unfold(self, slot: Slot) -> None:
        """An open primitive has something in it after all."""
        self.leaf = None
        parent = self.frame
        self._push(parent, slot, slot.table, {})
        self.frame.last = 0
        if slot.many:
            self.frame.index -= 1  # its value was counted

    def _ended(self, parent: _Frame, frame: _Frame) -> None:
        """A primitive is whole: its id and extensions stand beside its value."""
        slot, extra = frame.slot, frame.body
        assert slot is not None
        if not extra:
            if frame.last < 0:  # neither a value nor anything in it
                if not slot.many:
                    parent.body.pop(slot.property, None)
                self._wrong(self._path(frame), "is empty: it must have a value or extensions (ele-1)", "invariant")
            elif not slot.many or slot.underscored not in parent.body:
                return
        if slot.many:
            extras = parent.body.setdefault(slot.underscored, [])
            extras += [None] * (frame.index - len(extras))
            extras.append(extra or None)
            if parent.ragged is None:
                parent.ragged = []
            if slot not in parent.ragged:
                parent.ragged.append(slot)
        elif extra:
            parent.body[slot.underscored] = extra

    def _resource(self, frame: _Frame, name: str, attributes: dict[str, str]) -> None:
        type_ = self.dialect.roots.get(name)
        is_root = frame is self.root
        if type_ is None:
            space, _, local = name.rpartition(" ")
            if is_root:
                raise Malformed(_no_root(self.dialect, local))
            said = (
                f"is not a resource type of {self.dialect.version}"
                if space == FHIR
                else f"is not in the namespace {FHIR}"
            )
            self._skip(self._path() + f": {_shown(local)} {said}", "")
            return
        if "resourceType" in frame.body:
            self._skip(self._path(), "holds more than one resource")
            return
        frame.body["resourceType"] = type_
        self.frame = inner = _Frame(type_ if is_root else "", None, Kind.COMPLEX, self.dialect.table(type_), frame.body)
        self.stack.append(inner)
        if self.lines is not None:
            self.lines.setdefault(self._path(), self.parser.CurrentLineNumber)
        if attributes:
            self._attributes(inner, attributes)

    def _attributes(self, frame: _Frame, attributes: dict[str, str]) -> None:
        for name, value in attributes.items():
            if name in frame.table.attributes:
                frame.body[name] = value
            else:
                local = name.rpartition(" ")[2]
                self._wrong(self._path(), f"has an attribute that FHIR does not know, {_shown(local)}")

    # --- narrative ----------------------------------------------------------------------------------------------------

    def _div(self, parent: _Frame, slot: Slot, name: str, attributes: dict[str, str]) -> None:
        self._push(parent, slot, _EMPTY, {})
        self.begun = self.parser.CurrentByteIndex
        self.inside = 1
        if self.prefixes or not self.data.startswith(b"<div", self.begun):
            self.rewriting = narrative.Rewriting()
            self.rewriting.start(name, attributes)

    def _divided(self) -> None:
        """A narrative is whole: as it stands in the document, or where that would not be the same, written again."""
        tag = _TAG.match(self.data, self.begun)
        assert tag is not None
        end = tag.end()
        if self.data[end - 2 : end] != b"/>":
            end = self.data.index(b">", self.parser.CurrentByteIndex) + 1
        source = self.data[self.begun : end]
        if self.rewriting is not None and (
            not source.startswith(b"<div") or narrative.builds_on(source, self.prefixes)
        ):
            text = self.rewriting.result()
        else:
            text = source.decode()
        self.rewriting = None
        frame = self.stack.pop()
        parent = self.frame = self.stack[-1]
        assert frame.slot is not None
        self._attach(parent, frame.slot, text)

    def _deeper(self, name: str, attributes: dict[str, str]) -> None:
        if self.skipping:
            self.skipping += 1
        else:
            self.inside += 1
            if self.rewriting is not None:
                self.rewriting.start(name, attributes)
        if self.skipping + self.inside > DEEPEST:
            raise Malformed("The XML is nested too deeply to be a FHIR resource.")

    # --- what is wrong ------------------------------------------------------------------------------------------------

    def _path(self, last: _Frame | None = None) -> str:
        frames = self.stack if last is None else [*self.stack, last]
        return ".".join(one.step if one.index < 0 else f"{one.step}[{one.index}]" for one in frames if one.step)

    def _wrong(self, path: str, text: str, code: str = "structure") -> None:
        line = self.parser.CurrentLineNumber
        self.issues.append(Issue("error", code, f"{path} {text} (line {line}).".replace("  ", " "), path.split(":")[0]))
        if len(self.issues) >= MOST:
            raise _Enough

    def _skip(self, path: str, text: str) -> None:
        self._wrong(path, text)
        self.skipping = 1

    def _unknown(self, frame: _Frame, name: str) -> None:
        space, _, local = name.rpartition(" ")
        if frame.slot is not None and local == "div" and "div" in frame.table.slots:  # of a wrong namespace
            self._div(frame, frame.table.slots["div"], name, {})
            return
        path = f"{self._path()}.{local}" if _NAME.fullmatch(local) else self._path()
        if space != FHIR:
            self._skip(path, f"is not in the namespace {FHIR}")
        elif frame.kind is Kind.PRIMITIVE:
            self._skip(path, "is not an element here: a primitive has a value and extensions only")
        else:
            self._skip(path, "is not an element here: the specification knows no such element")

    def _misplaced(self, frame: _Frame, slot: Slot) -> None:
        path = f"{self._path()}.{slot.step}"
        if slot.order == frame.last:
            self._wrong(path, "may appear once")
        elif not self.ordered:
            if not slot.many and (slot.property in frame.body or slot.underscored in frame.body):
                self._wrong(path, "may appear once")
        else:
            self._wrong(path, "is out of order: elements stand in the order in which the specification lists them")


def _make_even(frame: _Frame) -> None:
    """`_given` is as long as `given`; and `given` is left out when it has no value at all."""
    for slot in frame.ragged or ():
        values, extras = frame.body[slot.property], frame.body[slot.underscored]
        extras += [None] * (len(values) - len(extras))
        if not any(extra is not None for extra in extras):
            del frame.body[slot.underscored]
        elif all(value is None for value in values):
            del frame.body[slot.property]


def _declared(version: str, encoding: str | None, standalone: int) -> None:
    if encoding is not None and encoding.lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Malformed("The XML must be in UTF-8; its declaration names another encoding.")


def _refuse_doctype(*_: object) -> None:
    raise Malformed("The XML has a document type declaration (DOCTYPE), which FHIR forbids.")


def _no_root(dialect: Dialect, local: str) -> str:
    if local in dialect.resources:
        return f'The root element must be in the namespace of FHIR: <{local} xmlns="{FHIR}">.'
    return f'The root element must be a resource of FHIR {dialect.version}, such as <Patient xmlns="{FHIR}">.'


def _shown(name: str) -> str:
    """A name that a client made up, if it looks like one."""
    return repr(name) if _NAME.fullmatch(name) else "of a name that FHIR has not"
