r"""Encoding characters and escape sequences. HL7 v2.6, 2.5.4 (delimiters), 2.7 (escapes).

`\F\` `\S\` `\T\` `\R\` `\E\` `\P\` are the delimiters themselves, `\.br\` is a line break, `\Xdd..\` are bytes in the
message's character set. Every other sequence (highlighting, other character sets, a site's own) stays as it was sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hilum.hl7v2.refused import Condition, Place, Refused

_SEQUENCE_OF: Final = {"\n": ".br", "\r": "X0D"}


@dataclass(frozen=True, slots=True)
class Delimiters:
    """MSH-1 and MSH-2. An empty one is one that the message doesn't have."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @classmethod
    def of(cls, header: str) -> Delimiters:
        """Those of a text that begins with MSH, FHS or BHS. Raises Refused."""
        name, field = header[:3], header[3:4]
        characters = header[4:].split(field, 1)[0] if field else ""
        everything = field + characters
        if not 2 <= len(characters) <= 5:
            raise Refused(Condition.DATA_TYPE, "expected 2 to 5 encoding characters, as ^~\\&", Place(name, 1, 2))
        if len(set(everything)) != len(everything) or any(c.isalnum() or not c.isprintable() for c in everything):
            raise Refused(
                Condition.DATA_TYPE, "expected delimiters that differ, none a letter or digit", Place(name, 1, 2)
            )
        return cls(field, *characters, *[""] * (4 - len(characters)))

    @property
    def characters(self) -> str:
        """MSH-2."""
        return f"{self.component}{self.repetition}{self.escape}{self.subcomponent}{self.truncation}"

    @property
    def _sequences(self) -> dict[str, str]:
        own = {self.field: "F", self.component: "S", self.subcomponent: "T", self.repetition: "R", self.escape: "E"}
        return {**_SEQUENCE_OF, **own, self.truncation: "P"}

    def escaped(self, text: str) -> str:
        """A text as it stands within a field. Raises Refused: it needs an escape, and the message has none."""
        sequences = self._sequences
        if not any(character in sequences for character in text):
            return text
        if not self.escape:
            raise Refused(Condition.DATA_TYPE, "a text holds a delimiter, and the message has no escape character")
        return "".join(f"{self.escape}{sequences[c]}{self.escape}" if c in sequences else c for c in text)

    def unescaped(self, raw: str, codec: str = "utf-8") -> str:
        """The text that a part of a field says."""
        if not self.escape or self.escape not in raw:
            return raw
        meant = {sequence: character for character, sequence in self._sequences.items() if character}
        sign = re.escape(self.escape)

        def told(found: re.Match[str]) -> str:
            sequence = found[1]
            if sequence in meant:
                return meant[sequence]
            if re.fullmatch("X(?:[0-9A-Fa-f]{2})+", sequence):
                try:
                    return bytes.fromhex(sequence[1:]).decode(codec)
                except UnicodeDecodeError:
                    return found[0]
            return found[0]

        return re.sub(f"{sign}([^{sign}]*){sign}", told, raw)
