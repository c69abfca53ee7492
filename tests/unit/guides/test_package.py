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
        "Patient-y.json": "is no definition, but an example or an aid (Patient)",
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


def headed(kind: bytes, content: bytes, times: int = 1) -> io.BytesIO:
    """A package whose first file has such headers before its own."""
    info = tarfile.TarInfo("long")
    info.type, info.size = kind, len(content)
    head = info.tobuf(tarfile.GNU_FORMAT) + content + b"\0" * (-len(content) % 512)
    return io.BytesIO(gzip.compress(head * times + gzip.decompress(packed(profile())), 1))


HEADERS = {
    "name": tarfile.GNUTYPE_LONGNAME,
    "link": tarfile.GNUTYPE_LONGLINK,
    "pax": tarfile.XHDTYPE,
    "pax of all": tarfile.XGLTYPE,
    "pax of Solaris": tarfile.SOLARIS_XHDTYPE,
}


@pytest.mark.parametrize("kind", HEADERS.values(), ids=HEADERS)
def test_a_long_header_is_refused_before_it_is_read(kind: bytes) -> None:
    with pytest.raises(TooLarge, match="header"):
        read(headed(kind, b"\0" * (packages.LONGEST_HEADER + 1)))
    assert read(headed(tarfile.GNUTYPE_LONGLINK, b"x" * packages.LONGEST_HEADER)).name == "example.ig"


@pytest.mark.parametrize("kind", HEADERS.values(), ids=HEADERS)
def test_headers_within_headers_are_no_package(kind: bytes) -> None:
    with pytest.raises(Malformed, match="no package"):
        read(headed(kind, b"", times=2000))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (tarfile.XHDTYPE, b"20 GNU.sparse.map=x\n"),
        (tarfile.XHDTYPE, b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"),
        (tarfile.GNUTYPE_SPARSE, b""),
    ],
    ids=["map", "sparse of pax", "sparse"],
)
def test_headers_that_make_no_sense_are_refused(kind: bytes, content: bytes) -> None:
    with pytest.raises(Malformed, match=r"no package|sparse"):
        read(headed(kind, content))


def test_headers_have_a_bound_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MOST_HEADERS", 3 * 4096**2)
    assert read(headed(tarfile.XGLTYPE, b"\0" * 4096, times=3)).name == "example.ig"
    with pytest.raises(TooLarge, match="header"):
        read(headed(tarfile.XGLTYPE, b"\0" * 4096, times=4))


def test_headers_count_among_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MOST_BYTES", 50_000)
    with pytest.raises(TooLarge, match="too large"):
        read(headed(tarfile.GNUTYPE_LONGLINK, b"x" * 4000, times=12))


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
