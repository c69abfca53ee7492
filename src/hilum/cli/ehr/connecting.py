"""`hilum ehr add` and `change`: connections, as they are registered here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hilum.cli import options
from hilum.cli.ehr import fields
from hilum.cli.ehr.listing import shown
from hilum.cli.ehr.opening import Name, brokering

if TYPE_CHECKING:
    from hilum.app.settings import Settings
    from hilum.broker.connection import Connection
    from hilum.store.interface import Store


def add(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name: letters a-z, digits and '-'.", show_default=False)
    ],
    base: Annotated[str, fields.BASE],
    client_id: Annotated[str, fields.CLIENT_ID],
    vendor: Annotated[str, fields.VENDOR] = "plain",
    scopes: Annotated[str, fields.SCOPES] = "",
    user_scopes: Annotated[str, fields.USER_SCOPES] = "",
    public: Annotated[bool, fields.PUBLIC] = False,
    secret_file: Annotated[str, fields.SECRET_FILE] = "",
    secret_post: Annotated[bool, fields.SECRET_POST] = False,
    alg: Annotated[str, fields.ALG] = "RS384",
    issuer: Annotated[str, fields.ISSUER] = "",
    mrn_system: Annotated[str, fields.MRN_SYSTEM] = "",
    recipe: Annotated[list[str] | None, fields.RECIPE] = None,
    title: Annotated[str, fields.TITLE] = "",
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Connect an EHR. It belongs to the environment of the data directory, which is made where there is none yet.

    hilum signs with its client key (`hilum keys new --use ehr`), unless the EHR has given it a secret.

    Examples:

    - `hilum ehr add lake --vendor epic --base https://ehr.example.org/R4 --client-id 3f2a --scopes 'system/Patient.rs'`

    - `hilum ehr add sea --base https://sea.example.org/r4 --client-id sea --public --user-scopes 'launch patient/*.rs'`
    """
    from hilum.app.recording import owner
    from hilum.broker import rules
    from hilum.broker.connection import EVERY, Connection
    from hilum.cli.records import done
    from hilum.cli.terminal import json_out, out, say
    from hilum.problems import Invalid

    if public and (secret_file or secret_post):
        raise Invalid("A public client has no secret: give --public or --secret-file.")
    if secret_post and not secret_file:
        raise Invalid("Name the file with the secret, too: --secret-file.")
    wishes = fields.asked(scopes, user_scopes)
    secret = fields.secret(secret_file)
    basic, post = rules.SECRET

    async def work(opened: Store, settings: Settings) -> Connection:
        connections = brokering(opened, settings).connections
        connection = Connection(
            name=name,
            environment=settings.environment,
            vendor=vendor,
            base=base.rstrip("/"),
            client_id=client_id,
            method="none" if public else (post if secret_post else basic) if secret else rules.KEYS,
            recipes=tuple(recipe or (EVERY,)),
            issuer=issuer,
            title=title,
            alg=alg,
            mrn_system=mrn_system,
            origin=owner(),
            **wishes,
        )
        connections.judge(connection, secret)
        await _tell(opened, settings, "added", connection)
        return await connections.add(connection, secret)

    added = done({"store": store, "data": data, "environment": environment}, work, begins=True)
    if json:
        json_out(shown(added))
    else:
        out(added.name)
        say(f"Added to the {added.environment}. Try it: hilum ehr check {added.name}")


def change(
    name: Name,
    base: Annotated[str | None, fields.BASE] = None,
    client_id: Annotated[str | None, fields.CLIENT_ID] = None,
    vendor: Annotated[str | None, fields.VENDOR] = None,
    scopes: Annotated[str | None, fields.SCOPES] = None,
    user_scopes: Annotated[str | None, fields.USER_SCOPES] = None,
    public: Annotated[bool, fields.PUBLIC] = False,
    secret_file: Annotated[str, fields.SECRET_FILE] = "",
    secret_post: Annotated[bool, fields.SECRET_POST] = False,
    keys: Annotated[
        bool, typer.Option("--keys", help="hilum signs with its client key, in place of a secret or of nothing.")
    ] = False,
    alg: Annotated[str | None, fields.ALG] = None,
    issuer: Annotated[str | None, fields.ISSUER] = None,
    mrn_system: Annotated[str | None, fields.MRN_SYSTEM] = None,
    recipe: Annotated[list[str] | None, fields.RECIPE] = None,
    title: Annotated[str | None, fields.TITLE] = None,
    disabled: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Whether nothing uses it, or it can be used again.")
    ] = None,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Change a connection that was added here. What is not given stays as it is; an empty text takes it away.

    Tokens of before are not used any more where base, client or scopes change. A secret stays with the base that it was
    given for. A connection of `ehrs.toml` is changed there.

    Examples:

    - `hilum ehr change lake --client-id 77c1 --scopes 'system/Patient.rs system/Encounter.rs'`

    - `hilum ehr change lake --disable`
    """
    from msgspec import structs

    from hilum.app.recording import owner
    from hilum.cli.records import done
    from hilum.cli.terminal import json_out, out, say
    from hilum.problems import Invalid

    if public + keys + bool(secret_file or secret_post) > 1:
        raise Invalid("hilum proves in one way who it is: give --public, --keys, or a secret.")
    given = {
        "base": base,
        "client_id": client_id,
        "vendor": vendor,
        "alg": alg,
        "issuer": issuer,
        "mrn_system": mrn_system,
        "title": title,
        "recipes": tuple(recipe) if recipe else None,
        "disabled": disabled,
    }
    news = {key: value for key, value in given.items() if value is not None}
    if not (news or scopes is not None or user_scopes is not None or public or keys or secret_file or secret_post):
        raise Invalid("Say what is to be changed. `hilum ehr change --help` lists what can be.")
    secret = fields.secret(secret_file)

    async def work(opened: Store, settings: Settings) -> Connection:
        connections = brokering(opened, settings).connections
        before = await connections.get(name)
        wishes: dict[str, Any] = {**news, "origin": owner()}
        if scopes is not None or user_scopes is not None:
            wishes |= fields.asked(
                before.system_scopes if scopes is None else scopes,
                before.user_scopes if user_scopes is None else user_scopes,
            )
        wishes["method"] = _method(before.method, public=public, keys=keys, secret=bool(secret), post=secret_post)
        connection = structs.replace(before, **wishes)
        await connections.replaceable(connection, secret, before)
        await _tell(opened, settings, "changed", connection)
        return await connections.replace(connection, secret, before)

    changed = done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out(shown(changed))
    else:
        out(changed.name)
        say("Changed. Nothing uses it now." if changed.disabled else f"Changed. Try it: hilum ehr check {name}")


def _method(before: str, *, public: bool, keys: bool, secret: bool, post: bool) -> str:
    """How hilum proves who it is from now on. Raises Invalid."""
    from hilum.broker import rules
    from hilum.problems import Invalid

    by_basic, by_post = rules.SECRET
    if public or keys:
        return "none" if public else rules.KEYS
    if post:
        if not secret and before not in rules.SECRET:
            raise Invalid("Name the file with the secret, too: --secret-file.")
        return by_post
    return by_basic if secret and before not in rules.SECRET else before


async def _tell(opened: Store, settings: Settings, what: str, connection: Connection) -> None:
    """Audit it before it is done."""
    from hilum.cli.records import tell

    about = {what: connection.name, "base": connection.base, "scope": connection.system_scopes}
    await tell(opened, settings, "ehr", about)
