"""An RxNorm release, RRF. https://www.nlm.nih.gov/research/umls/rxnorm/docs/techdoc.html, https://hl7.org/fhir/R4/rxnorm.html

`RXNCONSO.RRF` (atoms of SAB RXNORM), `RXNREL.RRF` (relations between concepts), `RXNSAT.RRF` (attributes) and
`RXNSTY.RRF` (semantic types).
"""

from __future__ import annotations

import re
from typing import Any, Final

from hilum.terminology.releases.bench import Bench
from hilum.terminology.releases.files import Release

URL: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATOMS: Final = "RXNCONSO.RRF"
_ATOM: Final = "RXCUI LAT TS LUI STT SUI ISPREF RXAUI SAUI SCUI SDUI SAB TTY CODE STR SRL SUPPRESS CVF"
_RELATION: Final = "RXCUI1 RXAUI1 STYPE1 REL RXCUI2 RXAUI2 STYPE2 RELA RUI SRUI SAB SL DIR RG SUPPRESS CVF"
_ATTRIBUTE: Final = "RXCUI LUI SUI RXAUI STYPE CODE ATUI SATUI ATN SAB ATV SUPPRESS CVF"
_TYPE: Final = "RXCUI TUI STN STY ATUI CVF"
_SOURCE: Final = "VCUI RCUI VSAB RSAB SON SF SVER"
_SYNONYMS: Final = ("PSN", "SY", "TMSY", "ET")
"""Kinds of atoms that name what another atom is."""
_DATE: Final = re.compile(r"(?<!\d)(\d{8})(?!\d)")
_OWN: Final = "RXNORM"


def read(release: Release, bench: Bench) -> str:
    """Fill the bench; the version of the release."""
    atoms = release.one(ATOMS)
    assert atoms is not None
    for row, where in release.piped(atoms, _ATOM):
        if row["SAB"] != _OWN:
            continue
        code, kind = row["RXCUI"], row["TTY"]
        retired = row["SUPPRESS"] in ("O", "Y", "E")
        if not bench.has(code):
            bench.concept(code, row["STR"], rank=_rank(kind, retired=retired), inactive=retired, where=where)
        else:
            bench.display(code, row["STR"], _rank(kind, retired=retired))
            if not retired:
                bench.active(code)
        bench.property(code, "TTY", "code", kind)
        bench.designation(code, row["STR"], "en" if row["LAT"] == "ENG" else "", (URL, kind, kind))
    if relations := release.one("RXNREL.RRF", needed=False):
        for row, _ in release.piped(relations, _RELATION):
            if row["SAB"] == _OWN and row["RXCUI1"] and row["RXCUI2"] and row["SUPPRESS"] in ("", "N"):
                # "RXCUI2 has the relation to RXCUI1"
                if row["RELA"] == "isa":
                    bench.parent(row["RXCUI2"], row["RXCUI1"])
                elif row["RELA"] != "inverse_isa":
                    bench.property(row["RXCUI2"], row["RELA"] or row["REL"], "code", row["RXCUI1"])
    if attributes := release.one("RXNSAT.RRF", needed=False):
        for row, _ in release.piped(attributes, _ATTRIBUTE):
            if row["SAB"] == _OWN and row["SUPPRESS"] in ("", "N") and row["ATV"]:
                bench.property(row["RXCUI"], row["ATN"], "string", row["ATV"])
    if types := release.one("RXNSTY.RRF", needed=False):
        for row, _ in release.piped(types, _TYPE):
            bench.property(row["RXCUI"], "STY", "code", row["TUI"])
    bench.done()
    return _version(release)


def _rank(kind: str, *, retired: bool) -> int:
    return (100 if retired else 0) + (_SYNONYMS.index(kind) + 10 if kind in _SYNONYMS else 0)


def _version(release: Release) -> str:
    """The date in the release's name, as the National Library of Medicine writes it; else of RXNSAB.RRF; or ""."""
    if found := _DATE.search(release.path.name):
        return found[1]
    if sources := release.one("RXNSAB.RRF", needed=False):
        for line in release.piped_loosely(sources, _SOURCE):
            if line["RSAB"] == _OWN and line["SVER"]:
                return line["SVER"]
    return ""


def about(version: str) -> dict[str, Any]:
    """The CodeSystem without its concepts."""
    return {
        "url": URL,
        "version": version,
        "name": "RxNorm",
        "title": "RxNorm",
        "copyright": "This product uses publicly available data courtesy of the U.S. National Library of Medicine, "
        "National Institutes of Health, Department of Health and Human Services; NLM is not responsible for the "
        "product and does not endorse or recommend this or any other product.",
        "caseSensitive": True,
        "hierarchyMeaning": "is-a",
        "valueSet": f"{URL}/vs",
        "property": [
            {"code": "TTY", "description": "Term type", "type": "code"},
            {"code": "STY", "description": "Semantic type, by its TUI", "type": "code"},
        ],
    }
