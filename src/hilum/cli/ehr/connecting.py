"""`hilum ehr add`, `list` and `remove`: the registry of connections."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hilum.cli import options
from hilum.cli.ehr.opening import Name, brokering

if TYPE_CHECKING:
    from hilum.app.settings import Settings
    from hilum.broker.connection import Connection
    from hilum.store.interface import Store


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
        here = brokering(opened, settings)
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
    from hilum.cli.terminal import listed

    async def work(opened: Store, settings: Settings) -> list[Connection]:
        return await brokering(opened, settings).connections.every()

    found = done({"store": store, "data": data, "environment": environment}, work)
    columns: dict[str, Callable[[Connection], str]] = {
        "name": lambda one: one.name,
        "environment": lambda one: one.environment.upper(),
        "vendor": lambda one: one.vendor,
        "base": lambda one: one.base,
        "client id": lambda one: one.client_id,
        "method": lambda one: one.method,
        "from": lambda one: one.origin,
        "": lambda one: "disabled" if one.disabled else "",
    }
    listed("EHRs", found, columns, lambda one: one.name, _shown, json=json)


def remove(
    name: Name,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
) -> None:
    """Forget an EHR that was added, and the tokens that it gave. What was gathered from it stays.

    Example:

    - `hilum ehr remove lake`
    """
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import out

    async def work(opened: Store, settings: Settings) -> None:
        connections = brokering(opened, settings).connections
        await connections.removable(name)
        await tell(opened, settings, "ehr", {"removed": name})
        await connections.remove(name)

    done({"store": store, "data": data, "environment": environment}, work)
    out(f"{name} is removed.")


def _secret(file: str) -> str:
    from hilum.problems import Invalid, Misconfigured

    try:
        text = sys.stdin.readline() if file == "-" else Path(file).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(f"The secret {file} can't be read.") from None
    if not text.strip():
        raise Invalid(f"There is no secret in {'the standard input' if file == '-' else file}.")
    return text.strip()


def _shown(one: Connection) -> dict[str, Any]:
    """What may be told of a connection: all but its secret."""
    import msgspec

    said = msgspec.to_builtins(one)
    said.pop("secret", None)
    return dict(said)
