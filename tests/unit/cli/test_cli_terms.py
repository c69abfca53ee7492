"""Releases and FHIR files become code systems that answer."""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli import releases
from typer.testing import CliRunner

from hilum.cli.commands import app
from hilum.cli.loading.door import OWNER
from hilum.cli.loading.terms import format_of, load
from hilum.fhir import xml
from hilum.interactions.door import Door
from hilum.interactions.terminology.expanding import Asked, expansion
from hilum.interactions.terminology.importing import LARGE, removed
from hilum.interactions.terminology.knowledge import Held, codes
from hilum.interactions.terminology.looking import Found, looked_up, subsumption
from hilum.interactions.terminology.members import members, members_of
from hilum.problems import Invalid, Misconfigured
from hilum.store.sqlite import open_sqlite

LOINC, SNOMED, RXNORM = "http://loinc.org", "http://snomed.info/sct", "http://www.nlm.nih.gov/research/umls/rxnorm"
EDITION = f"{SNOMED}/{releases.CORE}"


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    store = await open_sqlite(str(tmp_path / "store.db"))
    yield Door(store, "http://hilum.test/fhir")
    await store.close()


async def put(door: Door, path: Path, **more: Any) -> list[dict[str, Any]]:
    given = {"format": None, "version": None, "edition": None} | more
    return await load(door, path, **given)


async def held(door: Door, url: str, version: str = "") -> Held:
    found = await (await codes(door.store, door.base, door.codes)).system(url, version)
    assert found is not None
    return found


async def looked(door: Door, url: str, code: str) -> Found:
    return await looked_up(await held(door, url), code, "", frozenset())


async def expanded(door: Door, what: str | dict[str, Any], **more: Any) -> list[str]:
    known = await codes(door.store, door.base, door.codes)
    found = await (members(known, what) if isinstance(what, str) else members_of(known, what))
    return [one["code"] for one in (await expansion(found, Asked(**more))).get("contains", [])]


def composed(system: str, *filters: tuple[str, str, str]) -> dict[str, Any]:
    some = [dict(zip(("property", "op", "value"), one, strict=True)) for one in filters]
    return {"resourceType": "ValueSet", "compose": {"include": [{"system": system, "filter": some}]}}


def said(found: Found, code: str) -> list[Any]:
    return [one.value for one in found.properties if one.code == code]


async def test_loinc_with_its_hierarchy_parts_and_answers(door: Door, tmp_path: Path) -> None:
    path = releases.loinc(tmp_path / "Loinc")
    assert format_of(path) == "loinc"
    told = await put(door, path)
    assert [(one["type"], one["url"], one["version"], one["outcome"], one["concepts"]) for one in told] == [
        ("CodeSystem", LOINC, "2.77", "created", 9),
        ("ValueSet", "http://loinc.org/vs/LL1-9", "2.77", "created", 0),
        ("ValueSet", "http://loinc.org/vs/LL2-7", "2.77", "created", 0),
    ]
    found = await looked(door, LOINC, "1-8")
    assert (found.display, found.version) == ("Sweetose [Mass/volume] in Serum", "2.77")
    assert said(found, "COMPONENT") == ["Sweetose", {"system": LOINC, "code": "LP2-9", "display": "Sweets"}]
    assert (said(found, "CLASSTYPE"), said(found, "parent")) == (["Laboratory class"], ["LP1-1", "LP2-9"])
    assert said(await looked(door, LOINC, "3-4"), "answer-list") == ["LL1-9"]
    assert await expanded(door, "http://loinc.org/vs/LL1-9") == ["LA2-8", "LA1-0"]
    for filters, wanted in (
        ([("COMPONENT", "=", "LP2-9")], ["1-8"]),
        ([("COMPONENT", "=", "Sweetose")], ["1-8"]),
        ([("concept", "descendent-of", "LP1-1")], ["1-8", "LP2-9"]),
        ([("parent", "=", "LP2-9")], ["1-8"]),
        ([("ancestor", "=", "LP1-1")], ["1-8", "LP2-9"]),
        ([("CLASS", "=", "CHEM"), ("STATUS", "=", "ACTIVE")], ["1-8"]),
        ([("LIST", "=", "LL1-9")], ["LA1-0", "LA2-8"]),
        ([("SYSTEM", "regex", "Ser.*")], ["1-8"]),
        ([("ancestor", "in", "LP1-1,LP2-9")], ["1-8", "LP2-9"]),
        ([("parent", "in", "LP1-1,LP2-9")], ["1-8", "LP2-9"]),
        ([("copyright", "=", "3rdParty")], ["3-4"]),
        ([("copyright", "=", "LOINC"), ("STATUS", "=", "ACTIVE")], ["1-8", "LP2-9"]),
        ([("EXTERNAL_COPYRIGHT_NOTICE", "exists", "true")], ["3-4"]),
        ([("child", "exists", "true")], ["LP1-1", "LP2-9"]),
    ):
        assert sorted(await expanded(door, composed(LOINC, *filters))) == wanted, filters
    assert await expanded(door, "http://loinc.org/vs", filter="sugar") == ["1-8"]
    assert await expanded(door, "http://loinc.org/vs|2.77", filter="sugar") == ["1-8"]
    assert sorted(await expanded(door, "http://loinc.org/vs/LP1-1")) == ["1-8", "LP2-9"]
    with pytest.raises(Invalid, match="takes LOINC or 3rdParty"):
        await expanded(door, composed(LOINC, ("copyright", "=", "x")))
    assert "2-6" not in await expanded(door, "http://loinc.org/vs", active=True)
    assert [one["outcome"] for one in await put(door, path)] == ["unchanged"] * 3


async def test_the_hierarchy_of_an_older_loinc_has_another_name(door: Door, tmp_path: Path) -> None:
    path = releases.loinc(tmp_path / "Loinc")
    (tree,) = path.rglob("ComponentHierarchyBySystem.csv")
    tree.rename(tree.with_name("MultiAxialHierarchy.csv"))
    await put(door, path)
    assert said(await looked(door, LOINC, "1-8"), "parent") == ["LP1-1", "LP2-9"]


async def test_snomed_ct_with_preferred_terms_and_implicit_value_sets(door: Door, tmp_path: Path) -> None:
    path = releases.snomed(tmp_path / "SnomedCT")
    assert format_of(path) == "snomed"
    (told,) = await put(door, path)
    assert (told["version"], told["concepts"]) == (f"{EDITION}/version/20260131", 8)
    found = await looked(door, SNOMED, "22298006")
    assert found.display == "Myocardial infarction"
    assert [one.value for one in found.designations] == [
        "Myocardial infarction (disorder)", "Heart attack", "Myocardial infarction",
    ]  # fmt: skip
    assert (said(found, "363698007"), said(found, "moduleId")) == (["80891009"], [releases.CORE])
    assert said(found, "parent") == ["404684003", "56265001"]
    assert (await looked(door, SNOMED, "404684003")).display == "Clinical finding"
    assert (await looked(door, SNOMED, "56265001")).display == 'Heart "disease"'
    system = await held(door, SNOMED)
    assert await subsumption(system, "138875005", "22298006") == "subsumes"
    assert await subsumption(system, "22298006", "56265001") == "subsumed-by"
    assert await subsumption(system, "999", "56265001") == "not-subsumed"
    assert sorted(await expanded(door, f"{SNOMED}?fhir_vs=isa/404684003")) == ["22298006", "404684003", "56265001"]
    assert await expanded(door, f"{SNOMED}?fhir_vs=refset/700043003") == ["22298006"]
    assert await expanded(door, composed(SNOMED, ("concept", "in", "700043003"))) == ["22298006"]
    assert sorted(await expanded(door, composed(SNOMED, ("concept", "in", "999,22298006")))) == ["22298006", "999"]
    for value in ("true", "false"):
        assert len(await expanded(door, composed(SNOMED, ("expressions", "=", value)))) == 8
    assert len(await expanded(door, f"{EDITION}?fhir_vs")) == 8
    assert len(await expanded(door, SNOMED)) == 8
    assert await expanded(door, composed(SNOMED, ("363698007", "=", "80891009"))) == ["22298006"]
    assert await expanded(door, f"{SNOMED}?fhir_vs=isa/404684003", filter="hear att") == ["22298006"]
    with pytest.raises(Invalid, match="ECL"):
        await expanded(door, f"{SNOMED}?fhir_vs=ecl/<404684003")
    with pytest.raises(Invalid, match="no property 'constraint'"):
        await expanded(door, composed(SNOMED, ("constraint", "=", "<404684003")))
    assert await expanded(door, composed(SNOMED, ("inactive", "=", "true"))) == ["999"]


async def test_versions_stand_side_by_side_and_the_newest_is_meant(door: Door, tmp_path: Path) -> None:
    for date in ("20260131", "20250731"):
        await put(door, releases.snomed(tmp_path / date, date=date))
    assert (await held(door, SNOMED)).version == f"{EDITION}/version/20260131"
    assert (await held(door, SNOMED, EDITION)).version == f"{EDITION}/version/20260131"
    older = f"{EDITION}/version/20250731"
    assert (await held(door, SNOMED, older)).version == older
    assert await removed(door, OWNER, SNOMED, f"{EDITION}/version/20260131") == [f"{EDITION}/version/20260131"]
    assert (await held(door, SNOMED)).version == older


async def test_rxnorm_with_relations_and_attributes(door: Door, tmp_path: Path) -> None:
    folder = releases.rxnorm(tmp_path / "rx")
    path = Path(shutil.make_archive(str(tmp_path / "RxNorm_full_01052026"), "zip", folder))
    assert format_of(path) == "rxnorm"
    (told,) = await put(door, path)
    assert (told["version"], told["concepts"]) == ("01052026", 4)
    found = await looked(door, RXNORM, "161")
    assert found.display == "paintake 325 MG Oral Tablet"
    assert sorted(said(found, "TTY")) == ["SCD", "SY"]
    assert (said(found, "has_ingredient"), said(found, "parent")) == (["7"], ["8"])
    assert said(found, "RXN_STRENGTH") == ["325 MG"]
    assert said(await looked(door, RXNORM, "9"), "inactive") == [True]
    assert await expanded(door, composed(RXNORM, ("has_ingredient", "=", "7"))) == ["161"]
    assert sorted(await expanded(door, composed(RXNORM, ("TTY", "in", "IN,DF")))) == ["7", "8", "9"]
    assert await expanded(door, composed(RXNORM, ("STY", "=", "T200"))) == ["161"]
    assert sorted(await expanded(door, composed(RXNORM, ("STY", "in", "TUI:T200,T121")))) == ["161", "7"]
    assert len(await expanded(door, f"{RXNORM}/vs")) == 4
    with pytest.raises(Misconfigured, match="--version"):
        await put(door, folder)


async def test_fhir_files_of_every_kind(door: Door, tmp_path: Path) -> None:
    some = [{"code": f"c{n}", "display": f"Concept {n}"} for n in range(LARGE + 1)]
    large = {"resourceType": "CodeSystem", "id": "large", "url": "http://large", "version": "1", "name": "L",
             "status": "active", "content": "complete", "concept": some}  # fmt: skip
    small = large | {"id": "small", "url": "http://small", "concept": some[:3]}
    sets = {"resourceType": "ValueSet", "id": "v", "url": "http://v", "status": "active",
            "compose": {"include": [{"system": "http://large", "filter": [
                {"property": "code", "op": "in", "value": "c1,c2"}]}]}}  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(large))
    with gzip.open(tmp_path / "b.ndjson.gz", "wt") as lines:
        lines.write(json.dumps(small) + "\n\n" + json.dumps({"resourceType": "Patient"}) + "\n")
    package = tmp_path / "package"
    package.mkdir()
    (package / "ValueSet-v.json").write_text(json.dumps(sets))
    (package / "package.json").write_text("{}")
    with tarfile.open(tmp_path / "c.tgz", "w:gz") as archive:
        archive.add(package, "package")
    told = [one for name in ("a.json", "b.ndjson.gz", "c.tgz") for one in await put(door, tmp_path / name)]
    assert [(one["id"], one["outcome"], one["concepts"]) for one in told] == [
        ("large", "created", LARGE + 1), ("small", "created", 0), ("v", "created", 0),
    ]  # fmt: skip
    body = (await door.store.read("CodeSystem", "large")).body  # type: ignore[union-attr]
    assert (body["content"], body["count"], "concept" in body) == ("complete", LARGE + 1, False)
    assert await expanded(door, "http://v") == ["c1", "c2"]
    assert (await held(door, "http://small")).size == 3
    (again,) = await put(door, tmp_path / "a.json")
    assert (again["outcome"], len(await door.store.concepts.systems("http://large"))) == ("unchanged", 1)
    (tmp_path / "a.json").write_text(json.dumps(large | {"concept": some[1:]}))
    (again,) = await put(door, tmp_path / "a.json")
    assert (again["outcome"], (await held(door, "http://large")).size) == ("updated", LARGE)


async def test_a_large_fragment_stays_one_and_a_supplement_is_no_code_system(door: Door, tmp_path: Path) -> None:
    some = [{"code": f"c{n}"} for n in range(LARGE + 1)]
    part = {"resourceType": "CodeSystem", "id": "f", "url": "http://f", "status": "active", "content": "fragment",
            "count": 9000, "concept": some}  # fmt: skip
    more = part | {"id": "m", "url": "http://m", "content": "supplement", "supplements": "http://f"}
    del more["count"]
    (tmp_path / "a.ndjson").write_text("\n".join(map(json.dumps, [part, more])))
    assert [one["concepts"] for one in await put(door, tmp_path / "a.ndjson")] == [LARGE + 1, 0]
    body = (await door.store.read("CodeSystem", "f")).body  # type: ignore[union-attr]
    assert (body["content"], body["count"], "concept" in body) == ("fragment", 9000, False)
    system = await held(door, "http://f")
    assert (system.size, system.complete) == (LARGE + 1, False)
    known = await codes(door.store, door.base, door.codes)
    assert await known.system("http://m") is None
    assert [one.head.url for one in await door.store.concepts.systems()] == ["http://f"]


async def test_fhir_files_in_xml_and_in_a_zip(door: Door, tmp_path: Path) -> None:
    small: dict[str, Any] = {"resourceType": "CodeSystem", "id": "s", "url": "http://s", "status": "active",
                             "content": "complete", "concept": [{"code": "a"}, {"code": "b"}]}  # fmt: skip
    folder = tmp_path / "definitions"
    folder.mkdir()
    (folder / "codes.xml").write_bytes(xml.encode({"resourceType": "Bundle", "type": "collection",
                                                   "entry": [{"resource": small}]}))  # fmt: skip
    (folder / "more.json").write_text(json.dumps(small | {"id": "t", "url": "http://t"}))
    (folder / "version.info").write_text("[FHIR]")
    archive = Path(shutil.make_archive(str(tmp_path / "definitions.xml"), "zip", folder))
    for path in (folder / "codes.xml", archive):
        assert format_of(path) == "fhir"
        told = [(one["url"], one["outcome"]) for one in await put(door, path)]
        assert told == ([("http://s", "created")] if path != archive
                        else [("http://s", "unchanged"), ("http://t", "created")])  # fmt: skip
    assert (await held(door, "http://s")).size == 2
    (folder / "codes.xml").write_text("<CodeSystem>")
    with pytest.raises(Invalid, match=r"codes\.xml: "):
        await put(door, folder / "codes.xml")


async def test_a_fhir_resource_that_is_refused_keeps_no_other_one_out(door: Door, tmp_path: Path) -> None:
    good = {"resourceType": "CodeSystem", "id": "g", "url": "http://g", "status": "active", "content": "complete"}
    lines = [good | {"id": "b", "url": "http://b", "status": "nonsense"}, good]
    (tmp_path / "a.ndjson").write_text("\n".join(map(json.dumps, lines)))
    bad, fine = await put(door, tmp_path / "a.ndjson")
    assert (bad["outcome"], fine["outcome"]) == ("refused", "created")
    assert bad["why"].startswith("a.ndjson, line 1: CodeSystem.status")


def test_a_naming_system_that_is_not_valid_is_left_out_and_no_failure(tmp_path: Path) -> None:
    good = {"resourceType": "CodeSystem", "id": "g", "url": "http://g", "status": "active", "content": "complete"}
    names = {"resourceType": "NamingSystem", "id": "n", "name": "N", "status": "active", "kind": "codesystem",
             "date": "2026-01-01", "uniqueId": [{"value": "http://g"}]}  # fmt: skip
    command = ["terminology", "import", str(tmp_path / "a.ndjson"), "--data", str(tmp_path / "data")]
    (tmp_path / "a.ndjson").write_text("\n".join(map(json.dumps, [good, names])))
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 0
    assert "left out: a.ndjson, line 2: NamingSystem.uniqueId[0].type is required" in found.stderr
    (tmp_path / "a.ndjson").write_text("\n".join(map(json.dumps, [good | {"status": "nonsense"}, names])))
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 1
    assert "refused: a.ndjson, line 1: CodeSystem.status" in found.stderr


def test_the_code_systems_are_listed_as_a_table_and_by_name(tmp_path: Path) -> None:
    some = [{"code": f"c{n}"} for n in range(LARGE + 1)]
    large = {"resourceType": "CodeSystem", "id": "large", "url": "http://large", "version": "1", "status": "active",
             "content": "complete", "concept": some}  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(large))
    place = ["--data", str(tmp_path / "data")]
    assert CliRunner().invoke(app, ["terminology", "import", str(tmp_path / "a.json"), *place]).exit_code == 0
    found = CliRunner().invoke(app, ["terminology", "list", *place])
    assert found.stdout == "http://large|1\n"
    assert [line.split() for line in found.stderr.splitlines()] == [
        ["1", "code", "systems"], ["url", "version", "concepts", "source"], ["http://large", "1", "2,001", "import"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("LoincTable/Loinc.csv", '"2-6"', '"1-8"', r"Loinc.csv, line 3: the code '1-8' is defined twice"),
        ("LoincTable/Loinc.csv", '"2-6"', '"2-6","more"', r"Loinc.csv, line 3: 17 fields, where 16 are expected"),
        ("LoincTable/Loinc.csv", "STATUS", "Status", r"Loinc.csv, line 1: the column STATUS is missing"),
        ("LoincTable/Loinc.csv", '"2-6"', '""', r"Loinc.csv, line 3: there is no code"),
    ],
)
async def test_what_is_wrong_with_a_release_is_said_by_file_and_line_and_nothing_is_kept(
    door: Door, tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    path = releases.loinc(tmp_path / "Loinc")
    text = (path / file).read_text(encoding="utf-8")
    (path / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(Invalid, match=message):
        await put(door, path)
    assert await door.store.concepts.systems() == []
    assert (await door.store.counts()).types == {}


async def test_a_file_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    for name in ("x.txt", "x.zip"):
        (tmp_path / name).write_text("nothing")
        with pytest.raises(Misconfigured):
            format_of(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(Misconfigured, match="none of the known formats"):
        format_of(tmp_path / "empty")
