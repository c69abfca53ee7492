"""How a store remembers that it has not the words of all its resources: a key of its table `meta`.

It is not there as long as every version was written with its words. `NONE`: some were not; then, while they are written
anew, the last rid that is done. `meta.generation` grows with each change of it but from one rid to the next, so that
every process that writes learns of it before it writes again.
"""

from __future__ import annotations

from typing import Final

KEY: Final = "full_text"
NONE: Final = "off"
NO_WORDS: Final = "_text and _content are not supported: this server keeps no full text (its setting full_text is off)."


def written(value: str | None) -> bool:
    """Whether who writes a version has to write its words: where they are kept, and where they are being made anew."""
    return value != NONE


def done(value: str) -> int:
    """The last rid whose words are written."""
    return 0 if value == NONE else int(value)
