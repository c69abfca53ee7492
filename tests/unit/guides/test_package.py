"""Packages are read with distrust. https://hl7.org/fhir/packages.html"""

from __future__ import annotations

import gzip
import io
import json
import tarfile

import pytest
from tests.packages import package, packed, profile, tgz
from tests.shared_data import DATA, needs_data

from hilum.guides import package as packages
from hilum.guides.naming import id_of, tagged
from hilum.guides.package import read
from hilum.problems import Invalid, Malformed, TooLarge

MANIFEST = json.dumps({"name": "a", "version": "1.0.0", "fhirVersions": ["4.0.1"]}).encode()


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


def test_a_package_says_its_name_version_and_dependencies() -> None:
    found = package(profile(), name="b", version="2.0.0-ballot", dependencies={"a": "1.0.0"})
    assert (found.label, found.dependencies, list(found.files)) == (
        *("b#2.0.0-ballot", {"a": "1.0.0"}, ["StructureDefinition-named-patient.json"]),
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"not gzip", gzip.compress(b"not tar" * 100), packed(profile())[:200], packed(profile())[:-9]],
    ids=["empty", "not gzip", "not tar", "its head", "without its end"],
)
def test_what_is_no_gzipped_tar_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed, match=r"no package|package\.json is missing"):
        read(io.BytesIO(content))


@pytest.mark.parametrize("name", ["../evil.json", "package/../../evil.json", "/etc/passwd", "package\\..\\evil.json"])
def test_a_file_outside_of_the_package_is_refused(name: str) -> None:
    with pytest.raises(Malformed, match="outside"):
        read(io.BytesIO(tgz({"package/package.json": MANIFEST, name: b"{}"})))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_left_out(kind: bytes) -> None:
    info = link("package/evil.json", "/etc/passwd", kind)
    found = read(io.BytesIO(tgz({"package/package.json": MANIFEST, "package/evil.json": info})))
    assert (found.files, [one.why for one in found.skipped]) == ({}, ["is a link, not a file"])


def test_examples_and_what_is_no_definition_are_left_out() -> None:
    patient = b'{"resourceType": "Patient"}'
    files = {
        "package/package.json": MANIFEST,
        "package/.index.json": b"{}",
        "package/example/Patient-x.json": patient,
        "package/Patient-y.json": patient,
        "package/other/spec.internals": b"x",
        "package/broken.json": b"{",
        "package/list.json": b"[]",
        "package/aid.json": b"{}",
    }
    found = read(io.BytesIO(tgz(files)))
    assert {one.file: one.why for one in found.skipped} == {
        "Patient-y.json": "is a Patient: no definition, but an example or an aid",
        "aid.json": "is no FHIR resource",
        "broken.json": "is no JSON object",
        "list.json": "is no JSON object",
    }


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"fhirVersions": ["5.0.0"]}, r"R5 \(5\.0\.0\)"),
        ({"fhirVersions": ["3.0.2"]}, "STU3"),
        ({"fhirVersions": ["4.3.0"]}, "R4B"),
        ({"fhirVersions": None}, "does not say"),
    ],
)
def test_a_package_for_another_fhir_version_is_refused_with_the_reason(said: dict[str, object], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        package(**said)  # type: ignore[arg-type]


def test_the_fhir_version_is_found_where_older_packages_say_it() -> None:
    for said in (
        {"fhir-version-list": ["4.0.1"]},
        {"fhirVersion": "4.0.0"},
        {"dependencies": {"hl7.fhir.r4.core": "4.0.1"}},
    ):
        assert package(fhirVersions=None, **said).name == "example.ig"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "manifest", [b"", b"[]", b'{"name": "a"}', b'{"name": "../a", "version": "1"}', b'{"name": "a", "version": "1 2"}']
)
def test_a_manifest_that_says_too_little_or_nonsense_is_refused(manifest: bytes) -> None:
    with pytest.raises(Malformed, match=r"package\.json"):
        read(io.BytesIO(tgz({"package/package.json": manifest})))


def test_a_package_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed(profile(), {"resourceType": "ValueSet", "id": "x", "status": "draft", "title": "x" * 4000})
    for name, bound in (("MOST_FILES", 2), ("MOST_BYTES", 3000), ("LARGEST", 3000)):
        with monkeypatch.context() as bounded:
            bounded.setattr(packages, name, bound)
            with pytest.raises(TooLarge):
                read(io.BytesIO(content))


def test_a_bomb_is_refused_by_what_its_header_says() -> None:
    info = tarfile.TarInfo("package/bomb.json")
    info.size = 1 << 40
    head = tgz({"package/package.json": MANIFEST})
    with pytest.raises(TooLarge):
        read(io.BytesIO(gzip.compress(gzip.decompress(head)[:1024] + info.tobuf())))


def test_ids_are_readable_and_never_too_long() -> None:
    assert id_of("hl7.fhir.us.core", "7.0.0", "us-core-patient") == "hl7.fhir.us.core-7.0.0-us-core-patient"
    long = id_of("hl7.fhir.us.core", "7.0.0", "x" * 64)
    assert len(long) == 64 and long != id_of("hl7.fhir.us.core", "7.0.0", "x" * 63)
    assert id_of("a_b", "1", "x") != id_of("a-b", "1", "x")


def test_a_tag_takes_the_place_of_one_that_came_with_it() -> None:
    body = {
        "resourceType": "ValueSet",
        "meta": {"tag": [{"system": "urn:hilum:package", "code": "evil#1"}, {"code": "x"}]},
    }
    assert tagged(body, "a#1")["meta"]["tag"] == [{"code": "x"}, {"system": "urn:hilum:package", "code": "a#1"}]


@needs_data
def test_us_core_is_read() -> None:
    with (DATA / "igs" / "hl7.fhir.us.core-7.0.0.tgz").open("rb") as stream:
        found = read(stream)
    assert (found.label, len(found.files), found.skipped) == ("hl7.fhir.us.core#7.0.0", 211, ())
