"""What the client prefers. https://hl7.org/fhir/R4/http.html#prefer and https://hl7.org/fhir/R4/search.html#errors"""

from __future__ import annotations

from typing import NamedTuple

from hilum.rest.message import Request

_RETURNS = ("minimal", "representation", "OperationOutcome")


class Prefer(NamedTuple):
    """The Prefer header (RFC 7240): what a write returns, and whether the unknown is refused or passed over.

    `explain`, hilum's own: a search tells how it was done.
    """

    returns: str | None = None
    lenient: bool = False
    explain: bool = False


_NOTHING = Prefer()


def prefer(request: Request) -> Prefer:
    """The preferences of a request; what hilum does not know is ignored, and of two the first counts.

    https://www.rfc-editor.org/rfc/rfc7240#section-2
    """
    header = request.header(b"prefer")
    if header is None:
        return _NOTHING
    first: dict[str, str] = {}  # of a preference that comes twice the first counts
    for part in header.replace(";", ",").split(","):
        name, _, value = (text.strip() for text in part.partition("="))
        first.setdefault(name.lower(), value.strip('"').lower())
    wanted = first.get("return")
    return Prefer(
        next((known for known in _RETURNS if known.lower() == wanted), None),
        first.get("handling") == "lenient",
        "explain" in first,
    )
