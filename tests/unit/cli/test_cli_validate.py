"""hilum validate: files to findings with their places."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.shared_data import DATA, needs_data
from typer.testing import CliRunner

from hilum.cli.commands import app
from hilum.fhir import xml

DIV = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}
GOOD: dict[str, Any] = {"resourceType": "Patient", "text": DIV, "active": True}
BAD = '{\n  "resourceType": "Patient",\n  "gender": "mail"\n}'
AT = "error: Patient.gender must be one of"


def run(*given: str, stdin: bytes = b"") -> tuple[int, str, str]:
    found = CliRunner().invoke(app, ["validate", *given], input=stdin)
    return found.exit_code, found.stdout, found.stderr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_good_file_is_silent_and_ends_with_0(folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps(GOOD))
    code, out, err = run("a.json")
    assert (code, out) == (0, "")
    assert err == "1 file, 1 resource: 0 errors, 0 warnings, 0 informations.\n"


def test_an_error_has_its_line_and_column_and_ends_with_1(folder: Path) -> None:
    (folder / "a.json").write_text(BAD)
    code, out, err = run("a.json")
    assert code == 1
    warned, wrong = out.splitlines()
    assert warned.startswith("a.json:1:1: warning: Patient should keep dom-6")
    assert wrong.startswith(f"a.json:3:3: {AT}")
    assert err.startswith("1 file, 1 resource: 1 error, 1 warning")


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_and_line_ends_do_not_matter(folder: Path, start: str, end: str) -> None:
    (folder / "a.json").write_bytes((start + BAD.replace("\n", end)).encode())
    assert f"a.json:3:3: {AT}" in run("a.json")[1]


def test_each_line_of_ndjson_is_a_resource(folder: Path) -> None:
    lines = [json.dumps(GOOD), "", json.dumps({**GOOD, "gender": "x"}), '{"resourceType":']
    (folder / "a.ndjson").write_text("\n".join(lines))
    code, out, err = run("a.ndjson")
    assert code == 1
    first, second = out.splitlines()
    assert first.startswith(f"a.ndjson:3:{len(json.dumps(GOOD)) + 2}: {AT}")
    assert second.startswith("a.ndjson:4:17: error: The resource is not valid JSON")
    assert err.startswith("1 file, 3 resources: 2 errors")


def test_xml_has_lines(folder: Path) -> None:
    text = '<Patient xmlns="http://hl7.org/fhir">\n  <active value="true"/>\n  <gender value="x"/>\n</Patient>\n'
    (folder / "a.xml").write_text(text)
    assert f"a.xml:3:1: {AT}" in run("a.xml")[1]
    (folder / "b.xml").write_bytes(xml.encode(GOOD))
    assert run("b.xml")[0] == 0
    (folder / "c.xml").write_text("<Patient")
    assert run("c.xml")[0] == 1


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("<Patient xmlns='http://hl7.org/fhir'>\n <gender value='male'/>\n <name>\n </name>\n</Patient>", "3:1"),
        ("<Patient xmlns='http://hl7.org/fhir'>\n <name>\n  <famly value='x'/>\n </name>\n</Patient>", "3:1"),
        ("<Patient xmlns='http://hl7.org/fhir'>\n <gender value='male'>\n</Patient>", "3:3"),
    ],
)
def test_what_is_wrong_with_xml_as_such_has_its_place(folder: Path, text: str, place: str) -> None:
    (folder / "a.xml").write_text(text)
    assert [line.split(" ")[0] for line in run("a.xml")[1].splitlines()] == [f"a.xml:{place}:"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1:1: error: The resource is empty: expected one JSON object"),
        ("hello", "1:1: error: The resource is not valid JSON"),
        ('{\n "a":}', "2:6: error: The resource is not valid JSON"),
        ("[]", "1:1: error: The resource must be one JSON object"),
        ('{"a": 1}', "1:1: error: Resource.resourceType must say what it is"),
        ('{"resourceType": [1]}', "1:2: error: Resource.resourceType must be a string"),
        ("<html/>", "1:1: error: The root element must be a resource of FHIR R4"),
    ],
)
def test_what_is_no_resource_is_told_once_and_in_the_words_of_files(folder: Path, text: str, said: str) -> None:
    (folder / "a").write_text(text)
    code, out, _ = run("a")
    (line,) = out.splitlines()
    assert (code, line[: len(said) + 2]) == (1, f"a:{said}")


def test_a_package_that_is_none_is_named(folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps(GOOD))
    (folder / "x.tgz").write_text("x")
    code, out, err = run("a.json", "--ig", "x.tgz")
    assert (code, out) == (2, "")
    assert err.startswith("hilum: x.tgz: This is no package")


def ours(**more: Any) -> dict[str, Any]:
    """A profile of Patient that asks for a birth date, without a snapshot."""
    differential = {"element": [{"id": "Patient.birthDate", "path": "Patient.birthDate", "min": 1}]}
    return {
        "resourceType": "StructureDefinition",
        "url": OURS,
        "name": "Ours",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "differential": differential,
        **more,
    }


OURS = "http://example.org/StructureDefinition/ours"


def test_definitions_may_be_files_and_folders_of_them(folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps(GOOD))
    (folder / "ig").mkdir()
    (folder / "ig" / "notes.json").write_text("[]")
    (folder / "ig" / "patient.json").write_text(json.dumps(GOOD))
    (folder / "ig" / "ours.xml").write_bytes(xml.encode(ours()))
    (folder / "ours.json").write_text(json.dumps(ours(copyrightLabel="as R5 has it"), indent=2))
    assert run("a.json", "--profile", OURS)[0] == 2
    for given in ("ig", "ig/ours.xml", "ours.json"):
        code, out, _ = run("a.json", "--ig", given, "--profile", OURS)
        assert (code, out.count("birthDate")) == (1, 1)


def test_a_file_of_definitions_that_can_not_be_read_is_named(folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps(GOOD))
    (folder / "x.json").write_text("{")
    (folder / "y.json").write_text(json.dumps(ours(differential="x")))
    for name, said in (("x.json", "It is not valid JSON"), ("y.json", "StructureDefinition.differential must be an")):
        code, _, err = run("a.json", "--ig", name)
        assert (code, err[: len(f"hilum: {name}: {said}")]) == (2, f"hilum: {name}: {said}")


def test_folders_patterns_gzip_and_standard_input(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "a.json").write_text(json.dumps(GOOD))
    (folder / "deep" / "b.json.gz").write_bytes(gzip.compress(BAD.encode()))
    assert "2 files, 2 resources: 1 error" in run("deep")[2]
    assert "1 file, 1 resource: 0 errors" in run("**/*.json")[2]
    code, out, _ = run("-", stdin=BAD.encode())
    assert code == 1
    assert f"<stdin>:3:3: {AT}" in out
    assert "1 file, 2 resources" in run("-", stdin=b"\n".join([json.dumps(GOOD).encode()] * 2))[2]


def test_json_for_programs(folder: Path) -> None:
    (folder / "a.json").write_text(BAD)
    code, out, _ = run("a.json", "--json")
    found = json.loads(out)
    assert (code, found["errors"], found["warnings"]) == (1, 1, 1)
    wrong = found["resources"][0]["issues"][1]
    assert {key: wrong[key] for key in ("severity", "code", "line", "column", "expression")} == {
        "severity": "error",
        "code": "code-invalid",
        "line": 3,
        "column": 3,
        "expression": "Patient.gender",
    }


def test_what_can_not_be_read_ends_with_2(folder: Path) -> None:
    (folder / "a.json").write_text(BAD)
    assert run("none.json")[0] == 2
    assert "none*.json: there is no such file" in run("a.json", "none*.json")[2]
    (folder / "b.json.gz").write_bytes(gzip.compress(b"x" * 1000)[:-8])
    code, out, err = run("b.json.gz", "a.json")
    assert code == 2
    assert AT in out
    assert "b.json.gz: is damaged" in err
    assert run("a.json", "--ig", "none.tgz")[0] == 2
    (folder / "x.tgz").write_bytes(b"x")
    assert run("a.json", "--ig", "x.tgz")[0] == 2
    assert run("a.json", "--profile", "http://example.org/none")[0] == 2
    assert run()[0] == 2


def test_a_profile_that_is_asked_for(folder: Path) -> None:
    body = {"resourceType": "Observation", "text": DIV, "status": "final", "code": {"text": "x"}}
    (folder / "a.json").write_text(json.dumps(body))
    assert run("a.json")[0] == 0
    code, out, _ = run("a.json", "--profile", "http://hl7.org/fhir/StructureDefinition/vitalsigns")
    assert code == 1
    assert "vitalsigns" in out


@needs_data
def test_a_package_gives_profiles(folder: Path) -> None:
    package = DATA / "igs" / "hl7.fhir.us.core-6.1.0.tgz"
    profile = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"
    (folder / "a.json").write_text(json.dumps({**GOOD, "meta": {"profile": [profile]}}))
    code, out, _ = run("a.json", "--ig", str(package))
    assert code == 1
    assert "us-core-patient" in out


def test_colours_are_for_terminals(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hilum.cli.validating import telling
    from hilum.cli.validating.judging import Told
    from hilum.cli.validating.sources import Source
    from hilum.fhir.places import Place
    from hilum.problems import Issue

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, asked in ((Terminal(), "1"), (Terminal(), ""), (io.StringIO(), "")):
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("NO_COLOR", asked)
        teller = telling.Lines()
        told = Told(Issue("error", "value", "Patient.x [bold]is wrong", "Patient.x"), Place(1, 2))
        teller.tell(Source("a.json", b"", 1, xml=False), [told])
        assert ("\x1b[" in stream.getvalue()) == stream.isatty()
        assert ("31m" in stream.getvalue()) == (stream.isatty() and not asked)
        assert "[bold]is wrong" in stream.getvalue()
