"""The pictures that stand for apps: small, of kinds that hold nothing but pixels, and given by an administrator.

A `data:` URL (https://www.rfc-editor.org/rfc/rfc2397) within the page: nothing is fetched, and no app chooses its own.
SVG is none of them: it may hold links, styles and scripts, and what one sees depends on more than its bytes.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Final

MOST: Final = 32 * 1024
"""Characters of the URL."""
_KINDS: Final = {
    "data:image/png;base64,": (b"\x89PNG\r\n\x1a\n", b"", 0),
    "data:image/jpeg;base64,": (b"\xff\xd8\xff", b"", 0),
    "data:image/webp;base64,": (b"RIFF", b"WEBP", 8),
}
"""How the URL begins -> how its bytes begin, and what they have at a place."""


def fault(url: str) -> str:
    """Why this is no logo; empty where it is one, or none is given."""
    if not url:
        return ""
    if len(url) > MOST:
        return f"A logo has at most {MOST:,} characters as a data: URL. Make the picture smaller: 128 by 128 is enough."
    for begin, (first, then, at) in _KINDS.items():
        if url.startswith(begin):
            try:
                raw = b64decode(url.removeprefix(begin), validate=True)
            except binascii.Error:
                return "The logo can't be read: after `base64,` come letters, digits, + and / only."
            return "" if raw.startswith(first) and raw[at:].startswith(then) else "The logo is not what it says it is."
    return "A logo is a PNG, JPEG or WebP picture as a data: URL: data:image/png;base64,... Logos are not fetched."


def initials(name: str) -> str:
    """What stands in place of a logo: one or two letters."""
    words = [word for word in name.split() if word[:1].isalnum()] or ["?"]
    return "".join(word[0] for word in (words[0], *words[1:][-1:])).upper()
