"""`[send]` and `[[patient]]` of agent.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent.sending.far_sides import Notes, identity

from hilum.agent.sending import way
from hilum.agent.sending.fhir import Fhir
from hilum.agent.sending.gateway import Gateway
from hilum.agent.sending.pcd01 import Pcd01, Soap
from hilum.agent.sending.settings import read
from hilum.phd.fhir import Patient
from hilum.problems import Misconfigured

TO = '[send]\nto = "https://far.example/"\n'


@dataclass
class File:
    data: Path
    table: dict[str, Any]


def test_all_that_can_be_said() -> None:
    text = """
    [send]
    to = "https://far.example/r4/"
    way = "fhir"
    ca = "ca.pem"

    [[patient]]
    device = "A"
    id = "p1"

    [[patient]]
    device = "A"
    person = 2
    system = "urn:oid:1.2"
    value = "77"
    """
    found = read(tomllib.loads(text), Path("/data"))
    assert (found.to, found.way, found.ca, found.seal) == (
        "https://far.example/r4",
        "fhir",
        Path("/data/ca.pem"),
        False,
    )
    assert found.patients == {("A", None): Patient("p1"), ("A", 2): Patient(system="urn:oid:1.2", value="77")}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("gateway", Gateway), ("fhir", Fhir), ("pcd01", Pcd01), ("soap", Soap), (None, Gateway)],
    ids=["gateway", "fhir", "pcd01", "soap", "none said"],
)
def test_the_way_that_is_asked_for(tmp_path: Path, name: str | None, kind: type) -> None:
    send = {"to": "https://far.example"} | ({"way": name} if name else {})
    assert type(way(File(tmp_path, {"send": send}), identity(tmp_path), Notes())) is kind


WRONG = {
    "nothing": ("", "no \\[send\\]"),
    "no address": ("[send]\n", "needs `to"),
    "no TLS": ('[send]\nto = "http://far.example"\n', "https"),
    "another way": (TO + 'way = "mllp"\n', "one of gateway, fhir"),
    "a word that is not known": (TO + "insecure = true\n", "no `insecure`"),
    "another type": (TO + 'seal = "yes"\n', "type bool"),
    "sealed for a stranger": (TO + 'way = "fhir"\nseal = true\n', "seal"),
    "whose, but not of what": (TO + '[[patient]]\nid = "p1"\n', "device"),
    "of what, but not whose": (TO + '[[patient]]\ndevice = "A"\n', "an `id`, or"),
    "a reference for an id": (TO + '[[patient]]\ndevice = "A"\nid = "Patient/1"\n', "logical id"),
    "an identifier without a system": (TO + '[[patient]]\ndevice = "A"\nvalue = "7"\n', "a `system`"),
    "twice": (TO + '[[patient]]\ndevice = "A"\nid = "p"\n[[patient]]\ndevice = "A"\nid = "q"\n', "twice"),
    "one table": (TO + '[patient]\ndevice = "A"\n', "\\[\\[patient\\]\\]"),
    "a truth for a number": (TO + '[[patient]]\ndevice = "A"\nid = "p"\nperson = true\n', "type int"),
}


@pytest.mark.parametrize(("text", "told"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        read(tomllib.loads(text), tmp_path)
