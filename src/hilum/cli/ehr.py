"""`hilum ehr`: the EHRs that hilum signs in to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hilum.cli import options

if TYPE_CHECKING:
    from hilum.app.brokering import Brokering
    from hilum.app.settings import Settings
    from hilum.broker.checking import Step
    from hilum.broker.connection import Connection
    from hilum.broker.directories import Directory, Match
    from hilum.store.interface import Store

ehr = typer.Typer(
    name="ehr",
    help="Connect EHRs, try whether they work, find their addresses.\n\n"
    "They are those of `ehrs.toml` in the data directory, and those that are added here; what changes holds under a "
    "running `hilum serve` at once.\n\n"
    "Examples:\n\n"
    "- `hilum ehr add lake --vendor epic --base https://ehr.example.org/api/FHIR/R4 --client-id 3f2a… "
    "--scopes 'system/Patient.rs system/Observation.rs'`\n\n"
    "- `hilum ehr check lake`",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the connection.", show_default=False)]
SIDES = {"ours": "here", "theirs": "the EHR's side", "network": "in between"}


@ehr.command()
def add(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name: letters a-z, digits and '-'.", show_default=False)
    ],
    base: Annotated[str, typer.Option("--base", help="The FHIR base URL (R4) of the EHR.", metavar="URL")],
    client_id: Annotated[
        str, typer.Option("--client-id", help="What the EHR knows hilum by, in this environment.", metavar="ID")
    ],
    vendor: Annotated[
        str, typer.Option("--vendor", help="`epic`, `oracle`, `meditech`, or `plain` for others.", metavar="VENDOR")
    ] = "plain",
    scopes: Annotated[
        str,
        typer.Option("--scopes", help="What to ask for where nobody is present (Backend Services).", metavar="SCOPES"),
    ] = "",
    user_scopes: Annotated[
        str,
        typer.Option("--user-scopes", help="What to ask for where a person signs in (App Launch).", metavar="SCOPES"),
    ] = "",
    public: Annotated[
        bool, typer.Option("--public", help="The EHR has registered hilum without key and secret (App Launch only).")
    ] = False,
    secret_file: Annotated[
        str,
        typer.Option(
            "--secret-file",
            help="The EHR has given hilum a secret, which stands in this file; `-` is standard input. It is sealed.",
            metavar="FILE",
        ),
    ] = "",
    secret_post: Annotated[
        bool, typer.Option("--secret-post", help="The secret is sent in the form, not by HTTP Basic.")
    ] = False,
    alg: Annotated[
        str, typer.Option("--alg", help="The algorithm of the client key that signs: RS384 or ES384.", metavar="ALG")
    ] = "RS384",
    issuer: Annotated[
        str,
        typer.Option(
            "--issuer", help="What the EHR sends as `iss` in a launch, where it is not its base.", metavar="URL"
        ),
    ] = "",
    mrn_system: Annotated[
        str,
        typer.Option(
            "--mrn-system", help="The system of the identifiers that patients are looked for by.", metavar="URI"
        ),
    ] = "",
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            "--recipe",
            help="A recipe that may be used with it. Give it again for more; without one, all may.",
            metavar="NAME",
        ),
    ] = None,
    title: Annotated[str, typer.Option("--title", help="What people read on the pages.", metavar="TEXT")] = "",
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Connect an EHR. It belongs to the environment of the data directory.

    hilum signs with its client key (`hilum keys new --use ehr`), unless the EHR has given it a secret.

    Examples:

    - `hilum ehr add lake --vendor epic --base https://ehr.example.org/R4 --client-id 3f2a --scopes 'system/Patient.rs'`

    - `hilum ehr add sea --base https://sea.example.org/r4 --client-id sea --public --user-scopes 'launch patient/*.rs'`
    """
    from hilum.app.recording import owner
    from hilum.broker import rules
    from hilum.broker.connection import EVERY, Connection
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import json_out, out, say
    from hilum.problems import Invalid

    if public and (secret_file or secret_post):
        raise Invalid("A public client has no secret: give --public or --secret-file.")
    if secret_post and not secret_file:
        raise Invalid("Name the file with the secret, too: --secret-file.")
    if not (scopes.split() or user_scopes.split()):
        text = "Say what to ask for: --scopes where nobody is present, --user-scopes where a person signs in, or both."
        raise Invalid(f"{text} Such as --scopes 'system/Patient.rs'.")
    secret = _secret(secret_file) if secret_file else ""
    basic, post = rules.SECRET
    method = "none" if public else (post if secret_post else basic) if secret_file else rules.KEYS
    wishes = ((rules.BACKEND, scopes), (rules.LAUNCH, user_scopes))

    async def work(opened: Store, settings: Settings) -> Connection:
        here = _brokering(opened, settings)
        connection = Connection(
            name=name,
            environment=settings.environment,
            vendor=vendor,
            base=base.rstrip("/"),
            client_id=client_id,
            method=method,
            grants=tuple(grant for grant, asked in wishes if asked.split()),
            system_scopes=" ".join(scopes.split()),
            user_scopes=" ".join(user_scopes.split()),
            recipes=tuple(recipe or (EVERY,)),
            issuer=issuer,
            title=title,
            alg=alg,
            mrn_system=mrn_system,
            origin=owner(),
        )
        here.connections.judge(connection, secret)
        await tell(opened, settings, "ehr", {"added": name, "base": connection.base, "scope": connection.system_scopes})
        return await here.connections.add(connection, secret)

    added = done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out(_shown(added))
    else:
        out(added.name)
        say(f"Added to the {added.environment}. Try it: hilum ehr check {added.name}")


@ehr.command("list")
def list_(
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """List the EHRs: name, environment, vendor, where, as whom, and how hilum signs in.

    Example:

    - `hilum ehr list --json`
    """
    from hilum.cli.records import done
    from hilum.cli.terminal import json_out, out, table

    async def work(opened: Store, settings: Settings) -> list[Connection]:
        return await _brokering(opened, settings).connections.every()

    found = done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"ehrs": [_shown(one) for one in found]})
        return
    table(
        f"{len(found)} EHRs",
        ("name", "environment", "vendor", "base", "client id", "method", "from", ""),
        [
            (
                one.name,
                one.environment.upper(),
                one.vendor,
                one.base,
                one.client_id,
                one.method,
                one.origin,
                "disabled" if one.disabled else "",
            )
            for one in found
        ],
    )
    for one in found:
        out(one.name)


@ehr.command()
def check(
    name: Name,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    allow_private_keys: options.AllowPrivateKeys = None,
    json: options.Json = False,
) -> None:
    """Does a connection work? Discovers, signs in, reads one thing, and says what fails and whose side it is on.

    Nothing that was read is kept or shown. Exit status 1 when something fails.

    Examples:

    - `hilum ehr check lake`

    - `hilum ehr check lake --json`
    """
    from hilum.broker import checking
    from hilum.cli.records import done
    from hilum.cli.terminal import bold, json_out, out

    async def work(opened: Store, settings: Settings) -> tuple[Connection, list[Step]]:
        here = _brokering(opened, settings)
        connection = await here.connections.get(name)
        if not json:
            out(f"{bold(name)}  {connection.environment.upper()}  {connection.base}")
        found = []
        async for step in checking.steps(connection, here.backend, here.discovery, here.keys, here.send):
            found.append(step)
            if not json:
                _tell(step)
        return connection, found

    flags = {"store": store, "data": data, "environment": environment, "allow_private_keys": allow_private_keys}
    connection, found = done(flags, work)
    works = checking.works(found)
    if json:
        steps = [{name: getattr(step, name) for name in ("step", "state", "side", "found", "todo")} for step in found]
        json_out({"ehr": name, "environment": connection.environment, "works": works, "steps": steps})
    else:
        out("It works." if works else "It does not work: see the lines that begin with fails.")
    sys.exit(0 if works else 1)


@ehr.command()
def remove(
    name: Name,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
) -> None:
    """Forget an EHR that was added, and the tokens that it gave. What was gathered from it stays.

    Tokens of people who signed in are then revoked at the EHR, where it has a revocation_endpoint and answers.

    Example:

    - `hilum ehr remove lake`
    """
    from hilum.broker.ending import SECONDS
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import out

    async def work(opened: Store, settings: Settings) -> None:
        ways = _brokering(opened, settings)
        await ways.connections.removable(name)
        await tell(opened, settings, "ehr", {"removed": name})
        await ways.launching.ending.remove(name)
        await ways.launching.ending.close(SECONDS)

    done({"store": store, "data": data, "environment": environment}, work)
    out(f"{name} is removed.")


@ehr.command("import")
def import_(
    source: Annotated[
        str, typer.Argument(metavar="FILE|URL", help="A Bundle with Endpoints, as JSON.", show_default=False)
    ],
    name: Annotated[str, typer.Option("--name", help="What to call the directory.", metavar="NAME")],
    vendor: Annotated[
        str, typer.Option("--vendor", help="Whose EHRs they all are, to be told with what is found.", metavar="VENDOR")
    ] = "",
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Take in a directory of EHRs, in place of what it held before: a vendor's endpoints, or user-access brands.

    Only Endpoints of R4 that are active are taken. A file is read whole, and may have 256 MB.

    Examples:

    - `curl -L https://open.epic.com/Endpoints/R4 > epic.json && hilum ehr import epic.json --name epic --vendor epic`

    - `hilum ehr import https://ehr.example.org/brands --name lake`
    """
    import time

    from hilum.broker import directories
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import json_out, out, say

    async def work(opened: Store, settings: Settings) -> Directory:
        raw = await _fetched(source, settings) if source.startswith(("https://", "http://")) else _read(source)
        await tell(opened, settings, "ehr", {"imported": name})
        return await directories.take(opened.ledger, name, raw, Path(source).name, time.time(), vendor)

    taken = done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"directory": name, "listed": taken.head.listed, "left_out": taken.head.others})
        return
    out(name)
    say(f"{taken.head.listed} organizations. {taken.head.others} endpoints were left out: not of R4, or not active.")


@ehr.command()
def find(
    words: Annotated[
        list[str],
        typer.Argument(metavar="WORD…", help="Beginnings of words of a name, an alias or a place.", show_default=False),
    ],
    name: Annotated[str, typer.Option("--name", help="Only in this directory.", metavar="NAME")] = "",
    most: Annotated[int, typer.Option("--most", help="How many at most.", min=1, max=1000)] = 20,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Find the FHIR base URL of an organization in the directories that were imported.

    Example:

    - `hilum ehr find mercy madison`
    """
    from hilum.broker import directories
    from hilum.cli.records import done
    from hilum.cli.terminal import json_out, out, table

    async def work(opened: Store, settings: Settings) -> list[Match]:
        return await directories.find(opened.ledger, " ".join(words), name=name, most=most)

    found = done({"store": store, "data": data, "environment": environment}, work)
    rows = [
        {
            "name": one.listed.name,
            "place": one.listed.place,
            "base": one.listed.base,
            "vendor": one.directory.head.vendor,
            "directory": one.directory.name,
        }
        for one in found
    ]
    if json:
        json_out({"found": rows})
        return
    columns = ("name", "place", "base", "vendor", "directory")
    table(f"{len(rows)} found", columns, [tuple(row[column] for column in columns) for row in rows])
    for base in dict.fromkeys(row["base"] for row in rows):
        out(base)


def _brokering(opened: Store, settings: Settings) -> Brokering:
    from hilum.access.keys import load_or_create
    from hilum.app.brokering import brokering
    from hilum.app.data import prepare

    prepare(settings)
    return brokering(settings, opened, load_or_create(settings.data, settings.environment))


def _secret(file: str) -> str:
    from hilum.problems import Invalid, Misconfigured

    try:
        text = sys.stdin.readline() if file == "-" else Path(file).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(f"The secret {file} can't be read.") from None
    if not text.strip():
        raise Invalid(f"There is no secret in {'the standard input' if file == '-' else file}.")
    return text.strip()


def _read(file: str) -> bytes:
    from hilum.broker.directories import MOST_BYTES
    from hilum.problems import Invalid, Misconfigured

    try:
        path = Path(file).expanduser()
        if path.stat().st_size > MOST_BYTES:
            raise Invalid(f"The directory {file} has more than {MOST_BYTES // (1 << 20)} MB.")
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"The directory {file} can't be read: {error.strerror}.") from None


async def _fetched(url: str, settings: Settings) -> bytes:
    from hilum.app.brokering import reaching
    from hilum.broker.directories import MOST_BYTES
    from hilum.broker.reach import unreachable
    from hilum.problems import Invalid
    from hilum.web import outbound

    accept = {"accept": "application/fhir+json, application/json"}
    try:
        answer = await outbound.get(url, limit=MOST_BYTES, guard=reaching(settings, seconds=600), headers=accept)
    except outbound.Unreachable as error:
        raise Invalid(f"{unreachable(error, url).text} Or fetch the file yourself, and import that.") from None
    if answer.status != 200:
        raise Invalid(
            f"The directory was answered with status {answer.status}. Fetch it yourself, and import the file."
        )
    return answer.body


def _shown(one: Connection) -> dict[str, Any]:
    """What may be told of a connection: all but its secret."""
    import msgspec

    said = msgspec.to_builtins(one)
    said.pop("secret", None)
    return dict(said)


def _tell(step: Step) -> None:
    from hilum.cli.terminal import bold, out

    side = f" [{SIDES[step.side]}]" if step.side else ""
    out(f"{step.state:<9}{step.step:<12}{step.found}{side}")
    if step.todo:
        out(f"{'':<21}{bold('→')} {step.todo}")
