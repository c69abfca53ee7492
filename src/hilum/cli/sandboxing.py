"""Setting up and serving a sandbox EHR: patients, people, registered apps, then hilum behind a vendor's manners."""

from __future__ import annotations

import asyncio
import json
import secrets
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from hilum.access.keys import load_or_create
from hilum.access.tokens import Minter
from hilum.app import create_app, data, files
from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.broker.connection import Connection
from hilum.broker.rules import BACKEND as BACKEND_GRANT
from hilum.broker.rules import LAUNCH as LAUNCH_GRANT
from hilum.cli import connecting
from hilum.cli.banner import program
from hilum.cli.loading.command import fill, forget
from hilum.cli.loading.sources import Source
from hilum.cli.serving import Announcing, configured, listen
from hilum.cli.terminal import bold, out
from hilum.demo import population
from hilum.demo.days import check, moved
from hilum.demo.population import TODAY
from hilum.fhir import json as fhir_json
from hilum.oauth.ledger import Client, User
from hilum.problems import Invalid, Misconfigured
from hilum.sandbox import faults
from hilum.sandbox.emulator import Emulator
from hilum.sandbox.patients import record_number, renumbered
from hilum.sandbox.plans import AHEAD, planned
from hilum.sandbox.profile import Profile, profiles
from hilum.smart.apps import clients
from hilum.smart.people import passwords, users
from hilum.store.interface import Store

BROKER: Final = "http://127.0.0.1:8080"
"""Where the hilum that signs in is, unless somebody says otherwise."""
BACKEND: Final = "hilum-backend"
LAUNCH: Final = "hilum-launch"
"""Client ids of the two apps that are registered."""
STAFF: Final = "kim"
PATIENT: Final = "pat"
"""Who can sign in. Pat is the first patient."""
SEED: Final = 1
RESTRICTED: Final = 2
"""Which patient is behind the glass, where the vendor has one."""

TYPES: Final = (
    "AllergyIntolerance", "Appointment", "CarePlan", "CareTeam", "Condition", "Coverage", "Device", "DiagnosticReport",
    "DocumentReference", "Encounter", "Goal", "Immunization", "Location", "Medication", "MedicationRequest",
    "Observation", "Organization", "Patient", "Practitioner", "PractitionerRole", "Procedure", "ServiceRequest",
)  # fmt: skip
"""What the apps may read. Named one by one, since Oracle Health grants no scope for all types."""
KEPT: Final = "sandbox.json"
JWKS_PATH: Final = "/broker/jwks/sandbox.json"
"""Where a hilum that signs in to EHRs has its public keys."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for. `broker`: an origin, "" for that of `connect`, or else BROKER. `today`: None for
    that of an earlier start, or else the day on which it is made.
    """

    profile: str
    faults: tuple[str, ...]
    patients: int
    broker: str
    jwks: str
    port: str
    data: str
    connect: str = ""
    today: date | None = None

    @property
    def name(self) -> str:
        """What hilum calls the connection to the app that comes by itself."""
        return self.profile

    @property
    def launch(self) -> str:
        """What it calls the connection to the app that people start."""
        return f"{self.profile}-launch"


class Kept(msgspec.Struct, frozen=True):
    """`sandbox.json` in the data directory: what this sandbox is, so that it is the same when it is started again.

    `password`: of the people who sign in; `key`: of the faults' endpoint. Neither opens anything but synthetic data.
    `today`: around which dates are laid; there was one day for all once. `moving`: not all of them are there yet.
    """

    profile: str
    patients: int
    password: str
    key: str
    today: date = TODAY
    moving: bool = False

    def aged(self, now: date) -> bool:
        """Whether what was ahead when it was made no longer is."""
        return now >= self.today + AHEAD


def run(wanted: Wanted) -> None:
    """Set up what is not there yet, then serve until told to stop. Raises Misconfigured, Invalid."""
    profile = profiles().get(wanted.profile)
    if profile is None:
        raise Misconfigured(f"There is no profile {wanted.profile[:40]!r}. There are {', '.join(sorted(profiles()))}.")
    if wanted.today:
        check(wanted.today)
    set_ = faults.Faults()
    for text in wanted.faults:
        set_.add(faults.read(text, profile))
    settings = _settings(wanted, profile)
    there = connecting.known(wanted.connect) if wanted.connect else None
    wanted = replace(wanted, broker=wanted.broker or (connecting.origin(there) if there else BROKER))
    apps = _clients(wanted, int(time.time()))
    data.prepare(settings)
    kept = _kept(settings.data, wanted)
    listening = listen(settings.host, settings.port)
    settings = replace(settings, port=listening.getsockname()[1], connections=files.room(settings.connections))
    if wanted.today and wanted.today != kept.today:
        forget(settings)
        kept = _keep(settings.data, msgspec.structs.replace(kept, today=wanted.today, moving=True))
    patients = max(kept.patients, wanted.patients)
    if kept.moving or kept.patients < patients:
        fill(settings, _sources(profile, patients, kept.today), patients + 1)
        kept = _keep(settings.data, msgspec.structs.replace(kept, patients=patients, moving=False))
    asyncio.run(_registered(settings, apps, kept))
    made = asyncio.run(connecting.connect(there, partial(connections, settings, wanted, profile))) if there else []
    data.note_serving(settings)
    mint = Minter(load_or_create(settings.data, settings.environment), settings.fhir_base)
    emulator = Emulator(
        create_app(settings),
        profile,
        settings.fhir_base,
        mint=mint,
        key=kept.key,
        restricted=frozenset((_patient(RESTRICTED),)),
        faults=set_,
    )
    announce = partial(_show, settings, wanted, profile, kept, set_, made)
    Announcing(configured(emulator, settings), announce).run(sockets=[listening])


def _settings(wanted: Wanted, profile: Profile) -> Settings:
    flags = {
        "port": wanted.port,
        "data": wanted.data,
        "environment": "sandbox",
        "audit": "grouped",
        "organization": f"{profile.title} (sandbox)",
        "log_level": "warning",
        "log_format": "text" if sys.stderr.isatty() else "json",
    }
    return Settings.read(flags, {})


def _kept(folder: Path, wanted: Wanted) -> Kept:
    """What an earlier start left; else what this one is to be, without patients yet. Raises Misconfigured."""
    try:
        kept = msgspec.json.decode((folder / KEPT).read_bytes(), type=Kept)
    except FileNotFoundError:
        if (folder / "hilum.sqlite").exists():
            raise Misconfigured(
                f"{folder} holds another hilum's data. Name a directory of its own by --data."
            ) from None
        today = wanted.today or date.today()
        return _keep(folder, Kept(wanted.profile, 0, passwords.made(), secrets.token_urlsafe(24), today))
    except (OSError, msgspec.DecodeError):
        raise Misconfigured(f"{folder / KEPT} can't be read. Remove {folder}, and start again.") from None
    if kept.profile != wanted.profile:
        raise Misconfigured(f"{folder} is a sandbox of profile {kept.profile}. Name another directory by --data.")
    return kept


def _keep(folder: Path, kept: Kept) -> Kept:
    data.write_private(folder / KEPT, msgspec.json.encode(kept) + b"\n")
    return kept


def _patient(number: int) -> str:
    """The id of the n-th patient."""
    return f"demo-p{number:03d}"


def _sources(profile: Profile, patients: int, today: date) -> Iterator[Source]:
    """The town and its people, with this vendor's record numbers, as of that day."""
    for number, bundle in enumerate(population(patients=patients, seed=SEED)):
        changed = renumbered(profile, bundle, number) if number else bundle
        if number == 1:
            changed = planned(changed, TODAY)
        yield Source(f"sandbox bundle {number}", 1, held=fhir_json.encode(moved(changed, today - TODAY)))


# --- who may come in --------------------------------------------------------------------------------------------------


async def _registered(settings: Settings, apps: Mapping[str, Client], kept: Kept) -> None:
    """The people and the apps, as they are asked for now."""
    store = await open_store(settings)
    try:
        made = passwords.Passwords()
        try:
            hashed = await made.hashed(kept.password)
        finally:
            made.close()
        now = int(time.time())
        for user in (
            User(STAFF, "Kim Walsh", ("practitioner",), "Practitioner/demo-dr-walsh", password=hashed, created=now),
            User(PATIENT, "Pat", ("patient",), f"Patient/{_patient(1)}", (_patient(1),), hashed, created=now),
        ):
            if await users.find(store.ledger, user.name) is None:
                await users.add(store.ledger, user, frozenset(user.roles))
        for id, client in apps.items():
            await _register(store, id, client)
    finally:
        await store.close()


async def _register(store: Store, id: str, client: Client) -> None:
    found = await clients.get(store.ledger, id)
    if found is None:
        await clients.add(store.ledger, client, id, sandbox=True)
    elif found.client != msgspec.structs.replace(client, created=found.client.created):
        await clients.change(store.ledger, found, client, time.time(), sandbox=True)


def _clients(wanted: Wanted, now: int) -> dict[str, Client]:
    """The two apps: one that comes by itself, one that people start."""
    keys = _keys(wanted)
    backend = Client(
        name="hilum (Backend Services)",
        method=clients.KEYS,
        scopes=_scopes("system"),
        grants=clients.grants(redirects=False, keys=True),
        by="sandbox",
        created=now,
        **keys,
    )
    launch = Client(
        name="hilum (App Launch)",
        method=clients.KEYS,
        scopes=f"{FLAGS} {_scopes('patient')} {_scopes('user')}",
        grants=(clients.CODE, clients.REFRESH),
        redirects=(f"{wanted.broker}/callback/{wanted.launch}", f"{wanted.broker}/callback"),
        launches=(f"{wanted.broker}/launch/{wanted.launch}",),
        by="sandbox",
        created=now,
        **keys,
    )
    return {BACKEND: backend, LAUNCH: launch}


FLAGS: Final = "openid fhirUser launch launch/patient launch/encounter online_access offline_access"


def _scopes(level: str) -> str:
    return " ".join(f"{level}/{type}.rs" for type in TYPES)


def _keys(wanted: Wanted) -> dict[str, Any]:
    """Where the apps' public keys are. Raises Misconfigured, Invalid."""
    place = wanted.jwks or wanted.broker + JWKS_PATH
    if place.startswith(("http:", "https:")):
        return {"jwks_uri": place}
    try:
        return {"jwks": json.loads(Path(place).read_bytes())}
    except OSError as error:
        raise Misconfigured(f"The keys {place} can't be read: {error.strerror}.") from None
    except ValueError:
        raise Invalid(f"{place} is no JWK Set: a JSON object with a list of `keys`.") from None


# --- what is printed --------------------------------------------------------------------------------------------------


def _show(
    settings: Settings, wanted: Wanted, profile: Profile, kept: Kept, set_: faults.Faults, made: Sequence[str]
) -> None:
    for line in lines(settings, wanted, profile, kept, set_, made, now=date.today()):
        out(line)


def lines(
    settings: Settings,
    wanted: Wanted,
    profile: Profile,
    kept: Kept,
    set_: faults.Faults,
    made: Sequence[str] = (),
    *,
    now: date,
) -> list[str]:
    """What is printed when it answers. `made`: what was made known where it is connected; `now`: the day it is."""
    record, sealed = profile.record_number, "sealed-patient" in profile.issues
    last = min(kept.patients, 8)
    numbers = [
        record_number(profile, number) + (" (restricted)" if sealed and number == RESTRICTED else "")
        for number in range(1, last + 1)
    ]
    people = f"{STAFF} (staff), {PATIENT} (the patient {record_number(profile, 1)})"
    said = [
        bold(f"{profile.title} sandbox") + f"  {kept.patients:,} synthetic patients",
        "",
        f"FHIR      {settings.fhir_base}",
        f"Launch    {settings.origin}/launch",
        f"People    {people}; password {kept.password}",
        f"Patients  {record.label} {', '.join(numbers)}{' …' if kept.patients > last else ''}",
        f"          of {record.system}",
        f"Today     {kept.today} to its patients{_aged(kept, now)}",
        f"Apps      {BACKEND} (Backend Services), {LAUNCH} (App Launch)",
        f"          keys from {wanted.jwks or wanted.broker + JWKS_PATH}, "
        f"redirect {wanted.broker}/callback/{wanted.launch}",
        f"Data      {settings.data.resolve()}",
        "",
        *(_connected(wanted, profile, made) if wanted.connect else _unknown(settings, wanted, profile)),
        "",
        "Faults, as `--fault` has them (GET shows what is set, DELETE takes it away):",
        f"curl -s -H 'Authorization: Bearer {kept.key}' -d '{{\"fault\": \"429:every=5\"}}' "
        f"{settings.origin}/sandbox/faults",
    ]
    said += [f"set: {one['fault']}" for one in set_.shown()]
    return [*said, "", "Stop with Ctrl-C."]


def _aged(kept: Kept, now: date) -> str:
    if not kept.aged(now):
        return ""
    return f": what is booked may be past by now, and videos of it are refused. Add --today {now} to move all dates"


def _connected(wanted: Wanted, profile: Profile, made: Sequence[str]) -> list[str]:
    where = "" if wanted.connect == Settings.read({}, {}).data.name else f" --data {shlex.quote(wanted.connect)}"
    return [
        f"Known to the hilum of {wanted.connect}: {', '.join(made)}. Try:",
        f"{program()} ehr check {wanted.name}{where}",
        f"{program()} gather {record_number(profile, 1)} --ehr {wanted.name} --recipe visits{where}",
    ]


def _unknown(settings: Settings, wanted: Wanted, profile: Profile) -> list[str]:
    return ["Make it known to your hilum:", *registration(settings, wanted, profile)]


def registration(settings: Settings, wanted: Wanted, profile: Profile) -> tuple[str, ...]:
    """The lines that make this EHR known to the hilum that signs in: a key, once, and a connection for each app."""
    return (
        f"{program()} keys new --use ehr",
        *(_added(one) for one in connections(settings, wanted, profile, "RS384")),
    )


def _added(one: Connection) -> str:
    """The command that adds a connection."""
    scopes = ("--scopes", one.system_scopes) if one.system_scopes else ("--user-scopes", one.user_scopes)
    words = (
        "ehr", "add", one.name, "--vendor", one.vendor, "--base", one.base, "--client-id", one.client_id,
        "--mrn-system", one.mrn_system, *scopes,
    )  # fmt: skip
    return f"{program()} {shlex.join(words)}"


def connections(settings: Settings, wanted: Wanted, profile: Profile, alg: str) -> tuple[Connection, Connection]:
    """This EHR as the hilum that signs in knows it: for each app a connection."""
    backend = Connection(
        name=wanted.name,
        environment=settings.environment,
        vendor=wanted.profile,
        base=settings.fhir_base,
        client_id=BACKEND,
        method=clients.KEYS,
        grants=(BACKEND_GRANT,),
        system_scopes=" ".join(f"system/{type}.rs" for type in GATHERED),
        title=settings.organization,
        alg=alg,
        mrn_system=profile.record_number.system,
        origin=connecting.ORIGIN,
    )
    launch = msgspec.structs.replace(
        backend,
        name=wanted.launch,
        client_id=LAUNCH,
        grants=(LAUNCH_GRANT,),
        system_scopes="",
        user_scopes=" ".join(
            ("openid fhirUser launch launch/patient offline_access", *(f"patient/{type}.rs" for type in GATHERED))
        ),
    )
    return backend, launch


GATHERED: Final = (
    "Patient", "Encounter", "Observation", "Condition", "Procedure", "MedicationRequest", "Appointment",
    "AllergyIntolerance", "ServiceRequest", "Location", "Organization",
)  # fmt: skip
"""What hilum asks for: what a patient's guide can't do without, and not all that recipes name, so that a gather shows
what is refused, too: Practitioner.
"""
