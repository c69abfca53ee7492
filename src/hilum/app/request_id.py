"""X-Request-Id: the client's if it is harmless, else one of ours. https://hl7.org/fhir/R4/http.html#custom"""

from __future__ import annotations

import re
import secrets
from itertools import count

_HARMLESS = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestIds:
    """Makes ids that are unique over processes and restarts: a random part per process, and a counter."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(5).encode() + b"-"
        self._count = count(1)

    def of(self, sent: bytes | None) -> bytes:
        """The id of a request. One that could forge a log line or a header is replaced, and not echoed anywhere."""
        if sent is not None and _HARMLESS.fullmatch(sent):
            return sent
        return self._prefix + b"%x" % next(self._count)
