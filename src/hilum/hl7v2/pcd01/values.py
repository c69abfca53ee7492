"""OBX-2 and OBX-5 of a measured value, both ways, and what of it needs a facet."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Final

from hilum.hl7v2.message import NULL, Field, Segment, components
from hilum.hl7v2.pcd01 import codes
from hilum.hl7v2.refused import Condition, Place, Refused
from hilum.phd.number import Number, Special
from hilum.phd.reading import Bits, Samples, Status

Names = Callable[[int], str]

_NM: Final = re.compile(r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})", re.ASCII)
_CODE: Final = re.compile(r"\d{1,10}", re.ASCII)
_BIT: Final = re.compile(r".*\((\d{1,2})\)", re.ASCII | re.DOTALL)
_WIDE: Final = Context(prec=2000)
_SPECIALS: Final = {special.value: special for special in Special}


def coded(code: int, names: Names, original: str = "") -> Field:
    """A code of MDC, CWE. `original`: CWE.9."""
    texts = [str(code), codes.NAMES.get(code) or names(code), "MDC"]
    return components(*texts, *["", "", "", "", "", original] if original else ())


def plain(number: Decimal) -> str:
    """NM: digits, with no exponent."""
    return f"{number:f}"


def several(numbers: tuple[Decimal, ...] | tuple[int, ...]) -> Field:
    """NA."""
    return components(*(plain(Decimal(number)) for number in numbers))


def scaled(value: Samples) -> tuple[Decimal, ...]:
    """Samples in their unit. Raises Refused: what scales them is no number."""
    if not isinstance(value.scale, Decimal) or not isinstance(value.origin, Decimal) or not value.scale:
        raise Refused(Condition.DATA_TYPE, "samples need a scale other than 0 and an origin")
    return tuple(_WIDE.add(_WIDE.multiply(Decimal(raw), value.scale), value.origin) for raw in value.raw)


def unscaled(numbers: tuple[Decimal, ...], scale: Decimal, origin: Decimal, at: Place) -> tuple[int, ...]:
    """The samples that a device sent. Raises Refused: they are none of its scale."""
    raw = []
    for number in numbers:
        one = _WIDE.divide(_WIDE.subtract(number, origin), scale).to_integral_value()
        if _WIDE.add(_WIDE.multiply(one, scale), origin) != number:
            raise Refused(Condition.DATA_TYPE, "a sample that its scale does not give", at)
        raw.append(int(one))
    return tuple(raw)


def bits(value: Bits) -> Field:
    """Each bit as 0 or 1 and its number: those that the device supports, or, where that isn't known, that are set."""
    told = value.value if value.supported is None else value.value | value.supported
    highest = value.size - 1
    return tuple(
        (("1" if value.value >> highest - bit & 1 else "0",), (f"({bit})",))
        for bit in range(value.size)
        if told >> highest - bit & 1
    )


def as_bits(field: Field) -> Bits | None:
    """Bits of their numbers; None: the field has something else."""
    found: dict[int, bool] = {}
    for repetition in field:
        match = _BIT.fullmatch(repetition[1][0]) if len(repetition) == 2 else None
        if match is None or repetition[0][0] not in ("0", "1") or int(match[1]) > 31:
            return None
        found[int(match[1])] = repetition[0][0] == "1"
    if not found:
        return None
    size = 16 if max(found) < 16 else 32
    value = sum(1 << size - 1 - bit for bit, on in found.items() if on)
    supported = sum(1 << size - 1 - bit for bit in found)
    return Bits(value, size, None if supported == value else supported)


def bits_text(value: Bits) -> Field:
    """Bits to the last detail: hexadecimal digits of the value, and of what is supported."""
    texts = [value.value] if value.supported is None else [value.value, value.supported]
    return tuple(((f"{one:0{value.size // 4}X}",),) for one in texts)


def as_bits_text(field: Field, at: Place) -> Bits:
    """Raises Refused."""
    texts = [repetition[0][0] for repetition in field]
    if len(texts) not in (1, 2) or any(not re.fullmatch("[0-9A-F]{4}|[0-9A-F]{8}", text) for text in texts):
        raise Refused(Condition.DATA_TYPE, "expected 4 or 8 hexadecimal digits, once or twice", at)
    return Bits(int(texts[0], 16), 4 * len(texts[0]), int(texts[1], 16) if len(texts) == 2 else None)


def flags(status: Status, value: Number | None) -> Field:
    """OBX-8 of a status and of what is no number."""
    texts = [text for text, bit in codes.FLAGS.items() if bit in status]
    if isinstance(value, Special):
        texts.append(codes.ABSENT.get(value, "NAV"))
    return tuple(((text,),) for text in dict.fromkeys(texts))


def status_of(texts: tuple[str, ...], absent: bool) -> Status:
    """The status that OBX-8 says. Where there is no number, NAV says just that."""
    told = [codes.FLAGS[text] for text in texts if text in codes.FLAGS and not (absent and text == "NAV")]
    found = Status(0)
    for one in told:
        found |= one
    return found


def special_of(texts: tuple[str, ...]) -> Special:
    """What there is in place of a number, by OBX-8."""
    return next((special for special, text in codes.ABSENT.items() if text in texts), Special.NAN)


def as_number(text: str, at: Place) -> Number:
    """A facet's number, which may be a word such as NaN. Raises Refused."""
    return _SPECIALS[text] if text in _SPECIALS else as_decimal(text, at)


def as_decimal(text: str, at: Place) -> Decimal:
    """NM. Raises Refused."""
    if not _NM.fullmatch(text):
        raise Refused(Condition.DATA_TYPE, "expected a number", at)
    return Decimal(text)


def as_numbers(segment: Segment, at: Place) -> tuple[Decimal, ...]:
    """NA, the channels one after another. Raises Refused."""
    return tuple(
        as_decimal(component[0], at) for repetition in segment.field(5) for component in repetition if component[0]
    )


def as_code(parts: tuple[tuple[str, ...], ...], at: Place) -> int:
    """The code of MDC in a CWE, in its first or its alternate triple. Raises Refused."""
    texts = [part[0] for part in parts]
    triples = [triple for triple in (texts[:3], texts[3:6]) if triple and triple[0]]
    if not triples:
        raise Refused(Condition.REQUIRED_FIELD, "expected a code of MDC", at)
    mdc = [triple for triple in triples if len(triple) == 3 and triple[2] == "MDC"]
    if not mdc:
        raise Refused(Condition.TABLE_VALUE, "expected a code of MDC (third or sixth component)", at)
    if not _CODE.fullmatch(mdc[0][0]) or int(mdc[0][0]) >> 32:
        raise Refused(Condition.DATA_TYPE, "expected an MDC code in decimal, of 32 bits", at)
    return int(mdc[0][0])


def is_absent(segment: Segment, field: int) -> bool:
    """Whether a field says nothing, or null."""
    return segment.text(field) in ("", NULL)
