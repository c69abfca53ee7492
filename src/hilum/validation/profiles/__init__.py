"""Does this resource conform to that profile? https://hl7.org/fhir/R4/profiling.html

`check` holds a resource against the snapshot of one profile, which is compiled once per state of the definitions. R4's
own rules are another step: what they ask for of every resource is not asked again here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hilum.problems import Issue
from hilum.terminology.questions import Answers
from hilum.validation.profiles import claims
from hilum.validation.profiles.compiled import against, library
from hilum.validation.profiles.definitions import Definitions
from hilum.validation.profiles.running import Finding, Resolve, Rules, Run, Scope, TooCostly
from hilum.validation.profiles.shapes import RESOURCES, Item, Kind
from hilum.validation.profiles.walking import walk

MOST = 1000
"""So many findings are shown of one check."""


def check(
    body: dict[str, Any],
    profile_url: str,
    definitions: Definitions,
    answers: Answers | None = None,
    *,
    rules: Rules | None = None,
    resolve: Resolve | None = None,
) -> list[Issue]:
    """All findings on a resource by one profile, each with its element path; empty when it conforms.

    `answers` collects the questions about codes that nobody has answered yet: answer them and check again. `resolve`
    finds resources that are neither contained nor in the same Bundle. Does not raise.
    """
    run = Run(definitions, library(definitions), answers or Answers(), rules or Rules(), resolve)
    name = body.get("resourceType") if type(body) is dict else None
    if type(name) is not str or name not in RESOURCES:
        return [Issue("error", "structure", "The body is no resource of R4.", "Resource")]
    profile = run.library.profile(profile_url)
    if isinstance(profile, str):
        why = "is not known here" if profile == "unknown" else profile
        return [Issue("error", "not-found", f"The profile {profile_url} {why}.", name)]
    scope = Scope(run, body)
    try:
        found = against(profile, scope, Item("", body, None, Kind(name)), 0)
    except (TooCostly, RecursionError):
        return [Issue("error", "too-costly", f"The check against {profile_url} takes too much work.", name)]
    return issues(name, found or [])


def issues(root: str, found: list[Finding]) -> list[Issue]:
    """Findings as they are told: each once, the first thousand of them."""
    told = {
        (one.severity, one.code, one.path, one.text): Issue(
            one.severity, one.code, f"{root}{one.path} {one.text}", root + one.path
        )
        for one in found
    }
    out = list(told.values())
    if len(out) > MOST:
        more = len(out) - MOST
        out = [*out[:MOST], Issue("information", "informational", f"{more} more findings are not shown.")]
    return out


def conformance(
    body: dict[str, Any],
    definitions: Definitions,
    answers: Answers | None = None,
    *,
    profiles: Sequence[str] = (),
    by_type: Mapping[str, Sequence[str]] | None = None,
    rules: Rules | None = None,
    resolve: Resolve | None = None,
) -> list[Issue]:
    """All findings beyond R4's own rules: on `profiles`, and on everything that the resource says of itself.

    The profiles that it claims, those of the resources in it, those that its codes imply (vital signs), those that
    `by_type` asks of every resource of a type; extensions by their definitions; codes by their code systems; and the
    rules of `hilum.validation.resources`. As `check` otherwise.
    """
    from hilum.validation import resources

    run = Run(definitions, library(definitions), answers or Answers(), rules or Rules(), resolve)
    name = body.get("resourceType") if type(body) is dict else None
    if type(name) is not str or name not in RESOURCES:
        return [Issue("error", "structure", "The body is no resource of R4.", "Resource")]
    found: list[Finding] = []
    wanted = by_type or {}
    looking = _Looking(body)
    try:
        for here in walk(Scope(run, body)):
            also = [*(profiles if here.above is None else ()), *wanted.get(here.item.kind.name, ())]
            found += looking.told(claims.at, here, also)
            found += looking.told(resources.at, here)
            if len(found) > 20 * MOST:
                break
    except (TooCostly, RecursionError):
        found.append(Finding("", "error", "too-costly", "takes too much work to be checked"))
    return issues(name, found)


class _Looking:
    """What is found in a resource that may have JSON of other types than R4 asks for.

    R4's own rules tell of that; what is asked beyond them is not asked about it.
    """

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body
        self._broken: bool | None = None

    def told(self, look: Callable[..., list[Finding]], *given: Any) -> list[Finding]:
        """What is found; nothing where it can't be looked for."""
        try:
            return look(*given)
        except (AttributeError, KeyError, TypeError, ValueError):
            if self._broken is None:
                from hilum.validation import validate

                self._broken = any(one.severity == "error" for one in validate(self._body))
            if not self._broken:
                raise
            return []
