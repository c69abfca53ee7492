"""A LOINC release. https://loinc.org/kb/loinc-table-structure/, https://hl7.org/fhir/R4/loinc.html

`LoincTable/Loinc.csv`, and where they are there: the hierarchy of components (`ComponentHierarchyBySystem.csv`), parts
(`Part.csv`, `LoincPartLink_Primary.csv`) and answers (`AnswerList.csv`, `LoincAnswerListLink.csv`). The properties have
the names of LOINC's own CodeSystem: https://loinc.org/fhir/loinc.xml
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from hilum.terminology.releases.bench import Bench
from hilum.terminology.releases.files import Release

URL: Final = "http://loinc.org"
TABLE: Final = "Loinc.csv"
_MULTI_AXIAL: Final = "MultiAxialHierarchy.csv"
"""The name of the hierarchy of components in releases before 2.73."""
_NAMED: Final = ("COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP")
"""The six axes: by name, and by part where the links are there."""
_TEXTS: Final = (
    *("CLASS", "VersionLastChanged", "CHNG_TYPE", "STATUS", "CLASSTYPE", "EXMPL_ANSWERS", "UNITSREQUIRED", "ORDER_OBS"),
    *("EXAMPLE_UNITS", "EXAMPLE_UCUM_UNITS", "STATUS_REASON", "CHANGE_REASON_PUBLIC", "COMMON_TEST_RANK"),
    *("COMMON_ORDER_RANK", "HL7_ATTACHMENT_STRUCTURE", "EXTERNAL_COPYRIGHT_NOTICE", "PanelType", "AskAtOrderEntry"),
    *("AssociatedObservations", "VersionFirstReleased", "ValidHL7AttachmentRequest", "FORMULA", "SURVEY_QUEST_TEXT"),
)
_NAMES: Final = ("SHORTNAME", "CONSUMER_NAME", "DisplayName", "RELATEDNAMES2")
_CLASSTYPES: Final = {"1": "Laboratory class", "2": "Clinical class", "3": "Claims attachments", "4": "Surveys"}
_NUMBER: Final = re.compile(r"(?<!\d)(\d\.\d{2})(?!\d)")


def read(release: Release, bench: Bench) -> str:
    """Fill the bench; the version of the release."""
    table = release.one(TABLE)
    assert table is not None
    newest = ""
    for row, where in release.csv(table, "LOINC_NUM", "COMPONENT", "LONG_COMMON_NAME", "STATUS"):
        code = row["LOINC_NUM"]
        bench.concept(
            code,
            row["LONG_COMMON_NAME"] or row["COMPONENT"],
            rank=0,
            definition=row.get("DefinitionDescription", ""),
            inactive=row["STATUS"] == "DEPRECATED",
            where=where,
            again=False,
        )
        for name in (*_NAMED, *_TEXTS):
            if value := row.get(name, ""):
                bench.property(code, name, "string", _CLASSTYPES.get(value, value) if name == "CLASSTYPE" else value)
        for name in _NAMES:
            if value := row.get(name, ""):
                bench.designation(code, value, "en", (URL, name, name))
        newest = max(newest, row.get("VersionLastChanged", ""), key=_order)
    _parts(release, bench)
    _answers(release, bench)
    _hierarchy(release, bench)
    bench.done()
    named = _NUMBER.search(release.path.name)
    return named[1] if named else newest


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _parts(release: Release, bench: Bench) -> None:
    if part := release.one("Part.csv", needed=False):
        for row, where in release.csv(part, "PartNumber", "PartTypeName", "PartName"):
            code, status = row["PartNumber"], row.get("Status", "ACTIVE")
            shown = row.get("PartDisplayName") or row["PartName"]
            bench.concept(code, shown, rank=1, inactive=status == "DEPRECATED", where=where)
            bench.property(code, "STATUS", "string", status)
            bench.property(code, "PartTypeName", "string", row["PartTypeName"])
            if row["PartName"] != shown:
                bench.designation(code, row["PartName"], "en")
    if link := release.one("LoincPartLink_Primary.csv", needed=False):
        for row, _ in release.csv(link, "LoincNumber", "PartNumber", "PartName", "PartTypeName"):
            named = row.get("Property", "").rpartition("/")[2] or row["PartTypeName"]
            coding = {"system": URL, "code": row["PartNumber"], "display": row["PartName"]}
            bench.property(row["LoincNumber"], named, "Coding", coding)


def _answers(release: Release, bench: Bench) -> None:
    if answers := release.one("AnswerList.csv", needed=False):
        for row, where in release.csv(answers, "AnswerListId", "AnswerListName", "AnswerStringId", "DisplayText"):
            listed, code = row["AnswerListId"], row["AnswerStringId"]
            bench.concept(listed, row["AnswerListName"], rank=1, where=where)
            if code:
                bench.concept(code, row["DisplayText"], rank=1, where=where)
                bench.property(code, "answers-for", "code", listed)
                bench.property(code, "LIST", "code", listed)
                bench.property(listed, "answer", "code", code)
    if link := release.one("LoincAnswerListLink.csv", needed=False):
        for row, _ in release.csv(link, "LoincNumber", "AnswerListId"):
            bench.property(row["LoincNumber"], "answer-list", "code", row["AnswerListId"])
            bench.property(row["AnswerListId"], "answers-for", "code", row["LoincNumber"])


def _hierarchy(release: Release, bench: Bench) -> None:
    tree = release.one("ComponentHierarchyBySystem.csv", needed=False) or release.one(_MULTI_AXIAL, needed=False)
    if tree:
        for row, where in release.csv(tree, "IMMEDIATE_PARENT", "CODE", "CODE_TEXT"):
            bench.concept(row["CODE"], row["CODE_TEXT"], rank=1, where=where)
            if row["IMMEDIATE_PARENT"]:
                bench.parent(row["CODE"], row["IMMEDIATE_PARENT"])


def value_sets(release: Release, version: str) -> Iterator[dict[str, Any]]:
    """The answer lists. https://hl7.org/fhir/R4/loinc.html#implicit"""
    answers = release.one("AnswerList.csv", needed=False)
    if answers is None:
        return
    current: dict[str, Any] = {}
    for row, _ in release.csv(answers, "AnswerListId", "AnswerListName", "AnswerStringId", "DisplayText"):
        if row["AnswerListId"] != current.get("id"):
            if current.get("concepts"):
                yield _answer_list(current, version)
            current = {"id": row["AnswerListId"], "name": row["AnswerListName"], "concepts": {}}
        if row["AnswerStringId"]:
            current["concepts"].setdefault(row["AnswerStringId"], row["DisplayText"])
    if current.get("concepts"):
        yield _answer_list(current, version)


def _answer_list(found: dict[str, Any], version: str) -> dict[str, Any]:
    concepts = [{"code": code, "display": display} for code, display in found["concepts"].items()]
    return {
        "resourceType": "ValueSet",
        "id": f"loinc-{found['id']}",
        "url": f"http://loinc.org/vs/{found['id']}",
        "version": version,
        "name": found["id"].replace("-", "_"),
        "title": found["name"] or found["id"],
        "status": "active",
        "compose": {"include": [{"system": URL, "concept": concepts}]},
    }


def about(version: str) -> dict[str, Any]:
    """The CodeSystem without its concepts."""
    codes = (*_NAMED, *_TEXTS)
    return {
        "url": URL,
        "version": version,
        "name": "LOINC",
        "title": "LOINC Code System",
        "copyright": "This material contains content from LOINC (http://loinc.org). LOINC is copyright Regenstrief "
        "Institute, Inc. and the LOINC Committee and is available at no cost under the license at "
        "http://loinc.org/license.",
        "caseSensitive": False,
        "hierarchyMeaning": "is-a",
        "valueSet": "http://loinc.org/vs",
        "property": [{"code": code, "uri": f"http://loinc.org/property/{code}", "type": "string"} for code in codes],
    }
