"""MDER: values as bytes, most significant first, every length stated before. ISO/IEEE 11073-20601, annex F.

A `Form` is how one type stands in bytes, both ways. Types of the standard are made of forms as its ASN.1 is written:
`record(Segment, U16, many(AVA))`. Whatever bytes come, reading them ends in a value or in Malformed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final, Generic, TypeVar, cast

from hilum.phd.malformed import Malformed
from hilum.phd.number import Number, float32, sfloat, to_float32, to_sfloat

T = TypeVar("T")


class Reader:
    """What is left of some bytes. `name`: of what they are, for what is refused. `start`: where they began."""

    def __init__(self, data: bytes, name: str, start: int = 0) -> None:
        self._data, self.name, self._start, self._at = bytes(data), name, start, 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._at

    @property
    def at(self) -> int:
        """The offset of the next byte."""
        return self._start + self._at

    def take(self, size: int) -> bytes:
        """The next `size` bytes. Raises Malformed: there are fewer."""
        if self.left < size:
            raise Malformed(f"{self.name}: {size - self.left} bytes too few", self.at)
        self._at += size
        return self._data[self._at - size : self._at]

    def uint(self, size: int) -> int:
        """The number of the next `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def part(self, size: int) -> Reader:
        """The next `size` bytes, to be read to their end."""
        at = self.at
        return Reader(self.take(size), self.name, at)

    def end(self) -> None:
        """Nothing may be left. Raises Malformed."""
        if self.left:
            raise Malformed(f"{self.name}: {self.left} bytes more than expected", self.at)


class Writer:
    """Bytes, one after another."""

    def __init__(self) -> None:
        self.data = bytearray()

    def uint(self, value: int, size: int, signed: bool = False) -> None:
        """A number in `size` bytes. Raises Malformed: it has no place there."""
        try:
            self.data += value.to_bytes(size, "big", signed=signed)
        except OverflowError:
            raise Malformed(f"a value does not fit into {size} bytes") from None


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """How a type stands in bytes."""

    read: Callable[[Reader], T]
    write: Callable[[Writer, T], object]

    def decode(self, data: bytes, name: str) -> T:
        """The value of all of `data`. Raises Malformed."""
        reader = Reader(data, name)
        value = self.read(reader)
        reader.end()
        return value

    def encode(self, value: T) -> bytes:
        """Raises Malformed: it has no place there."""
        writer = Writer()
        self.write(writer, value)
        return bytes(writer.data)


def uint(size: int) -> Form[int]:
    """INT-U8, -U16, -U32, BITS-16, OID-Type, HANDLE..."""
    return Form(lambda reader: reader.uint(size), lambda writer, value: writer.uint(value, size))


def octets(size: int) -> Form[bytes]:
    """OCTET STRING (SIZE(n)): without a length."""

    def write(writer: Writer, value: bytes) -> None:
        if len(value) != size:
            raise Malformed(f"expected {size} bytes, found {len(value)}")
        writer.data += value

    return Form(lambda reader: reader.take(size), write)


def many(one: Form[T]) -> Form[tuple[T, ...]]:
    """SEQUENCE OF: how many, how many bytes, and then each."""

    def read(reader: Reader) -> tuple[T, ...]:
        count = reader.uint(2)
        part = reader.part(reader.uint(2))
        if count > part.left:
            raise Malformed(f"{reader.name}: {count} entries in {part.left} bytes", part.at)
        found = tuple(one.read(part) for _ in range(count))
        part.end()
        return found

    def write(writer: Writer, values: tuple[T, ...]) -> None:
        inner = Writer()
        for value in values:
            one.write(inner, value)
        writer.uint(len(values), 2)
        writer.uint(len(inner.data), 2)
        writer.data += inner.data

    return Form(read, write)


def record(kind: type[T], *forms: Form[Any]) -> Form[T]:
    """SEQUENCE: a dataclass whose fields are these, in this order."""
    names = [field.name for field in fields(cast(Any, kind))]

    def write(writer: Writer, value: T) -> None:
        for name, form in zip(names, forms, strict=True):
            form.write(writer, getattr(value, name))

    return Form(lambda reader: kind(*[form.read(reader) for form in forms]), write)


def within(form: Form[T]) -> Form[T]:
    """The bytes of a form after their length, as ANY DEFINED BY and CHOICE have them."""

    def read(reader: Reader) -> T:
        part = reader.part(reader.uint(2))
        value = form.read(part)
        part.end()
        return value

    def write(writer: Writer, value: T) -> None:
        _write_any(writer, form.encode(value))

    return Form(read, write)


def _write_any(writer: Writer, value: bytes) -> None:
    writer.uint(len(value), 2)
    writer.data += value


def _text(reader: Reader) -> str:
    """Printable ASCII by the standard; UTF-8 and Latin 1 are met. Filled up with NUL to an even length by some."""
    found = reader.take(reader.uint(2)).rstrip(b"\0")
    try:
        return found.decode()
    except UnicodeDecodeError:
        return found.decode("latin-1")


def _write_text(writer: Writer, value: str) -> None:
    encoded = value.encode()
    _write_any(writer, encoded + b"\0" * (len(encoded) % 2))


U8: Final = uint(1)
U16: Final = uint(2)
U32: Final = uint(4)
TYPE: Final = U32
"""Partition and term code, as one number of 32 bits: MDC's context-free code."""
SFLOAT: Final[Form[Number]] = Form(
    lambda reader: sfloat(reader.uint(2)), lambda writer, value: writer.uint(to_sfloat(value), 2)
)
FLOAT: Final[Form[Number]] = Form(
    lambda reader: float32(reader.uint(4)), lambda writer, value: writer.uint(to_float32(value), 4)
)
ANY: Final[Form[bytes]] = Form(lambda reader: reader.take(reader.uint(2)), _write_any)
TEXT: Final[Form[str]] = Form(_text, _write_text)
