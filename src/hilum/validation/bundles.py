"""Bundles: what their entries are to each other. https://hl7.org/fhir/R4/bundle.html

bdl-1 to bdl-12 are invariants (laws.py). Here are the rules that the text has: full urls, and what a document holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.validation.findings import Finding, Found, Kept, one
from hilum.validation.laws import items

_REST: Final = re.compile(r"(https?://.+)/([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:.+", re.DOTALL)


class Entries:
    """What is asked about a Bundle from within."""

    def __init__(self, bundle: dict[str, Any]) -> None:
        self.bundle = bundle

    @cached_property
    def resolved(self) -> dict[str, dict[str, Any]]:
        """fullUrl -> resource."""
        found: dict[str, dict[str, Any]] = {}
        for entry in items(self.bundle.get("entry")):
            url, resource = entry.get("fullUrl"), entry.get("resource")
            if type(url) is str and type(resource) is dict:
                found.setdefault(url, resource)
        return found

    @cached_property
    def ending(self) -> dict[str, dict[str, Any]]:
        """Type/id, with /_history/version where a fullUrl has it, -> the first resource whose fullUrl ends so."""
        found: dict[str, dict[str, Any]] = {}
        for url, resource in self.resolved.items():
            parts = url.rsplit("/", 4)
            for size in (2, 4):
                if len(parts) > size:
                    found.setdefault("/".join(parts[-size:]), resource)
        return found

    @cached_property
    def named(self) -> set[str]:
        """Type/id of the resources, as they say themselves."""
        resources = (entry.get("resource") for entry in items(self.bundle.get("entry")))
        return {f"{one.get('resourceType')}/{one.get('id')}" for one in resources if type(one) is dict}


def judged(all_: Entries, found: Found) -> Found:
    """The findings on a Bundle, with those on full urls and, of a document, on its Composition's references."""
    kept = Kept()
    kept.add(found or ())
    bundle = all_.bundle
    entries = bundle.get("entry")
    for index, entry in enumerate(entries if type(entries) is list else ()):
        if type(entry) is dict:
            url = entry.get("fullUrl")
            if type(url) is str:
                kept.add(_full_url(url, entry, f".entry[{index}].fullUrl") or ())
    if bundle.get("type") == "document":
        kept.add(_document(all_))
    return kept.found or None


def _full_url(url: str, entry: dict[str, Any], path: str) -> Found:
    """https://hl7.org/fhir/R4/bundle.html#bundle-unique: absolute, and with the resource's own id.

    Warnings: HL7's own examples break both, its validator lets them pass, and transactions commonly do.
    """
    if not _ABSOLUTE.fullmatch(url):
        text = "should be absolute: the server's base, type and id, or urn:uuid:"
        return one("value", text, path, "warning")
    resource = entry.get("resource")
    if type(resource) is not dict:
        return None
    match = _REST.fullmatch(url)
    type_, id_ = resource.get("resourceType"), resource.get("id")
    if match is None or match[2] not in TYPE_NUMBER or match[2] != type_ or type(id_) is not str or "request" in entry:
        return None
    return None if match[3] == id_ else one("invalid", "should end in the id of the resource", path, "warning")


def _document(all_: Entries) -> Iterator[Finding]:
    """What the Composition refers to stands in the document. https://hl7.org/fhir/R4/documents.html#content"""
    entry = next(items(all_.bundle.get("entry")), {})
    composition = entry.get("resource")
    if type(composition) is not dict or composition.get("resourceType") != "Composition":
        return
    there = all_.resolved
    base = _REST.fullmatch(str(entry.get("fullUrl")))
    beside = set() if base is None else {url[base.end(1) + 1 :] for url in there if url.startswith(f"{base[1]}/")}
    for path, reference in _references(composition):
        meant = reference.partition("/_history/")[0]
        if ":" in meant:
            known = meant in there
        else:
            known = meant in beside if base is not None else meant in all_.ending or meant in all_.named
        if not known:
            yield from one("not-found", "refers to what the document does not hold", f".entry[0].resource{path}")


_MEANT: Final = ("subject", "encounter", "author", "custodian")


def _references(composition: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Those that must be in the document: of the Composition itself, of attesters, events and sections."""
    yield from _of(composition, "", _MEANT)
    for index, attester in enumerate(items(composition.get("attester"))):
        yield from _of(attester, f".attester[{index}]", ("party",))
    for index, event in enumerate(items(composition.get("event"))):
        yield from _of(event, f".event[{index}]", ("detail",))
    ahead = [(f".section[{index}]", item) for index, item in enumerate(items(composition.get("section")))]
    while ahead:
        path, section = ahead.pop(0)
        yield from _of(section, path, ("author", "focus", "entry"))
        ahead += [(f"{path}.section[{index}]", item) for index, item in enumerate(items(section.get("section")))]


def _of(holder: dict[str, Any], path: str, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name in names:
        value = holder.get(name)
        if type(value) is dict:
            some = [(f"{path}.{name}", value)]
        else:
            some = [(f"{path}.{name}[{index}]", item) for index, item in enumerate(items(value))]
        for where, one_ in some:
            text = one_.get("reference")
            if type(text) is str and text[:1] != "#":
                yield where, text
