"""What an EHR says beside resources, or in their place: an OperationOutcome, read by codes and never by its words.

https://hl7.org/fhir/R4/operationoutcome.html, https://hl7.org/fhir/R4/valueset-issue-type.html

Texts of the far side may hold a patient's data, and stay there; codes are kept only where a table knows what they may
look like.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, cast

from hilum.broker.far import Failed, Kind, Note
from hilum.broker.vendors import KINDS, NOTHING, PARTIAL, Vendor

_SEVERITIES: Final = frozenset({"fatal", "error", "warning", "information"})
_FAILED: Final = frozenset({"fatal", "error"})
_TYPES: Final = frozenset((
    "invalid", "structure", "required", "value", "invariant", "security", "login", "unknown", "expired", "forbidden",
    "suppressed", "processing", "not-supported", "duplicate", "multiple-matches", "not-found", "deleted", "too-long",
    "code-invalid", "extension", "too-costly", "business-rule", "conflict", "transient", "lock-error", "no-store",
    "exception", "timeout", "incomplete", "throttled", "informational",
))  # fmt: skip
_MISSING: Final = frozenset({"suppressed", "incomplete"})
"""Types of issue that say that something was left out."""
_VENDORS_CODE: Final = re.compile(r"[0-9]{1,6}")

_KINDS: Final[Mapping[int, Kind]] = {
    401: "unauthorized",
    403: "forbidden",
    404: "absent",
    408: "broken",  # said of a connection that was kept too long, as a request went out
    410: "absent",
    429: "throttled",
}
"""By status; any other 3xx (nothing is followed) and 4xx is `refused`, what else is no success `broken`."""

_SAYS: Final[Mapping[Kind, str]] = {
    "unauthorized": "The EHR does not take the access token.",
    "forbidden": "The EHR does not allow this: scopes of the token, or rights of the user, do not cover it.",
    "absent": "The EHR has no such resource, or no such type.",
    "refused": "The EHR does not take this request.",
    "throttled": "The EHR has had too many requests.",
    "broken": "The EHR could not answer.",
    "gone": "The EHR has forgotten the pages of this search.",
}
AGAIN: Final = frozenset({"unreachable", "throttled", "broken", "gone"})
"""Kinds of failure that may be over when the same is asked later."""


MOST_ISSUES: Final = 100
"""Of one outcome that are looked at."""


def notes(outcome: Mapping[str, Any], vendor: Vendor) -> tuple[Note, ...]:
    """What its issues say, in their order: under the vendor's code where there is one, else under the type of issue."""
    found = []
    for issue in islice(_dicts(outcome.get("issue")), MOST_ISSUES):
        severity = issue.get("severity")
        severity = severity if severity in _SEVERITIES else "error"
        type_ = issue.get("code")
        type_ = type_ if type(type_) is str and type_ in _TYPES else "unknown"
        code = _vendors(issue, vendor) or type_
        known = vendor.codes.get(code)
        if known is not None:
            partial = known.means == PARTIAL or known.means in KINDS
        else:
            partial = severity in _FAILED or type_ in _MISSING
        found.append(Note(code, severity, partial))
    return tuple(dict.fromkeys(found))


def _vendors(issue: Mapping[str, Any], vendor: Vendor) -> str | None:
    if vendor.code_system is None or not isinstance(details := issue.get("details"), dict):
        return None
    for coding in _dicts(details.get("coding")):
        system, code = coding.get("system"), coding.get("code")
        if type(system) is str and type(code) is str and vendor.code_system.fullmatch(system):
            return code if _VENDORS_CODE.fullmatch(code) else None
    return None


def _dicts(value: Any) -> Iterable[dict[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def found_nothing(codes: Sequence[str], vendor: Vendor) -> bool:
    """Whether all that was said is that a search found nothing."""
    return bool(codes) and all((known := vendor.codes.get(code)) and known.means == NOTHING for code in codes)


def failure(
    said: Sequence[Note], vendor: Vendor, *, status: int = 0, retry_at: float | None = None, paging: bool = False
) -> Failed | None:
    """The failure that was told of: by the first code that means one, else by the status. None where there is none.

    `paging`: it was a next page that was asked for, so that what is absent is the search.
    """
    codes = tuple(one.code for one in said)
    kind: Kind | None = None
    text = ""
    for one in said:
        known = vendor.codes.get(one.code)
        if known is not None and known.means in KINDS:
            kind, text = cast(Kind, known.means), known.says
            break
    else:
        if status and not 200 <= status < 300:
            kind = _by_status(status, codes, retry_at)
    if kind is None:
        return None
    if paging and kind == "absent":
        kind, text = "gone", ""
    text = text or _SAYS[kind]
    if status:
        text += f" It answered {status}" + (f" with {', '.join(codes[:4])}." if codes else ".")
    return Failed(kind, text, status=status, codes=codes, retry_at=retry_at, again=kind in AGAIN)


def _by_status(status: int, codes: Sequence[str], retry_at: float | None) -> Kind:
    if status in _KINDS:
        return _KINDS[status]
    if "throttled" in codes or (status == 503 and retry_at is not None):
        return "throttled"
    return "refused" if 300 <= status < 500 else "broken"
