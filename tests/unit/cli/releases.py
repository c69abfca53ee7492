"""Small releases in the formats of LOINC, SNOMED CT (RF2) and RxNorm (RRF), with made-up content."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

Row = Mapping[str, str]

_LOINC = (
    "LOINC_NUM COMPONENT PROPERTY TIME_ASPCT SYSTEM SCALE_TYP METHOD_TYP CLASS VersionLastChanged STATUS CLASSTYPE "
    "SHORTNAME RELATEDNAMES2 LONG_COMMON_NAME DefinitionDescription EXTERNAL_COPYRIGHT_NOTICE"
)
GLUCOSE = {
    "LOINC_NUM": "1-8", "COMPONENT": "Sweetose", "PROPERTY": "MCnc", "TIME_ASPCT": "Pt", "SYSTEM": "Ser/Plas",
    "SCALE_TYP": "Qn", "CLASS": "CHEM", "VersionLastChanged": "2.77", "STATUS": "ACTIVE", "CLASSTYPE": "1",
    "SHORTNAME": "Sweet SerPl", "RELATEDNAMES2": "Sugar; Chemistry",
    "LONG_COMMON_NAME": "Sweetose [Mass/volume] in Serum",
}  # fmt: skip
GONE = {"LOINC_NUM": "2-6", "COMPONENT": "Bitterase", "STATUS": "DEPRECATED", "VersionLastChanged": "2.70",
        "LONG_COMMON_NAME": "Bitterase in Serum", "CLASS": "CHEM"}  # fmt: skip
SMOKING = {"LOINC_NUM": "3-4", "COMPONENT": "Whistling status", "STATUS": "ACTIVE", "VersionLastChanged": "2.9",
           "LONG_COMMON_NAME": "Whistling status", "CLASS": "H&P", "CLASSTYPE": "2",
           "EXTERNAL_COPYRIGHT_NOTICE": "Whistlers, all rights reserved. " * 20}  # fmt: skip


def comma(rows: Iterable[Row], columns: Iterable[str] | None = None) -> str:
    listed = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns or listed[0]), restval="", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(listed)
    return text.getvalue()


def put(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder


def loinc(folder: Path) -> Path:
    tree = ("PATH_TO_ROOT", "SEQUENCE", "IMMEDIATE_PARENT", "CODE", "CODE_TEXT")
    answer = ("AnswerListId", "AnswerListName", "AnswerStringId", "SequenceNumber", "DisplayText")
    part = ("PartNumber", "PartTypeName", "PartName", "PartDisplayName", "Status")
    link = (
        "LoincNumber",
        "LongCommonName",
        "PartNumber",
        "PartName",
        "PartCodeSystem",
        "PartTypeName",
        "LinkTypeName",
        "Property",
    )

    def table(columns: tuple[str, ...], *rows: tuple[str, ...]) -> str:
        return comma([dict(zip(columns, row, strict=True)) for row in rows], columns)

    return put(folder, {
        "LoincTable/Loinc.csv": "\ufeff" + comma([GLUCOSE, GONE, SMOKING], _LOINC.split()),
        "AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv": table(
            tree, ("", "1", "", "LP1-1", "Laboratory"), ("LP1-1", "1", "LP1-1", "LP2-9", "Sweet things"),
            ("LP1-1.LP2-9", "1", "LP2-9", "1-8", "Sweetose"), ("LP1-1", "2", "LP1-1", "1-8", "Sweetose")),
        "AccessoryFiles/PartFile/Part.csv": table(
            part, ("LP2-9", "COMPONENT", "Sweets", "Sweet things", "ACTIVE")),
        "AccessoryFiles/PartFile/LoincPartLink_Primary.csv": table(
            link, ("1-8", "x", "LP2-9", "Sweets", "http://loinc.org", "COMPONENT", "Primary",
                   "http://loinc.org/property/COMPONENT")),
        "AccessoryFiles/AnswerFile/AnswerList.csv": table(
            answer, ("LL1-9", "Whistler", "LA2-8", "1", "Always"), ("LL1-9", "Whistler", "LA1-0", "2", "Never"),
            ("LL2-7", "Yes", "LA1-0", "1", "Never")),
        "AccessoryFiles/AnswerFile/LoincAnswerListLink.csv": comma(
            [{"LoincNumber": "3-4", "LongCommonName": "x", "AnswerListId": "LL1-9", "AnswerListName": "Whistler"}]),
    })  # fmt: skip


CORE, MODEL = "900000000000207008", "900000000000012004"
US = "900000000000509007"
FSN, SYNONYM = "900000000000003001", "900000000000013009"
PREFERRED = "900000000000548007"


def tabs(heading: str, *rows: tuple[str, ...]) -> str:
    return "".join("\t".join(row) + "\r\n" for row in (tuple(heading.split()), *rows))


def snomed(folder: Path, *, date: str = "20260131") -> Path:
    def concept(id: str, active: str = "1", module: str = CORE) -> tuple[str, ...]:
        return id, date, active, module, "900000000000074008"

    def description(id: str, concept: str, term: str, kind: str = SYNONYM) -> tuple[str, ...]:
        return id, date, "1", CORE, concept, "en", kind, term, "900000000000448009"

    def relation(id: str, source: str, target: str, kind: str = "116680003", active: str = "1") -> tuple[str, ...]:
        return id, date, active, CORE, source, target, "0", kind, "900000000000011006", "900000000000451002"

    def member(id: str, refset: str, component: str, *more: str) -> tuple[str, ...]:
        return id, date, "1", CORE, refset, component, *more

    base = "Snapshot/Terminology/sct2_"
    end = f"_INT_{date}.txt"
    return put(folder, {
        f"{base}Concept_Snapshot{end}": tabs(
            "id effectiveTime active moduleId definitionStatusId", concept("138875005"), concept("404684003"),
            concept("22298006"), concept("56265001"), concept("999", "0"), concept("116680003", module=MODEL),
            concept("363698007", module=MODEL), concept("80891009")),
        f"{base}Description_Snapshot-en{end}": tabs(
            "id effectiveTime active moduleId conceptId languageCode typeId term caseSignificanceId",
            description("1", "22298006", "Myocardial infarction (disorder)", FSN),
            description("2", "22298006", "Heart attack"), description("3", "22298006", "Myocardial infarction"),
            description("4", "404684003", "Clinical finding (finding)", FSN),
            description("5", "56265001", 'Heart "disease"'), description("6", "138875005", "SNOMED CT Concept")),
        f"{base}Relationship_Snapshot{end}": tabs(
            "id effectiveTime active moduleId sourceId destinationId relationshipGroup typeId characteristicTypeId "
            "modifierId",
            relation("1", "404684003", "138875005"), relation("2", "56265001", "404684003"),
            relation("3", "22298006", "56265001"), relation("4", "22298006", "404684003"),
            relation("5", "22298006", "80891009", "363698007"), relation("6", "56265001", "999", active="0")),
        f"Snapshot/Refset/Language/der2_cRefset_LanguageSnapshot-en{end}": tabs(
            "id effectiveTime active moduleId refsetId referencedComponentId acceptabilityId",
            member("1", US, "3", PREFERRED), member("2", US, "2", "900000000000549004")),
        f"Snapshot/Refset/Content/der2_Refset_SimpleSnapshot{end}": tabs(
            "id effectiveTime active moduleId refsetId referencedComponentId", member("1", "700043003", "22298006")),
    })  # fmt: skip


def bars(*rows: tuple[str, ...]) -> str:
    return "".join("|".join(row) + "|\n" for row in rows)


def rxnorm(folder: Path) -> Path:
    def atom(code: str, kind: str, name: str, source: str = "RXNORM", suppress: str = "N") -> tuple[str, ...]:
        return (
            code,
            "ENG",
            "",
            "",
            "",
            "",
            "",
            f"a{code}{kind}",
            "",
            "",
            "",
            source,
            kind,
            code,
            name,
            "",
            suppress,
            "",
        )

    def relation(one: str, other: str, named: str) -> tuple[str, ...]:
        return (one, "", "CUI", "RO", other, "", "CUI", named, "", "", "RXNORM", "", "", "", "N", "")

    attribute = ("161", "", "", "", "CUI", "161", "", "", "RXN_STRENGTH", "RXNORM", "325 MG", "N", "")
    return put(folder, {
        "rrf/RXNCONSO.RRF": bars(
            atom("161", "SY", "Paintake 325 tablet"), atom("161", "SCD", "paintake 325 MG Oral Tablet"),
            atom("7", "IN", "paintake"), atom("8", "DF", "Oral Tablet"), atom("9", "IN", "goneol", suppress="O"),
            atom("7", "IN", "PAINTAKE", "MTHSPL")),
        "rrf/RXNREL.RRF": bars(relation("7", "161", "has_ingredient"), relation("161", "7", "ingredient_of"),
                               relation("8", "161", "isa"), relation("161", "8", "inverse_isa")),
        "rrf/RXNSAT.RRF": bars(attribute),
        "rrf/RXNSTY.RRF": bars(("161", "T200", "A1.3.3", "Clinical Drug", "AT1", ""),
                               ("7", "T121", "A1.4.1.1.1", "Pharmacologic Substance", "AT2", "")),
    })  # fmt: skip
