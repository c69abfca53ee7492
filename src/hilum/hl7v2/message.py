r"""A message of HL7 v2.x in its vertical-bar encoding. HL7 v2.6, chapter 2: 2.5 (segments, fields), 2.6 (encoding).

A segment keeps its fields as they were sent and takes them apart when asked, so that what was read is written back to
the byte: trailing delimiters, unknown escapes, line ends and all. `message["OBX", 2][5, 1]` is the text of the first
component of OBX-5 of the second OBX: "" where it is absent, `NULL` where the sender says "delete what you have".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hilum.hl7v2.delimiters import Delimiters
from hilum.hl7v2.refused import Condition, Place, Refused

USUAL: Final = Delimiters()
_MARK: Final = "\ufeff"
NULL: Final = '""'
HEADERS: Final = ("MSH", "FHS", "BHS")

Component = tuple[str, ...]
Repetition = tuple[Component, ...]
Field = tuple[Repetition, ...]

# Table 0211 -> codec. None: unnamed, which means ASCII.
_CHARSETS: Final = {
    "": "ascii",
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "UNICODE UTF-8": "utf-8",
    "UNICODE": "utf-8",
    "UTF-8": "utf-8",  # not of the table; Sweden's national device service asks for it (Inera, IHE PCD DEC 1.0.1, 2017)
}
_LINE: Final = re.compile("([^\r\n]*)([\r\n]*)")
_MSH: Final = re.compile(rb"^MSH[^\r\n]*|(?<=[\r\n])MSH[^\r\n]*")
_NAME: Final = re.compile("[A-Z][A-Z0-9]{2}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What is read at most; past it a message is refused before it costs anything."""

    size: int = 16 << 20
    segments: int = 100_000
    fields: int = 1_000


LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Segment:
    """`raw`: its fields from 1 on, as sent. `end`: what ended its line; HL7 wants one carriage return."""

    name: str
    raw: tuple[str, ...] = ()
    delimiters: Delimiters = USUAL
    codec: str = "utf-8"
    end: str = "\r"

    @classmethod
    def of(cls, name: str, *fields: str | Field, delimiters: Delimiters | None = None) -> Segment:
        """A segment of texts and trees; of a header, from field 3 on."""
        signs = delimiters or USUAL
        raw = tuple(signs.escaped(one) if isinstance(one, str) else joined(one, signs) for one in fields)
        return cls(name, (signs.field, signs.characters, *raw) if name in HEADERS else raw, signs)

    def __getitem__(self, key: int | tuple[int, ...]) -> str:
        """The text at (field, component, subcomponent), the latter two 1 unless told; of the first repetition."""
        field, component, subcomponent = (*((key,) if isinstance(key, int) else key), 1, 1)[:3]
        if self.name in HEADERS and field <= 2:
            return self._raw(field)
        signs, part = self.delimiters, self._raw(field)
        part = _nth(part, signs.repetition, 1)
        part = _nth(part, signs.component, component)
        return self._text(_nth(part, signs.subcomponent, subcomponent))

    def text(self, field: int) -> str:
        """A whole field that is one text, as ST and TX are even where a sender forgot to escape."""
        return self._text(self._raw(field))

    def field(self, number: int) -> Field:
        """All of a field, its texts unescaped; () where it is absent."""
        raw, signs = self._raw(number), self.delimiters
        if self.name in HEADERS and number <= 2:
            return (((raw,),),)
        if not raw:
            return ()
        return tuple(
            tuple(
                tuple(self._text(text) for text in _split(component, signs.subcomponent))
                for component in _split(repetition, signs.component)
            )
            for repetition in _split(raw, signs.repetition)
        )

    def __len__(self) -> int:
        """How many fields it has; empty ones at the end count."""
        return len(self.raw)

    def __str__(self) -> str:
        """As it was sent, without its end."""
        if self.name in HEADERS:
            return self.name + (self.raw[0] if self.raw else "") + self.delimiters.field.join(self.raw[1:])
        return self.delimiters.field.join((self.name, *self.raw))

    def _raw(self, field: int) -> str:
        return self.raw[field - 1] if 0 < field <= len(self.raw) else ""

    def _text(self, raw: str) -> str:
        return self.delimiters.unescaped(raw, self.codec)


@dataclass(frozen=True, slots=True)
class Message:
    """`told`: how it departs from the standard in ways that are let pass. `before`: a byte order mark, or nothing."""

    segments: tuple[Segment, ...]
    codec: str = "utf-8"
    told: tuple[str, ...] = ()
    before: str = ""

    def __getitem__(self, key: str | tuple[str, int]) -> Segment:
        """The segment of a name, the first or the n-th of it; an empty one where there is none."""
        name, number = (key, 1) if isinstance(key, str) else key
        found = self.all(name)
        return found[number - 1] if 0 < number <= len(found) else Segment(name, (), self.delimiters, self.codec)

    def all(self, name: str) -> tuple[Segment, ...]:
        """The segments of a name, in order."""
        return tuple(segment for segment in self.segments if segment.name == name)

    def __contains__(self, name: object) -> bool:
        return any(segment.name == name for segment in self.segments)

    @property
    def delimiters(self) -> Delimiters:
        """Of its header."""
        return self.segments[0].delimiters if self.segments else USUAL

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self["MSH"][10]

    def write(self) -> bytes:
        """Its bytes: those that were read, if it was read. Raises Refused: its character set lacks a character."""
        try:
            return "".join((self.before, *(f"{one}{one.end}" for one in self.segments))).encode(self.codec)
        except UnicodeEncodeError:
            raise Refused(Condition.DATA_TYPE, "a character that MSH-18 does not have", Place("MSH", 1, 18)) from None


def built(*segments: Segment, codec: str = "utf-8") -> Message:
    """A message of segments, in one character set."""
    return Message(tuple(Segment(one.name, one.raw, one.delimiters, codec, one.end) for one in segments), codec)


def parse(raw: bytes, limits: Limits = LIMITS, codec: str | None = None) -> Message:
    """The message of its bytes. `codec`: of the transport, where that tells and not MSH-18. Raises Refused."""
    before = _MARK if raw.startswith(_MARK.encode()) else ""
    segments, codec, told = lines(raw, limits, codec)
    if segments[0].name != "MSH":
        raise Refused(Condition.SEGMENT_SEQUENCE, "a message begins with MSH", Place(segments[0].name))
    for segment in segments[1:]:
        if segment.name in (*HEADERS, "FTS", "BTS"):
            raise Refused(Condition.SEGMENT_SEQUENCE, "expected one message, found a batch", Place(segment.name))
    return Message(segments, codec, told, before)


def lines(
    raw: bytes, limits: Limits = LIMITS, codec: str | None = None
) -> tuple[tuple[Segment, ...], str, tuple[str, ...]]:
    """The segments of bytes that begin with a header, their codec, and what was let pass. Raises Refused."""
    if len(raw) > limits.size:
        raise Refused(Condition.DATA_TYPE, f"{len(raw)} bytes, at most {limits.size} are read")
    marked = raw.startswith(_MARK.encode())
    raw = raw[3:] if marked else raw
    if raw[:3] not in (b"MSH", b"FHS", b"BHS"):
        raise Refused(Condition.SEGMENT_SEQUENCE, "expected MSH, FHS or BHS at the beginning", Place("MSH"))
    told = ["it begins with a byte order mark"] if marked else []
    text, codec = _decoded(raw, "utf-8" if marked else codec, told)
    found, counts, signs = list[Segment](), dict[str, int](), USUAL
    for match in _LINE.finditer(text):
        line, end = match[1], match[2]
        if not line:
            continue
        name = line[:3]
        counts[name] = counts.get(name, 0) + 1
        if len(found) >= limits.segments:
            raise Refused(Condition.SEGMENT_SEQUENCE, f"more than {limits.segments} segments")
        if name in HEADERS:
            signs = Delimiters.of(line)
        if not _NAME.fullmatch(name) or line[3:4] not in ("", signs.field):
            place = Place(name if _NAME.fullmatch(name) else "???", counts[name])
            raise Refused(
                Condition.SEGMENT_SEQUENCE, f"line {len(found) + 1} does not begin with a segment's name", place
            )
        fields = tuple(line[4:].split(signs.field, limits.fields)) if len(line) > 3 else ()
        if len(fields) > limits.fields:
            raise Refused(Condition.DATA_TYPE, f"more than {limits.fields} fields", Place(name, counts[name]))
        found.append(
            Segment(name, (signs.field, *fields) if name in HEADERS else fields, signs, codec, end),
        )
    if any(segment.end != "\r" for segment in found[:-1]) or found[-1].end not in ("", "\r"):
        told.append("segments end with something else than one carriage return")
    elif not found[-1].end:
        told.append("the last segment has no end")
    return tuple(found), codec, tuple(told)


def joined(field: Field, signs: Delimiters) -> str:
    """A field's tree as it is sent. Raises Refused: it needs a delimiter that the message does not have."""
    return _join(
        [
            _join(
                [_join([signs.escaped(text) for text in component], signs.subcomponent) for component in repetition],
                signs.component,
            )
            for repetition in field
        ],
        signs.repetition,
    )


def components(*texts: str) -> Field:
    """A field of components without subcomponents: components("F", "", "MDC")."""
    return (tuple((text,) for text in texts),)


def _join(parts: Sequence[str], sign: str) -> str:
    if len(parts) > 1 and not sign:
        raise Refused(Condition.DATA_TYPE, "a field has parts that the message has no delimiter for")
    return sign.join(parts)


def _split(raw: str, sign: str) -> list[str]:
    return raw.split(sign) if sign else [raw]


def _nth(raw: str, sign: str, number: int) -> str:
    parts = raw.split(sign, number) if sign and number > 0 else [raw]
    return parts[number - 1] if 0 < number <= len(parts) else ""


def _decoded(raw: bytes, codec: str | None, told: list[str]) -> tuple[str, str]:
    """By MSH-18 (of a file: of its first message), whose own characters are ASCII whatever it says."""
    first = _MSH.search(raw)
    header = first[0].decode("latin-1") if first else ""
    fields = header[4:].split(header[3:4]) if len(header) > 3 else []
    named = fields[16] if len(fields) > 16 else ""
    name = _split(named, fields[0][1:2] if fields else "")[0].strip().upper()
    codec = codec or _CHARSETS.get(name)
    if codec is None:
        raise Refused(Condition.TABLE_VALUE, "a character set that is not read", Place("MSH", 1, 18))
    try:
        return raw.decode(codec), codec
    except UnicodeDecodeError:
        if codec != "ascii":
            raise Refused(Condition.DATA_TYPE, "bytes that are not of its character set", Place("MSH", 1, 18)) from None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(
            Condition.DATA_TYPE, "neither ASCII nor UTF-8, and MSH-18 names no other", Place("MSH", 1, 18)
        ) from None
    told.append("MSH-18 does not say UTF-8")
    return text, "utf-8"
