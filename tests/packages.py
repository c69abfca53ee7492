"""Small packages for tests: in the layout of npm, made of resources."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

from hilum.guides.package import Package, read

BASE = "http://example.org/ig"
PROFILE = f"{BASE}/StructureDefinition/named-patient"


def tgz(files: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    """A .tgz of these files; a TarInfo stands for itself, without content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def packed(*resources: dict[str, Any], name: str = "example.ig", version: str = "1.0.0", **manifest: Any) -> bytes:
    """A package of these resources."""
    said = {"name": name, "version": version, "fhirVersions": ["4.0.1"], "canonical": BASE, "title": "An example"}
    files: dict[str, bytes | tarfile.TarInfo] = {"package/package.json": json.dumps(said | manifest).encode()}
    for one in resources:
        files[f"package/{one['resourceType']}-{one.get('id')}.json"] = json.dumps(one).encode()
    return tgz(files)


def package(*resources: dict[str, Any], name: str = "example.ig", version: str = "1.0.0", **manifest: Any) -> Package:
    """The same, read."""
    return read(io.BytesIO(packed(*resources, name=name, version=version, **manifest)))


def profile(
    id: str = "named-patient", version: str = "1.0.0", *elements: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """A profile of Patient, without a snapshot: a family name must be there, unless `elements` say otherwise."""
    said = elements or (
        {"id": "Patient.name", "path": "Patient.name", "min": 1, "mustSupport": True},
        {"id": "Patient.name.family", "path": "Patient.name.family", "min": 1},
    )
    return {
        "resourceType": "StructureDefinition",
        "id": id,
        "url": f"{BASE}/StructureDefinition/{id}",
        "version": version,
        "name": "NamedPatient",
        "title": "Named patient",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "differential": {"element": list(said)},
        **more,
    }


def parameter(code: str = "tribe", version: str = "1.0.0") -> dict[str, Any]:
    """A search parameter by an extension."""
    return {
        "resourceType": "SearchParameter",
        "id": code,
        "url": f"{BASE}/SearchParameter/{code}",
        "version": version,
        "name": code,
        "status": "active",
        "description": "A test",
        "code": code,
        "base": ["Patient"],
        "type": "token",
        "expression": f"Patient.extension.where(url='{BASE}/{code}').value.as(code)",
    }


def value_set(id: str = "colours", version: str = "1.0.0", *codes: str) -> dict[str, Any]:
    """A value set with its codes listed."""
    return {
        "resourceType": "ValueSet",
        "id": id,
        "url": f"{BASE}/ValueSet/{id}",
        "version": version,
        "status": "active",
        "compose": {"include": [{"system": f"{BASE}/colour", "concept": [{"code": one} for one in codes or ("red",)]}]},
    }
