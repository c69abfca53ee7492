"""One alternative of a clause: what stands between two commas of a search parameter's value.

https://hl7.org/fhir/R4/search.html#combining
"""

from __future__ import annotations

import msgspec


class Token(msgspec.Struct, frozen=True):
    """One alternative of a token clause.

    `system` None: any system; "": explicitly none (`|code`). `code` None: any code of that system (`system|`).
    """

    system: str | None
    code: str | None


class DateRange(msgspec.Struct, frozen=True):
    """One alternative of a date clause: `prefix` (eq ne gt lt ge le sa eb ap; co of `_filter`: what is there includes
    it) against [low, high] microseconds.
    """

    prefix: str
    low: int
    high: int


class Amount(msgspec.Struct, frozen=True):
    """One alternative of a number or quantity clause.

    `prefix` as for dates. `value`: the number exactly; [`low`, `high`): the range that its digits imply (for `ap`
    already widened to a tenth of the value), all IEEE doubles in the unit that was asked for. `system` None: any unit
    (`5.4`) or, with a `code`, any system (`5.4||mg`: the code or the human unit is mg); else system and code
    (`5.4|http://unitsofmeasure.org|mg`: UCUM units that convert into it are meant, too).
    """

    prefix: str
    value: float
    low: float
    high: float
    system: str | None = None
    code: str | None = None


class Composite(msgspec.Struct, frozen=True):
    """One alternative of a composite clause: `first` and `second` hold for one and the same element.

    `first` is a token; `second` is of one kind: a Token, a DateRange, an Amount, a (type, id), or two Amounts (the
    start and the end of a window).
    """

    first: Token
    second: Token | DateRange | Amount | tuple[str | None, str] | tuple[Amount, Amount]
