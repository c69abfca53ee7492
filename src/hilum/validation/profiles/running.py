"""One check while it runs: what is known, what was done, and where in the resource it is.

Work is counted, since what is checked and what it is checked against both come from outside: a resource with many
entries against a profile with many slices, each found out by another profile, multiplies. Beyond the bound the check
ends with an issue that says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hilum.terminology.questions import Answers
from hilum.validation.profiles.definitions import Definitions
from hilum.validation.profiles.shapes import Kind

if TYPE_CHECKING:
    from hilum.validation.profiles.compiled import Library

MOST_WORK: Final = 2_000_000
"""Checks of one element definition against one value, at most, in one call."""

DEEPEST: Final = 100
"""So many checks may stand within each other: profiles of parts of parts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, at `path` below the place that was checked."""

    path: str
    severity: str
    code: str
    text: str

    def under(self, step: str) -> Finding:
        """The finding, seen from above."""
        return Finding(step + self.path, self.severity, self.code, self.text)


Found = list[Finding] | None


def error(code: str, text: str, path: str = "") -> list[Finding]:
    """A single finding that means: does not conform."""
    return [Finding(path, "error", code, text)]


def noted(severity: str, code: str, text: str, path: str = "") -> list[Finding]:
    """A single finding of that severity."""
    return [Finding(path, severity, code, text)]


def under(step: str, found: list[Finding]) -> list[Finding]:
    """The findings, seen from above."""
    return [one.under(step) for one in found]


class TooCostly(Exception):
    """The bound on work was reached."""


Resolve = Callable[[str], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Rules:
    """How strict a check is, where the specification leaves it to whoever checks.

    `unknown_extensions`: the severity of an extension that no definition is known of. `must_resolve`: a reference
    that leads nowhere is an error (else nothing is said). `displays`: the severity of a display that is not the code's.
    `html_in_strings`, `html_in_markdown`: the severity of what looks like HTML, None for nothing. `publishing`: what
    HL7 asks of its own definitions, too. `experimental`: definitions that say they are may be there.
    """

    unknown_extensions: str = "information"
    unknown_profiles: str = "warning"
    must_resolve: bool = False
    displays: str = "warning"
    html_in_strings: str | None = None
    html_in_markdown: str | None = None
    publishing: bool = False
    experimental: bool = True


@dataclass(slots=True)
class Run:
    """Everything that one call shares."""

    definitions: Definitions
    library: Library
    answers: Answers
    rules: Rules = field(default_factory=Rules)
    resolve: Resolve | None = None
    work: int = 0
    depth: int = 0
    conforming: dict[tuple[int, int, str], tuple[bool, Found]] = field(default_factory=dict)
    kept: list[Any] = field(default_factory=list)

    indexes: dict[int, Index] = field(default_factory=dict)

    def index(self, body: dict[str, Any]) -> Index:
        """The resources in another one, found once."""
        found = self.indexes.get(id(body))
        if found is None:
            found = self.indexes[id(body)] = _index(body)
            self.kept.append(body)
        return found

    def step(self) -> None:
        """One more check. Raises TooCostly."""
        self.work += 1
        if self.work > MOST_WORK:
            raise TooCostly


_RELATIVE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?")
_REST = re.compile(r"(.+/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


@dataclass(slots=True, eq=False)
class Scope:
    """The resource that is being looked at, and those around it: `outer` holds it, a Bundle or its container."""

    run: Run
    body: dict[str, Any]
    outer: Scope | None = None
    full_url: str | None = None
    contained: bool = False

    @property
    def root(self) -> dict[str, Any]:
        """%rootResource: the container of a contained resource, else itself."""
        return self.outer.body if self.contained and self.outer is not None else self.body

    @property
    def bundle(self) -> Scope | None:
        """The nearest Bundle around."""
        scope: Scope | None = self.outer
        while scope is not None and scope.body.get("resourceType") != "Bundle":
            scope = scope.outer
        return scope

    def inside(self, value: Any) -> Scope:
        """The scope of a resource that stands in this one; this one, of anything else."""
        body = self.body
        if type(value) is not dict or value is body:
            return self
        index = self.run.index(body)
        if id(value) in index.held:
            return Scope(self.run, value, self, None, True)
        return Scope(self.run, value, self, index.url_of.get(id(value)))

    def find(self, reference: str) -> tuple[dict[str, Any], Scope, str] | None:
        """What a reference leads to, its scope, and how: `contained`, `bundled` or `referenced`. None: not known."""
        if reference.startswith("#"):
            holder = self.outer if self.contained and self.outer is not None else self
            if reference == "#":
                return holder.body, holder, "contained"
            one = self.run.index(holder.body).contained.get(reference[1:])
            return None if one is None else (one, Scope(self.run, one, holder, None, True), "contained")
        holder = self.outer if self.contained and self.outer is not None else self
        bundle = self.bundle
        if bundle is not None:
            found = _entry(bundle, reference, holder.full_url)
            if found is not None:
                return found[0], Scope(self.run, found[0], bundle, found[1]), "bundled"
        beside = _beside(holder, reference)
        if beside is not None:
            return beside, Scope(self.run, beside, holder.outer), "referenced"
        if self.run.resolve is not None:
            other = self.run.resolve(reference)
            if type(other) is dict:
                self.run.kept.append(other)
                return other, Scope(self.run, other), "referenced"
        return None


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if type(one) is dict] if type(value) is list else []


def _beside(holder: Scope, reference: str) -> dict[str, Any] | None:
    """Another resource of the same Parameters."""
    outer = holder.outer
    relative = _RELATIVE.fullmatch(reference)
    if outer is None or relative is None or outer.body.get("resourceType") != "Parameters":
        return None
    return outer.run.index(outer.body).by_name.get(f"{relative[1]}/{relative[2]}")


def _entry(bundle: Scope, reference: str, base: str | None) -> tuple[dict[str, Any], str | None] | None:
    """The entry that a reference means. https://hl7.org/fhir/R4/bundle.html#references"""
    bare, _, version = reference.partition("/_history/")
    wanted = bare
    relative = _RELATIVE.fullmatch(bare)
    if relative is not None:
        rest = _REST.fullmatch(base or "")
        if rest is not None:
            wanted = f"{rest[1] or ''}{bare}"
    index = bundle.run.index(bundle.body)
    found = index.by_url.get(wanted, ())
    if not found and relative is not None and bare in index.by_name:
        found = [(index.by_name[bare], None)]
    for resource, url in found:
        meta = resource.get("meta")
        if not version or (type(meta) is dict and meta.get("versionId") == version):
            return resource, url
    return None


@dataclass(slots=True)
class Index:
    """The resources of a Bundle by full url, and those without one, or of Parameters, by type and id.

    `url_of`: the full url of a resource, by its identity. `contained`: by id, the first that has it; `held`: the
    identities of all that are contained.
    """

    by_url: dict[str, list[tuple[dict[str, Any], str | None]]] = field(default_factory=dict)
    by_name: dict[str, dict[str, Any]] = field(default_factory=dict)
    url_of: dict[int, str] = field(default_factory=dict)
    contained: dict[str, dict[str, Any]] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)


def _index(body: dict[str, Any]) -> Index:
    made = Index()
    for one in [*_dicts(body.get("entry")), *_dicts(body.get("parameter"))]:
        url, resource = one.get("fullUrl"), one.get("resource")
        if type(resource) is not dict:
            continue
        if type(url) is str:
            made.by_url.setdefault(url, []).append((resource, url))
            made.url_of[id(resource)] = url
        else:
            made.by_name.setdefault(f"{resource.get('resourceType')}/{resource.get('id')}", resource)
    for one in _dicts(body.get("contained")):
        made.held.add(id(one))
        named = one.get("id")
        if type(named) is str:
            made.contained.setdefault(named, one)
    return made


def said_type(reference: Mapping[str, Any]) -> str | None:
    """The type that a reference says it leads to, in its url or its `type`; None when it says none."""
    url = reference.get("reference")
    if type(url) is str and not url.startswith("#"):
        found = _REST.fullmatch(url.partition("?")[0].partition("|")[0])
        if found is not None:
            return found[2]
        conditional = re.match(r"([A-Z][A-Za-z]+)\?", url)
        if conditional is not None:
            return conditional[1]
    named = reference.get("type")
    if type(named) is str:
        return named.rpartition("/")[2]
    return None


ROOT: Final = Kind("Resource")
