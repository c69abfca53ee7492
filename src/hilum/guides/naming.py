"""How the resources of packages are called in a store, and how they are told from others.

An id is made of the package, its version and the resource's own id, so that several versions of a guide lie side by
side and the same package gives the same ids on every server. A tag (https://hl7.org/fhir/R4/resource.html#tags) says
which package a resource is from: `?_tag=urn:hilum:package|hl7.fhir.us.core%237.0.0` finds all of them.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from hilum.guides.package import Package

PACKAGE: Final = "urn:hilum:package"
"""System of the tag: the code is `name#version`."""
RECORD: Final = "urn:hilum:package-record"
"""System of a second tag, on the one ImplementationGuide by which a package is known to be there."""

_ID: Final = re.compile(r"[^A-Za-z0-9.-]")
_LONGEST: Final = 64


def id_of(name: str, version: str, own: str) -> str:
    """`hl7.fhir.us.core-7.0.0-us-core-patient`; what would be too long for an id ends in a digest."""
    plain = f"{name}-{version}-{own}"
    id = _ID.sub("-", plain)
    if len(id) <= _LONGEST and id == plain:
        return id
    digest = hashlib.sha256(plain.encode()).hexdigest()[:12]
    return f"{id[: _LONGEST - 13]}-{digest}"


def own_of(label: str, id: str) -> str:
    """An id without what `id_of` put before it: `us-core-patient`."""
    return id.removeprefix(_ID.sub("-", label) + "-")


def record_of(label: str) -> str:
    """The id of the ImplementationGuide by which a package is known."""
    name, _, version = label.partition("#")
    return id_of(name, version, "package")


def listed(record: dict[str, Any]) -> list[str]:
    """What a record says that its package has, as `Type/id`."""
    resources = record.get("definition", {}).get("resource", ())
    return [str(each.get("reference", {}).get("reference", "")) for each in resources]


def tagged(body: dict[str, Any], label: str, *, record: bool = False) -> dict[str, Any]:
    """The resource with the tag of its package, in place of tags that it came with."""
    own = body.get("meta")
    meta = dict(own) if isinstance(own, dict) else {}
    tags = meta.get("tag")
    others = [one for one in tags if isinstance(one, dict)] if isinstance(tags, list) else []
    meta["tag"] = [
        *(one for one in others if one.get("system") not in (PACKAGE, RECORD)),
        {"system": PACKAGE, "code": label},
        *([{"system": RECORD, "code": label}] if record else []),
    ]
    return body | {"meta": meta}


def untagged(body: dict[str, Any], current: dict[str, Any] | None) -> dict[str, Any]:
    """The resource without tags of packages, but for those that its `current` version has: what anybody else writes.

    A copy of a package's resource is a resource of its own; a package's resource that is edited stays the package's.
    """
    known = {(one.get("system"), one.get("code")) for one in _tags(current or {})}
    tags = _tags(body)
    kept = [
        one for one in tags if one.get("system") not in (PACKAGE, RECORD) or (one["system"], one.get("code")) in known
    ]
    if len(kept) == len(tags):
        return body
    meta = {name: value for name, value in body["meta"].items() if name != "tag"} | ({"tag": kept} if kept else {})
    return {name: value for name, value in body.items() if name != "meta"} | ({"meta": meta} if meta else {})


def _tags(body: dict[str, Any]) -> list[dict[str, Any]]:
    meta = body.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    return [one for one in tags if isinstance(one, dict)] if isinstance(tags, list) else []


def label_of(body: dict[str, Any]) -> str:
    """The package that a stored resource is from; "" for none."""
    return next((str(one.get("code", "")) for one in _tags(body) if one.get("system") == PACKAGE), "")


def record(package: Package, guide: dict[str, Any] | None, names: dict[str, str]) -> dict[str, Any]:
    """The ImplementationGuide that stands for the package: its own, or one made of package.json.

    `names`: `Type/id` of the package -> of the store. What its definition lists besides is not there, and left out.
    """
    body: dict[str, Any] = dict(guide or {"resourceType": "ImplementationGuide", "status": "active"})
    if guide is None:
        base = package.canonical or f"http://fhir.org/packages/{package.name}"
        body |= {
            "url": f"{base}/ImplementationGuide/{package.name}",
            "name": re.sub(r"[^A-Za-z0-9]", "_", package.title)[:255],
            "title": package.title,
        }
    body |= {"version": package.version, "packageId": package.name, "fhirVersion": ["4.0.1"]}
    own = {one.get("packageId"): one for one in body.get("dependsOn", ()) if isinstance(one, dict)}
    depends = [
        {
            **own.get(name, {"uri": f"http://fhir.org/packages/{name}/ImplementationGuide/{name}"}),
            "packageId": name,
            "version": version,
        }
        for name, version in package.dependencies.items()
    ]
    body.pop("dependsOn", None)
    if depends:
        body["dependsOn"] = depends
    body.pop("definition", None)
    listed = [{"reference": {"reference": name}} for _, name in sorted(names.items())]
    if listed:
        body["definition"] = {"resource": listed}
    return body
