"""HL7's validator cases: what is to be checked, what the reference validator says of it, and how the two are compared.

The manifest is read as HL7's own ValidationTests does. https://github.com/FHIR/fhir-test-cases/tree/master/validator

A path is compared without what only one side writes: the reference names the resource in a comment, the type of a
choice (`value.ofType(Quantity)`) and the url of an extension. An element that is missing has no path: where one side
names it, and the other the place where it is missing, both mean that place; so both are cut to what is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from tests.conformance.terminology import Oracle
from tests.shared_data import DATA

from hilum.fhir import core
from hilum.fhir import json as fhir_json
from hilum.fhir import xml as fhir_xml
from hilum.problems import Issue, Problem
from hilum.validation import profiles, validate
from hilum.validation.profiles.definitions import Loaded, unpack

HERE = DATA / "validator"
PACKAGES = {"hl7.fhir.us.core#3.1.1": "hl7.fhir.us.core-3.1.1.tgz"}
"""Those of the manifest that lie in ../shared/data/igs."""

OTHERS = {"questionnaire": "questionnaires", "cdshooks": "CDS Hooks"}
"""Modules that are not in question."""

FOUND = ("CHECK_EXISTS", "CHECK_EXISTS_AND_TYPE", "CHECK_VALID")
"""Policies by which a reference must lead to something."""

Body = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One outcome of the reference validator: of a file by R4 alone (`base`), or by a profile as well."""

    name: str
    mode: str
    module: str
    file: str
    profile: str | None
    supporting: tuple[str, ...]
    packages: tuple[str, ...]
    options: Body
    outcome: Body

    @property
    def id(self) -> str:
        return f"{self.name} ({self.mode})"


def cases() -> Iterator[Case]:
    """All outcomes in question, in the order of the manifest."""
    for entry in json.loads((HERE / "manifest.json").read_text())["test-cases"]:
        if not entry.get("version", "5.0").startswith("4.0") or entry.get("use-test") is False:
            continue
        if entry.get("module") in OTHERS:
            continue
        packages = tuple(entry.get("packages", ()))
        if any(one not in PACKAGES and not one.endswith(".tgz") for one in packages):
            continue
        supporting = tuple(name for key in ("supporting", "supporting5", "profiles") for name in entry.get(key, ()))
        if not all((HERE / name).is_file() for name in (entry["file"], *supporting)):
            continue  # it needs a file of the other half
        if entry.get("validateReference") == "CHECK_VALID" and not _answered(entry["file"]):
            continue  # so it does
        module = entry.get("module", "general")
        if "logical" not in entry:
            outcome = _outcome(entry.get("java"))
            if outcome is not None:
                yield Case(
                    entry["name"],
                    "base",
                    module,
                    entry["file"],
                    None,
                    supporting,
                    packages,
                    entry,
                    outcome,
                )
        profile = entry.get("profile")
        if profile is not None:
            outcome = _outcome(profile.get("java"))
            if outcome is not None and _here(profile["source"]):
                more = (*supporting, *profile.get("supporting", ()))
                yield Case(
                    entry["name"],
                    "profile",
                    module,
                    entry["file"],
                    profile["source"],
                    more,
                    packages,
                    entry,
                    outcome,
                )


def _answered(file: str) -> bool:
    """Whether what the references of a file lead to is here."""
    text = (HERE / file).read_text()
    return all(_fetch(url) is not None for url in re.findall(r'"([A-Z][A-Za-z]+/[a-z0-9-]+)"', text))


def _here(source: str) -> bool:
    """Whether a profile is a file of the cases, or one of R4's: others are of packages that the case does not name."""
    return (HERE / source).is_file() or core.structure(source) is not None


def _outcome(java: Any) -> Body | None:
    if isinstance(java, dict):
        return java if "issue" in java else {"issue": []} if java.get("errorCount") == 0 else None
    path = HERE / "outcomes" / str(java)
    return json.loads(path.read_text()) if java and path.is_file() else None


# --- reading ----------------------------------------------------------------------------------------------------------


class Core:
    """R4's own definitions."""

    generation = 0
    structure = staticmethod(core.structure)
    value_set = staticmethod(core.value_set)
    code_system = staticmethod(core.code_system)


@cache
def base() -> Loaded:
    """R4 and HL7's terminology."""
    loaded = Loaded(base=Core())
    loaded.add_package(unpack((DATA / "igs" / "hl7.terminology.r4-7.0.1.tgz").read_bytes()))
    return loaded


@cache
def files(name: str) -> tuple[bytes, ...]:
    """The definitions in a package."""
    path = DATA / "igs" / PACKAGES[name] if name in PACKAGES else HERE / name
    return tuple(unpack(path.read_bytes()))


def read(name: str) -> Body:
    """A file of the cases as JSON. Raises Problem when it is none."""
    return read_with_issues(name)[0]


def read_with_issues(name: str) -> tuple[Body, list[Issue]]:
    """The same, with what is wrong in XML that can be read nevertheless."""
    raw = (HERE / name).read_bytes().removeprefix(b"\xef\xbb\xbf")
    if raw.lstrip()[:1] == b"<":
        return fhir_xml.read(raw)
    return fhir_json.parse(raw), []


def definitions(case: Case) -> Loaded:
    """What the case says is known beside R4 and HL7's terminology."""
    found = base()
    for name in (*case.options.get("package-map", {}).values(), *case.packages):
        found = Loaded(base=found)
        found.add_package(files(name))
    return Loaded(supporting(case), base=found)


def supporting(case: Case) -> list[Body]:
    """The files that a case brings along; what can't be read is passed over."""
    found = []
    for name in case.supporting:
        with suppress(Problem):
            found.append(read(name))
    return found


def globals_(case: Case) -> dict[str, list[str]]:
    """The profiles that guides among the supporting files ask of every resource of a type."""
    found: dict[str, list[str]] = {}
    for guide in supporting(case):
        for one in guide.get("global", ()):
            found.setdefault(one["type"], []).append(one["profile"])
    return found


# --- running ----------------------------------------------------------------------------------------------------------


def issues(case: Case) -> tuple[list[Issue], Body | None]:
    """What hilum says, and the resource."""
    known = definitions(case)
    url: tuple[str, ...] = ()
    if case.profile is not None:
        if re.match("[a-z]+:", case.profile):
            url = (case.profile,)
        else:
            profile = read(case.profile)
            known.add([profile])
            url = (str(profile["url"]),)
    try:
        body, found = read_with_issues(case.file)
    except Problem as problem:
        return list(problem.issues), None
    found += validate(body)
    found += profiles.conformance(
        body,
        known,
        Oracle(known),
        profiles=url,
        by_type=globals_(case),
        rules=profiles.Rules(
            unknown_extensions="error",
            unknown_profiles="error",
            displays="error",
            html_in_strings="error" if case.options.get("security-checks") else None,
            html_in_markdown="error" if case.options.get("noHtmlInMarkdown") else None,
            experimental=not case.options.get("no-experimental-content"),
            publishing=bool(case.options.get("for-publication")),
            must_resolve=case.options.get("validateReference") in FOUND,
        ),
        resolve=_fetch if case.options.get("validateReference", "IGNORE") != "IGNORE" else None,
    )
    rule = case.options.get("bundle-param")
    if rule is not None:
        found += _of_entry(body, rule["rule"], rule["profile"], known)
    return found, body


def _of_entry(body: Body, rule: str, profile: str, known: Loaded) -> list[Issue]:
    """`Patient:0`: the first Patient of a Bundle is to conform to a profile."""
    name, _, number = rule.partition(":")
    there = [(i, e["resource"]) for i, e in enumerate(body["entry"]) if e["resource"]["resourceType"] == name]
    index, resource = there[int(number)]
    return [
        replace(one, expression=(one.expression or "").replace(name, f"Bundle.entry[{index}].resource", 1))
        for one in profiles.check(resource, profile, known, Oracle(known))
    ]


def _fetch(url: str) -> Body | None:
    """As HL7's test finds what a reference leads to: a file that is named by it."""
    for text in (url, url.partition("/")[2]):
        for ending in (".json", ".xml"):
            path = HERE / (text.replace("/", "-").lower() + ending)
            if text and re.fullmatch("[a-z0-9.-]+", path.name) and path.is_file():
                return read(path.name)
    return None


# --- comparing --------------------------------------------------------------------------------------------------------


def theirs(case: Case, body: Body | None) -> dict[str, str]:
    """Path -> text of the reference's errors."""
    found = {}
    for issue in case.outcome.get("issue", ()):
        if issue["severity"] in ("error", "fatal"):
            path = (issue.get("expression") or [""])[0]
            path = re.sub(r"/\*.*?\*/", "", path).removeprefix("/f:")
            path = re.sub(r"\.ofType\([^)]*\)|\[url='[^']*'\]", "", path)
            text = issue["details"]["text"]
            found[cut(mended(path, text, body), body)] = text
    return found


def mended(path: str, text: str, body: Body | None) -> str:
    """The path that a text is about, where the reference validator counts entries of a Bundle wrongly.

    It begins at 1 for what is told of a document's references and of entries that nothing refers to, and says 0 for
    every wrong full url, which the text names.
    """
    if "(MessageHeader Data)" in text:
        return path.replace("entry[1]", "entry[0]")
    if re.search(r"in the bundle \([A-Z][\w. ]+\)", text):
        return re.sub(r"\[(\d+)\]", lambda found: f"[{int(found[1]) - 1}]", path)
    if "isn't reachable by traversing links" in text:
        return re.sub(r"\[(\d+)\]$", lambda found: f"[{int(found[1]) - 1}]", path)
    named = re.match(r"The fullUrl (?:must be an absolute URL \(not )?'([^']*)'", text)
    if named is not None and body is not None and path.endswith("entry[0]"):
        above = path.removesuffix(".entry[0]")
        for index, entry in enumerate(at(above, body).get("entry", ())):
            if entry.get("fullUrl") == named[1]:
                return f"{above}.entry[{index}]"
    return path


def ours(found: list[Issue], body: Body | None) -> dict[str, str]:
    """Path -> text of hilum's errors."""
    return {cut(one.expression or "", body): one.diagnostics for one in found if one.severity in ("error", "fatal")}


_PART = re.compile(r"([A-Za-z_]\w*)(?:\[(\d+)\])?")


def cut(path: str, body: Body | None) -> str:
    """The path as far as there is something at it; as it is where the file could not be read."""
    if body is None:
        return path
    head, *steps = path.split(".")
    at: Any = body
    kept = [head]
    for step in steps:
        match = _PART.fullmatch(step)
        if match is None:
            break
        name, index = match[1], match[2]
        value = _member(at, name)
        if value is None:
            break
        if index is not None and isinstance(value, list):
            if int(index) >= len(value):
                break
            value = value[int(index)]
        kept.append(step)
        at = value
    return ".".join(kept)


def at(path: str, body: Body) -> Body:
    """What there is at a path of objects."""
    found: Any = body
    for name, index in _PART.findall(path.partition(".")[2]):
        found = _member(found, name)
        found = found[int(index)] if index else found
    return found


def _member(at: Any, name: str) -> Any:
    if not isinstance(at, dict):
        return None
    for key in (name, f"_{name}"):
        if at.get(key) is not None:
            return at[key]
    choice = re.compile(rf"_?{re.escape(name)}[A-Z]\w*")
    return next((value for key, value in at.items() if choice.fullmatch(key)), None)
