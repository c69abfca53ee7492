"""What can go wrong, as one family; the edge renders it as an OperationOutcome, an OAuth error or an HL7 ACK.

Each class is a category, not a place: `rest/outcome.py` is the one table that maps categories to HTTP.
Texts name what was found, what was expected and what to do, and never hold patient data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding. https://hl7.org/fhir/R4/operationoutcome.html

    `severity` and `code` are the codes of OperationOutcome.issue; `expression` is the element path
    (a FHIRPath such as `Patient.name[0].family`), or None where no element is meant.
    """

    severity: str
    code: str
    diagnostics: str
    expression: str | None = None


class Problem(Exception):
    """The base: carries at least one Issue. `code` is the IssueType used when only a text is given."""

    code: ClassVar[str] = "exception"

    def __init__(self, diagnostics: str = "", *, issues: tuple[Issue, ...] = (), expression: str | None = None) -> None:
        self.issues = issues or (Issue("error", self.code, diagnostics or type(self).__name__, expression),)
        super().__init__(self.issues[0].diagnostics)


class Malformed(Problem):
    """Not readable at all: neither JSON nor XML, not UTF-8, a parameter that does not parse (400)."""

    code = "structure"


class Invalid(Problem):
    """Readable, but not what the specification allows: validation findings (400)."""

    code = "invalid"


class Unprocessable(Problem):
    """Valid, but against a rule of this server: referential integrity, a policy on content (422)."""

    code = "business-rule"


class NotFound(Problem):
    """No such resource, version or route (404)."""

    code = "not-found"


class Gone(Problem):
    """The resource was deleted (410)."""

    code = "deleted"


class Unauthenticated(Problem):
    """No token, or one that does not hold (401)."""

    code = "login"


class Forbidden(Problem):
    """The token does not allow this (403)."""

    code = "forbidden"


class MethodNotAllowed(Problem):
    """The route exists, not with this method (405). `allowed` lists the methods that do."""

    code = "not-supported"

    def __init__(self, diagnostics: str, allowed: tuple[str, ...]) -> None:
        super().__init__(diagnostics)
        self.allowed = allowed


class NotAcceptable(Problem):
    """The client accepts no format that hilum serves (406)."""

    code = "not-supported"


class Conflict(Problem):
    """Another write, or a reference, stands in the way (409)."""

    code = "conflict"


class PreconditionFailed(Problem):
    """If-Match or a conditional criterion did not hold: other version, or several matches (412)."""

    code = "conflict"


class MultipleMatches(PreconditionFailed):
    """Conditional criteria matched several resources (412). https://hl7.org/fhir/R4/http.html#cond-update"""

    code = "multiple-matches"


class TooLarge(Problem):
    """A body, or an answer, over the limit (413)."""

    code = "too-long"


class UnsupportedMediaType(Problem):
    """The body's Content-Type is not one that hilum reads (415)."""

    code = "not-supported"


class NotSupported(Problem):
    """The name is known, and what it stands for is not there yet (501)."""

    code = "not-supported"


class UnknownCoding(Problem):
    """The body's Transfer-Encoding is not one that hilum reads (501)."""

    code = "not-supported"


class Damaged(Problem):
    """What the store's file says can't be: nothing but a backup helps (500)."""

    code = "exception"


class Spoiled(Problem):
    """The content of one Binary is not what was written, or not there: that one has to come from a backup (500)."""

    code = "exception"


class Busy(Problem):
    """The store can't take the request now; the client may try again (503)."""

    code = "transient"


class NoRoom(Busy):
    """There is no room for what the request brings (507). https://www.rfc-editor.org/rfc/rfc4918#section-11.5"""

    code = "no-store"


class Throttled(Problem):
    """Too much of the same from the same (429). `seconds`: after which it may be tried again."""

    code = "throttled"

    def __init__(self, diagnostics: str, seconds: int = 1) -> None:
        super().__init__(diagnostics)
        self.seconds = seconds


class VersionChanged(Problem):
    """Within a commit: the current version is not the one the write was built on.

    Never reaches a client: interactions rebuild the write from the new state, or answer 412 where If-Match was given.
    """

    code = "conflict"


class CriteriaChanged(Problem):
    """Within a commit: a conditional criterion no longer resolves as it did when the writes were built."""

    code = "conflict"


class Misconfigured(Problem):
    """The set-up is unsound: a setting, a store of another environment, a migration not run. Ends the program."""

    code = "exception"
