"""What each element of a resource is held against: what it claims, what it is called, what its code means."""

from __future__ import annotations

from collections.abc import Sequence

from hilum.validation.profiles import coded, extensions, vital_signs
from hilum.validation.profiles.compiled import Profile, against
from hilum.validation.profiles.running import Finding, noted, under
from hilum.validation.profiles.shapes import RESOURCES
from hilum.validation.profiles.walking import Here


def at(here: Here, also: Sequence[str] = ()) -> list[Finding]:
    """The findings on one element, seen from the root of the walk."""
    kind = here.item.kind
    if type(here.item.value) is not dict:
        return []
    if kind.name == "Extension":
        wrong, place = extensions.extension(here), extensions.misplaced(here)
        out = under(here.path, wrong) if wrong else []
        if place and here.above is not None:
            out += under(here.above.path, place)
        return out
    if kind.name == "Coding":
        wrong = coded.coding(here)
        return under(here.path, wrong) if wrong else []
    if kind.name in RESOURCES and not kind.path:
        return _resource(here, also)
    return []


def _resource(here: Here, also: Sequence[str]) -> list[Finding]:
    body = here.item.value
    meta = body.get("meta")
    claimed = meta.get("profile") if type(meta) is dict else None
    implied = vital_signs.implied(body)
    urls = [*also, *(url for url in (claimed if type(claimed) is list else ()) if type(url) is str)]
    if implied is not None:
        urls.append(implied)
    out: list[Finding] = []
    for url in dict.fromkeys(urls):
        profile = here.scope.run.library.profile(url)
        if isinstance(profile, Profile):
            found = against(profile, here.scope, here.item, 0)
        elif url == implied:
            continue
        else:
            why = "is not known here" if profile == "unknown" else profile
            severity = "error" if url in also else "warning"
            found = noted(severity, "not-found", f"can't be checked against {url}, which {why}")
        out += under(here.path, found) if found else []
    return out
