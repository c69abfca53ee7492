"""Pages as a vendor links them, over hilum's own. https://hl7.org/fhir/R4/http.html#paging

A vendor's link holds a name and hilum's stays here, for as long as the vendor keeps results. In memory: sessions end
with the process, as they would with a vendor's.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote
from uuid import uuid4

from hilum.sandbox.asked import Asked
from hilum.sandbox.profile import Paging
from hilum.web import uri

MOST: Final = 100_000
"""Pages that can be had at a time; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Page:
    """`query`: hilum's own, of this page of a type. `who`: the client and user whose search it is."""

    type: str
    query: str
    who: str
    until: float


class Pages:
    """The pages that can still be had, by name."""

    def __init__(self, paging: Paging, clock: Callable[[], float] = time.monotonic) -> None:
        self._paging = paging
        self._clock = clock
        self._kept: OrderedDict[str, Page] = OrderedDict()

    def keep(self, type: str, query: str, who: str) -> str:
        """Keep a page, and how it is called."""
        while len(self._kept) >= MOST:
            self._kept.popitem(last=False)
        name = f"16-{secrets.token_hex(16).upper()}" if self._paging.style == "sessionID" else str(uuid4())
        self._kept[name] = Page(type, query, who, self._clock() + self._paging.lasts)
        return name

    def find(self, name: str, type: str, who: str) -> Page | None:
        """The page of this name, if it can be had by who asks."""
        page = self._kept.get(name)
        if page is None or (page.type, page.who) != (type, who) or self._clock() >= page.until:
            return None
        return page

    def link(self, base: str, asked: Asked, name: str) -> str:
        """The link `next` that leads to the page of this name."""
        if self._paging.style == "sessionID":
            return f"{base}/{asked.type}?sessionID={name}"
        kept = [pair for pair in asked.parameters if not pair[0].startswith("-page")]
        pages = f"-pageContext={quote(name)}&-pageDirection=NEXT"
        return f"{base}/{asked.type}?{'&'.join(filter(None, (uri.encode(kept), pages)))}"


def size(paging: Paging, asked: Asked) -> int:
    """How many matches a page of this search has."""
    count = asked.value("_count") or ""
    given = int(count) if count.isdigit() and len(count) < 9 and not asked.names & paging.uncounted else None
    return paging.sizes["*"] if asked.names & paging.uncounted else paging.size(asked.type, given)
