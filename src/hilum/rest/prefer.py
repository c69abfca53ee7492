"""What the client prefers. https://hl7.org/fhir/R4/http.html#prefer and https://hl7.org/fhir/R4/search.html#errors"""

from __future__ import annotations

from typing import NamedTuple

from hilum.rest.message import Request

_RETURNS = ("minimal", "representation", "OperationOutcome")


class Prefer(NamedTuple):
    """The Prefer header (RFC 7240): what a write returns, and whether the unknown is refused or passed over."""

    returns: str | None = None
    lenient: bool = False


_NOTHING = Prefer()


def prefer(request: Request) -> Prefer:
    """The preferences of a request; what hilum does not know is ignored, as RFC 7240 wants."""
    header = request.header(b"prefer")
    if header is None:
        return _NOTHING
    returns, lenient = None, False
    for part in header.replace(";", ",").split(","):
        name, _, value = (text.strip() for text in part.partition("="))
        value = value.strip('"')
        if name.lower() == "return":
            returns = next((known for known in _RETURNS if known.lower() == value.lower()), returns)
        elif name.lower() == "handling":
            lenient = value.lower() == "lenient"
    return Prefer(returns, lenient)
