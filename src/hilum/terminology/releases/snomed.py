"""A SNOMED CT release, RF2 snapshot. https://confluence.ihtsdotools.org/display/DOCRELFMT

Concepts, descriptions, text definitions, relationships (inferred), language reference sets (which say what is
preferred) and simple reference sets. In FHIR: https://hl7.org/fhir/R4/snomedct.html. The version is `http://snomed.info/sct/[module]/version/[date]`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from hilum.problems import Invalid
from hilum.terminology.releases.bench import Bench
from hilum.terminology.releases.files import Release

URL: Final = "http://snomed.info/sct"
INTERNATIONAL: Final = "900000000000207008"
_MODEL: Final = "900000000000012004"
"""The module of SNOMED's own model: every edition has it."""
_IS_A: Final = "116680003"
_FSN, _SYNONYM, _DEFINITION = "900000000000003001", "900000000000013009", "900000000000550004"
_DEFINED: Final = "900000000000073002"
_PREFERRED: Final = "900000000000548007"
_DIALECTS: Final = {"900000000000509007": 1, "900000000000508004": 2}
"""US and GB English; other languages come behind them, and are had by displayLanguage."""
_USES: Final = {_FSN: "Fully specified name", _SYNONYM: "Synonym", _DEFINITION: "Definition"}
_DATE: Final = re.compile(r"_(\d{8})\.txt$")
_TAG: Final = re.compile(r"\s*\([^()]*\)$")


def concepts_of(release: Release) -> list[str]:
    """The files of concepts, by which a release is known."""
    return release.named(lambda name: name.startswith(("sct2_Concept_Snapshot", "xsct2_Concept_Snapshot")))


def read(release: Release, bench: Bench, edition: str | None = None) -> str:
    """Fill the bench; the version of the release."""
    newest, modules = "", dict[str, int]()
    for name in concepts_of(release):
        for row, where in release.tabbed(name, "id", "effectiveTime", "active", "moduleId", "definitionStatusId"):
            code = row["id"]
            bench.concept(code, inactive=_inactive(row, where), where=where, again=False)
            bench.property(code, "inactive", "boolean", row["active"] == "0")
            bench.property(code, "moduleId", "code", row["moduleId"])
            bench.property(code, "sufficientlyDefined", "boolean", row["definitionStatusId"] == _DEFINED)
            bench.property(code, "effectiveTime", "string", row["effectiveTime"])
            newest = max(newest, row["effectiveTime"])
            modules[row["moduleId"]] = modules.get(row["moduleId"], 0) + 1
        if dated := _DATE.search(name):
            newest = max(newest, dated[1])
    _languages(release, bench)
    _descriptions(release, bench)
    _relationships(release, bench)
    _reference_sets(release, bench)
    bench.done()
    if not newest:
        raise Invalid(f"{release.path} has no concepts.")
    return f"{URL}/{edition or _edition(release, modules)}/version/{newest}"


def _inactive(row: dict[str, str], where: str) -> bool:
    if row["active"] not in ("0", "1"):
        raise Invalid(f"{where}: active must be 0 or 1.")
    return row["active"] == "0"


def _edition(release: Release, modules: dict[str, int]) -> str:
    """The module that no other one needs; of several the one with the most concepts."""
    needs: set[str] = set()
    has: set[str] = set()
    for name in release.named(lambda name: "_ssRefset_ModuleDependencySnapshot" in name):
        for row, _ in release.tabbed(name, "active", "moduleId", "referencedComponentId"):
            if row["active"] == "1":
                has.add(row["moduleId"])
                needs.add(row["referencedComponentId"])
    top = [one for one in (has & set(modules)) or modules if one not in needs and one != _MODEL] or [INTERNATIONAL]
    return max(top, key=lambda one: (modules.get(one, 0), one))


def _languages(release: Release, bench: Bench) -> None:
    """Which descriptions are preferred: 1 in US English, 2 in GB English, 3 elsewhere."""
    for name in release.named(lambda name: "_cRefset_Language" in name and "Snapshot" in name):
        for row, _ in release.tabbed(name, "active", "refsetId", "referencedComponentId", "acceptabilityId"):
            if row["active"] == "1" and row["acceptabilityId"] == _PREFERRED:
                bench.choose(row["referencedComponentId"], _DIALECTS.get(row["refsetId"], 3))
    bench.settle()


def _descriptions(release: Release, bench: Bench) -> None:
    wanted = ("sct2_Description_Snapshot", "xsct2_Description_Snapshot", "sct2_TextDefinition_Snapshot")
    for name in release.named(lambda name: name.startswith(wanted)):
        columns = ("id", "active", "conceptId", "languageCode", "typeId", "term")
        for row, _ in release.tabbed(name, *columns):
            if row["active"] != "1":
                continue
            code, kind, term = row["conceptId"], row["typeId"], row["term"]
            if kind == _DEFINITION:
                bench.definition(code, term)
                continue
            bench.designation(code, term, row["languageCode"], (URL, kind, _USES.get(kind, kind)))
            preferred = bench.chosen(row["id"])
            if kind == _SYNONYM:
                bench.display(code, term, 10 if preferred is None else preferred)
            else:
                bench.display(code, _TAG.sub("", term), 20)


def _relationships(release: Release, bench: Bench) -> None:
    wanted = ("sct2_Relationship_Snapshot", "xsct2_Relationship_Snapshot")
    for name in release.named(lambda name: name.startswith(wanted)):
        for row, _ in release.tabbed(name, "active", "sourceId", "destinationId", "typeId"):
            if row["active"] != "1":
                continue
            if row["typeId"] == _IS_A:
                bench.parent(row["sourceId"], row["destinationId"])
            else:
                bench.property(row["sourceId"], row["typeId"], "code", row["destinationId"])


def _reference_sets(release: Release, bench: Bench) -> None:
    """Members of simple reference sets, for the filter `concept in-refset`."""
    for name in release.named(lambda name: name.startswith(("der2_Refset_", "xder2_Refset_")) and "Snapshot" in name):
        for row, _ in release.tabbed(name, "active", "refsetId", "referencedComponentId"):
            if row["active"] == "1":
                bench.property(row["referencedComponentId"], "inRefset", "code", row["refsetId"])


def about(version: str) -> dict[str, Any]:
    """The CodeSystem without its concepts."""
    return {
        "url": URL,
        "version": version,
        "name": "SNOMED_CT",
        "title": "SNOMED CT",
        "copyright": "This material includes SNOMED Clinical Terms (SNOMED CT) which is used by permission of the "
        "International Health Terminology Standards Development Organisation (IHTSDO). All rights reserved.",
        "caseSensitive": False,
        "hierarchyMeaning": "is-a",
        "valueSet": f"{URL}?fhir_vs",
        "property": [
            {"code": "inactive", "uri": "http://snomed.info/field/Concept.active", "type": "boolean"},
            {"code": "moduleId", "uri": "http://snomed.info/field/Concept.moduleId", "type": "code"},
            {"code": "sufficientlyDefined", "type": "boolean"},
            {"code": "effectiveTime", "type": "string"},
            {"code": "inRefset", "description": "A simple reference set that it is in", "type": "code"},
        ],
    }
