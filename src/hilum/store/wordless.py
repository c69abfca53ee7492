"""How a store remembers that it has not the words of all its resources: a key of its table `meta`.

It is not there as long as every version was written with its words. `NONE`: some were not; then, while `hilum migrate`
writes them anew, the last rid that is done.
"""

from __future__ import annotations

from typing import Final

KEY: Final = "full_text"
NONE: Final = "off"
NO_WORDS: Final = "_text and _content are not supported: this server keeps no full text (its setting full_text is off)."


def done(value: str) -> int:
    """The last rid whose words are written."""
    return 0 if value == NONE else int(value)
