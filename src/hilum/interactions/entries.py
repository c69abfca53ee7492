"""The entries of a transaction: what each asks for, and what came of it. https://hl7.org/fhir/R4/bundle.html"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhir.resource import Resource
from hilum.interactions.fhirpath_patch import parse_fhirpath_patch
from hilum.interactions.json_patch import parse_json_patch
from hilum.interactions.patches import Patch
from hilum.interactions.xml_patch import XML_PATCH, parse_xml_patch
from hilum.problems import Invalid, Issue, Malformed, MethodNotAllowed, NotFound, Problem
from hilum.store.blobs.blob import Blob

JSON_PATCH: Final = "application/json-patch+json"
_PATCHES: Final = {JSON_PATCH: parse_json_patch, XML_PATCH: parse_xml_patch}
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One Bundle.entry that writes. `index`: its position in the bundle, for error paths. `body`: entry.resource.

    `size`: bytes of the body as it came, if it may be large. `blob`: of a Binary, where its content is already.
    `new_id`: the id that a POST gets instead of one the server makes, for a load that must find again what it made.
    """

    method: str
    url: str
    body: dict[str, Any] | None = None
    full_url: str | None = None
    if_match: str | None = None
    if_none_exist: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    index: int = 0
    new_id: str | None = None
    size: int = 0
    blob: Blob | None = None


@dataclass(frozen=True, slots=True)
class EntryOutcome:
    """What came of the entry at `index`: as `Written`.

    `resource` is None for a DELETE with nothing to delete, and for one that may delete several. `issues`: the warnings
    of validation.
    """

    index: int
    method: str
    resource: Resource | None
    created: bool
    changed: bool
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What an entry's url names: a type, an id (`Patient/1`) or criteria (`Patient?identifier=1`), or neither.

    `multiple`: a DELETE may remove all that the criteria match (`_multiple=true`).
    """

    type: str
    id: str | None = None
    criteria: str | None = None
    multiple: bool = False


def target(entry: Entry, base: str) -> Target:
    """What the url of an entry names; an absolute one must begin with the base. Raises Invalid, NotFound."""
    url = entry.url.removeprefix(base).removeprefix("/")
    path, question, query = url.partition("?")
    parts = path.removesuffix("/").split("/")
    if parts[0] not in TYPE_NUMBER:
        raise NotFound("The url of the entry names no resource type of FHIR R4.", expression="request.url")
    if entry.method == "POST":
        if len(parts) == 1 and not question:
            return Target(parts[0], None, entry.if_none_exist)
        raise refusal(
            "The url of a POST entry must be a resource type. Searches and operations can't be in a transaction."
        )
    if len(parts) == 1 and query:
        rest, multiple = _multiple(query) if entry.method == "DELETE" else (query, False)
        if multiple and entry.if_match is not None:
            raise refusal("ifMatch names one version; it has no meaning with _multiple=true.", "request.ifMatch")
        return Target(parts[0], None, rest, multiple)
    if len(parts) == 2 and not question and _ID.fullmatch(parts[1]):
        return Target(parts[0], parts[1])
    raise refusal(f"The url of a {entry.method} entry must be [type]/[id] or [type]?[criteria].")


def _multiple(query: str) -> tuple[str, bool]:
    """The criteria of a conditional delete without `_multiple`, and what that says. Raises Malformed."""
    pairs = [(part, *map(unquote_plus, part.partition("=")[::2])) for part in query.split("&")]
    said = [value for _, name, value in pairs if name == "_multiple"]
    if said not in ([], ["true"], ["false"]):
        raise Malformed("_multiple must be true or false, once.", expression="request.url")
    return "&".join(part for part, name, _ in pairs if name != "_multiple"), said == ["true"]


def check_conditions(entry: Entry) -> None:
    """Raises Invalid for a condition that means nothing with the entry's method: ignoring it would be unsafe."""
    if entry.method not in ("POST", "PUT", "PATCH", "DELETE"):
        raise refusal(
            "The method of a transaction's entry must be GET, HEAD, POST, PUT, PATCH or DELETE.", "request.method"
        )
    for condition in (entry.if_match, entry.if_none_exist, entry.if_none_match, entry.if_modified_since):
        if condition is not None and type(condition) is not str:
            raise refusal("The conditions of an entry must be texts.", "request")
    if entry.if_none_match is not None or entry.if_modified_since is not None:
        raise refusal("ifNoneMatch and ifModifiedSince only have a meaning with GET.", "request")
    if entry.method == "POST" and entry.if_match is not None:
        raise refusal("ifMatch has no meaning with POST.", "request.ifMatch")
    if entry.method != "POST" and entry.if_none_exist is not None:
        raise refusal("ifNoneExist only has a meaning with POST.", "request.ifNoneExist")
    if entry.body is None and entry.method != "DELETE":
        raise refusal(f"A {entry.method} entry needs a resource.", "resource")


def patch_of(entry: Entry) -> Patch:
    """The patch of a PATCH entry: Parameters (FHIRPath Patch) or a Binary (JSON Patch). Raises Invalid, Malformed."""
    body = entry.body or {}
    if body.get("resourceType") == "Parameters":
        return parse_fhirpath_patch(body)
    read = _PATCHES.get(str(body.get("contentType"))) if body.get("resourceType") == "Binary" else None
    if read is not None:
        try:
            return read(base64.b64decode(body.get("data", ""), validate=True))
        except (binascii.Error, TypeError, ValueError):
            raise refusal("The data of the Binary is not base64.", "resource.data") from None
    raise refusal(
        f"A PATCH entry needs Parameters (FHIRPath Patch) or a Binary of {' or '.join(_PATCHES)}.", "resource"
    )


def refusal(text: str, where: str = "request.url") -> Invalid:
    """The problem with one place within the entry."""
    return Invalid(text, expression=where)


# --- where in the Bundle it was ---------------------------------------------------------------------------------------

_OF_ENTRY: Final = ("request", "resource", "fullUrl")


def placed(issues: Iterable[Issue], index: int) -> tuple[Issue, ...]:
    """The issues of one entry, under their path in the Bundle: `Bundle.entry[3].resource.name[0]`."""
    entry = f"Bundle.entry[{index}]"
    found = []
    for issue in issues:
        path = issue.expression
        head, dot, rest = (path or "").partition(".")
        if path is None:
            path = entry
        elif head.partition("[")[0] in _OF_ENTRY:
            path = f"{entry}.{path}"
        else:
            path = f"{entry}.resource{dot}{rest}"
        found.append(Issue(issue.severity, issue.code, issue.diagnostics, path))
    return tuple(found)


def raise_together(problems: list[Problem]) -> None:
    """Raises one problem with everybody's issues, of the category of the first; nothing when there is none."""
    if problems:
        first = problems[0]
        issues = tuple(issue for problem in problems for issue in problem.issues)
        raise again(first, issues)


def again(problem: Problem, issues: tuple[Issue, ...]) -> Problem:
    """The same category with other issues."""
    if isinstance(problem, MethodNotAllowed):
        return Invalid(issues=issues)
    return type(problem)(issues=issues)
