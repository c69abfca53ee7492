"""One event, wherever it is kept: an entry of the trail, or a version that a commit made."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from hilum.access.policy import Principal
from hilum.audit.context import ORIGIN
from hilum.audit.entry import Entry, Who
from hilum.store.segments import Version, WriteAudited

_METHODS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Event(NamedTuple):
    """What is known of an access, as in Who and Entry. `within`: the interaction that it was a part of.

    `patients`: ids of those whose records were read or written.
    """

    id: str
    at: int
    who: Who
    address: str
    request: str
    interaction: str
    type: str
    about: str
    version: int
    status: int
    query: str
    patients: tuple[str, ...] = ()
    within: str = ""


_READ: Final = re.compile(r"r-([0-9a-f]{1,14})-([0-9a-f]{16})-([0-9a-f]{1,12})")
_WRITE: Final = re.compile(r"w-([0-9a-f]{1,14})-([0-9a-f]{1,8})")


class ReadId(NamedTuple):
    """Of an entry of the trail: its time, its process, and its number there, from 0."""

    at: int
    process: bytes
    number: int

    def __str__(self) -> str:
        return f"r-{self.at:x}-{self.process.hex()}-{self.number:x}"


class WriteId(NamedTuple):
    """Of a version: the seq of its commit, and its number there, from 0."""

    seq: int
    number: int

    def __str__(self) -> str:
        return f"w-{self.seq:x}-{self.number:x}"


def id_of(text: str) -> ReadId | WriteId | None:
    """What the id of an AuditEvent says; None: it is not one of hilum's own."""
    if found := _READ.fullmatch(text):
        at, process, number = found.groups()
        return ReadId(int(at, 16), bytes.fromhex(process), int(number, 16))
    if found := _WRITE.fullmatch(text):
        seq, number = found.groups()
        return WriteId(int(seq, 16), int(number, 16))
    return None


_SUBJECT: Final = re.compile(r"(?:\S*/)?Patient/([A-Za-z0-9\-.]{1,64})")
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def asked(entry: Entry) -> tuple[str, ...]:
    """Ids of the patients whose data a search asks for, be there any or none: `patient=17`, `subject=Patient/17`.

    A query that indicates its patient is BALP's PatientQuery, however many results it had.
    """
    if entry.interaction not in ("search-type", "search-system", "search-compartment"):
        return ()
    found = [entry.id] if entry.interaction == "search-compartment" and entry.type == "Patient" else []
    if "patient" in entry.query or "subject" in entry.query:
        for parameter, text in parse_qsl(entry.query):
            name, _, modifier = parameter.partition(":")
            if name not in ("patient", "subject") or modifier not in ("", "Patient"):
                continue
            bare = name == "patient" or modifier == "Patient"
            for value in text.split(","):
                if whole := _SUBJECT.fullmatch(value):
                    found.append(whole[1])
                elif bare and _ID.fullmatch(value):
                    found.append(value)
    return tuple(dict.fromkeys(found))


def read(id: ReadId, who: Who, entry: Entry, patients: tuple[str, ...]) -> Event:
    """The event of an entry of the trail. `patients`: of what it showed."""
    return Event(
        str(id), entry.at, who, entry.address, entry.request, entry.interaction, entry.type, entry.id, entry.version,
        entry.status, entry.query, tuple(dict.fromkeys((*asked(entry), *patients))),
    )  # fmt: skip


class Detail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the row of a commit tells beside agent, client and token: its `detail`."""

    request: str = ""
    address: str = ""
    grant: str = ""
    user: str = ""
    fhir_user: str = ""
    roles: tuple[str, ...] = ()
    patient: str = ""


_encode: Final = msgspec.json.Encoder().encode


def detail(who: Principal) -> str:
    """The `detail` of a commit by this Principal, within the present request."""
    request, address = ORIGIN.get()
    return _encode(Detail(request, address, who.grant, who.user, who.fhir_user, who.roles, who.patient)).decode()


def written(row: WriteAudited, number: int, version: Version, patients: tuple[str, ...]) -> Event:
    """The event of the version that the commit made as its `number`-th, from 0."""
    told = msgspec.json.decode(row.detail, type=Detail) if row.detail else Detail()
    who = Who(0, row.agent, row.client, row.token, told.grant, told.user, told.fhir_user, told.roles, told.patient)
    interaction = _METHODS[version.method]
    return Event(
        str(WriteId(row.seq, number)), version.seq, who, told.address, told.request, interaction, version.type,
        version.id, version.version, 201 if interaction == "create" else 200, "", patients,
        row.interaction if row.interaction != interaction else "",
    )  # fmt: skip
