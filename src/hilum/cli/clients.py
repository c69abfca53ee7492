"""`hilum clients`: the apps that may ask for tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hilum.cli import options

if TYPE_CHECKING:
    from hilum.app.settings import Settings
    from hilum.smart.apps.clients import Registered
    from hilum.store.interface import Store

clients = typer.Typer(
    name="clients",
    help="Register apps and services, list them, shut them out.\n\n"
    "What changes holds under a running `hilum serve` within five seconds.\n\n"
    "Examples:\n\n"
    "- `hilum clients add 'Growth Chart' --public --redirect https://app.example.org/callback "
    "--scopes 'launch/patient patient/*.rs'`\n\n"
    "- `hilum clients add Nightly --jwks keys.json --scopes 'system/*.rs'`",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The client id.", show_default=False)]


@clients.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people read on the pages.", show_default=False)],
    scopes: Annotated[
        str, typer.Option("--scopes", help="The scopes that it may ask for, separated by spaces.", metavar="SCOPES")
    ],
    redirect: Annotated[
        list[str] | None,
        typer.Option("--redirect", help="Where it gets the code, exactly. Give it again for more.", metavar="URL"),
    ] = None,
    launch: Annotated[
        list[str] | None,
        typer.Option("--launch", help="Where hilum launches it from a record. Give it again for more.", metavar="URL"),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="It can keep no secret: it runs in a browser or on a phone. The default.")
    ] = False,
    secret: Annotated[
        bool, typer.Option("--secret", help="It gets a secret, which it sends by HTTP Basic (client_secret_basic).")
    ] = False,
    secret_post: Annotated[
        bool, typer.Option("--secret-post", help="It gets a secret, which it sends in the form (client_secret_post).")
    ] = False,
    jwks: Annotated[
        Path | None,
        typer.Option(
            "--jwks",
            help="It signs with a key of its own (private_key_jwt): a file with the public keys, as a JWK Set.",
            metavar="FILE",
        ),
    ] = None,
    jwks_url: Annotated[
        str, typer.Option("--jwks-url", help="The same, its JWK Set being fetched from there.", metavar="URL")
    ] = "",
    trusted: Annotated[
        bool, typer.Option("--trusted", help="The organization has checked it: staff is not asked for consent.")
    ] = False,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            "--origin",
            help="An origin of web pages of it beside those of its redirects (CORS). Give it again for more.",
            metavar="ORIGIN",
        ),
    ] = None,
    state_code: Annotated[
        list[str] | None,
        typer.Option(
            "--state-code",
            help="A code, `system|code`, of the app state that is its own. Give it again for more.",
            metavar="CODE",
        ),
    ] = None,
    contact: Annotated[
        list[str] | None,
        typer.Option("--contact", help="Who runs it, as people read it. Give it again for more.", metavar="TEXT"),
    ] = None,
    api_key: Annotated[
        bool,
        typer.Option("--api-key", help="Its requests need a key of its own beside the token: in the header X-API-Key."),
    ] = False,
    id: Annotated[str, typer.Option("--id", help="Its client id; without one it gets a UUID.", metavar="ID")] = "",
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Register an app or a service. A secret and an API key are shown this once.

    An app that people sign in for has redirect URLs. A backend service has keys (`--jwks`, `--jwks-url`), no redirect,
    and `system/` scopes.

    Examples:

    - `hilum clients add 'Growth Chart' --redirect https://app.example.org/cb --scopes 'launch/patient patient/*.rs'`

    - `hilum clients add Nightly --jwks-url https://nightly.example.org/jwks.json --scopes 'system/*.rs'`
    """
    import time

    from hilum.app.recording import owner
    from hilum.cli.records import done, tell
    from hilum.oauth.ledger import Client
    from hilum.problems import Invalid
    from hilum.smart.apps import clients as apps

    ways = [way for way, given in _ways(public, secret, secret_post, jwks, jwks_url) if given] or [apps.PUBLIC]
    if len(ways) > 1:
        raise Invalid("Choose one of --public, --secret, --secret-post, --jwks and --jwks-url.")
    apps.understood(scopes)
    made = apps.secret() if ways[0] in apps.SECRET else ("", "")
    made_key = apps.secret() if api_key else ("", "")
    client = Client(
        name=name,
        method=ways[0],
        scopes=" ".join(scopes.split()),
        grants=apps.grants(redirects=bool(redirect), keys=ways[0] == apps.KEYS),
        redirects=tuple(redirect or ()),
        launches=tuple(launch or ()),
        origins=tuple(origin or ()),
        secret=made[1],
        jwks=_keys(jwks) if jwks else None,
        jwks_uri=jwks_url,
        trusted=trusted,
        contacts=tuple(contact or ()),
        state_codes=tuple(state_code or ()),
        api_key=made_key[1],
        by=owner(),
        created=int(time.time()),
    )

    async def work(opened: Store, settings: Settings) -> Registered:
        sandbox = settings.environment == "sandbox"
        apps.check(client, sandbox=sandbox)
        chosen = apps.new_id(id)
        if await apps.get(opened.ledger, chosen) is not None:
            raise apps.taken(chosen)
        await tell(opened, settings, "client", {"added": chosen, "scope": client.scopes})
        return await apps.add(opened.ledger, client, chosen, sandbox=sandbox)

    added = done({"store": store, "data": data, "environment": environment}, work)
    _tell(added, {"client_secret": made[0], "api_key": made_key[0]}, json)


@clients.command("list")
def list_(
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """List the apps and services: id, name, how they authenticate, what they are registered for.

    Example:

    - `hilum clients list --json`
    """
    from hilum.cli.records import done
    from hilum.cli.terminal import listed
    from hilum.smart.apps import clients as apps

    async def work(opened: Store, settings: Settings) -> list[Registered]:
        return [client async for client in apps.every(opened.ledger)]

    found = done({"store": store, "data": data, "environment": environment}, work)
    columns: dict[str, Callable[[Registered], str]] = {
        "id": lambda one: one.id,
        "name": lambda one: one.client.name,
        "method": lambda one: one.client.method,
        "scopes": lambda one: one.client.scopes,
        "": _state,
    }
    listed("clients", found, columns, lambda one: one.id, _shown, json=json)


@clients.command()
def show(
    id: Id,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
) -> None:
    """Show what an app is registered with, as JSON.

    Example:

    - `hilum clients show growth-chart`
    """
    from hilum.cli.records import done
    from hilum.cli.terminal import json_out
    from hilum.smart.apps import clients as apps

    async def work(opened: Store, settings: Settings) -> Registered:
        return _found(await apps.get(opened.ledger, id), id)

    json_out(_shown(done({"store": store, "data": data, "environment": environment}, work)))


@clients.command()
def renew(
    id: Id,
    secret: Annotated[bool, typer.Option("--secret", help="Another secret; the one before holds no longer.")] = False,
    api_key: Annotated[
        bool,
        typer.Option("--api-key", help="Another API key, or its first: requests without it are refused from then on."),
    ] = False,
    no_api_key: Annotated[bool, typer.Option("--no-api-key", help="No API key is asked of it any more.")] = False,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Give an app another secret or API key, shown this once. Its tokens hold on; what it has to send changes.

    It holds under a running `hilum serve` within five seconds.

    Examples:

    - `hilum clients renew nightly --secret`

    - `hilum clients renew growth-chart --api-key` switches the second factor on, `--no-api-key` off.
    """
    import time

    import msgspec

    from hilum.cli.records import done, tell
    from hilum.problems import Invalid
    from hilum.smart.apps import clients as apps

    if not (secret or api_key or no_api_key) or (api_key and no_api_key):
        raise Invalid("Say what to renew: --secret, and --api-key or --no-api-key.")
    made = apps.secret() if secret else ("", "")
    made_key = apps.secret() if api_key else ("", "")

    async def work(opened: Store, settings: Settings) -> Registered:
        found = _found(await apps.get(opened.ledger, id), id)
        client = found.client
        if found.revoked:
            raise Invalid(f"The client {id!r} was revoked, which is for good. Register it anew: hilum clients add.")
        if secret and client.method not in apps.SECRET:
            raise Invalid(f"The client {id!r} has no secret: it authenticates by {client.method}.")
        what = (("secret", secret), ("api key", api_key), ("no api key", no_api_key))
        await tell(opened, settings, "client", {"client": id, "changed": ", ".join(one for one, done in what if done)})
        new = msgspec.structs.replace(
            client,
            secret=made[1] or client.secret,
            api_key=made_key[1] if api_key or no_api_key else client.api_key,
        )
        return await apps.change(opened.ledger, found, new, time.time(), sandbox=settings.environment == "sandbox")

    renewed = done({"store": store, "data": data, "environment": environment}, work)
    _tell(renewed, {"client_secret": made[0], "api_key": made_key[0]}, json)


@clients.command()
def revoke(
    id: Id,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Shut an app out for good: it gets no tokens, and those that it has are void within five seconds.

    Example:

    - `hilum clients revoke growth-chart`
    """
    import time

    from hilum.cli.records import done, tell
    from hilum.cli.terminal import json_out, out
    from hilum.smart.apps import clients as apps

    async def work(opened: Store, settings: Settings) -> Registered:
        found = _found(await apps.get(opened.ledger, id), id)
        if not found.revoked:
            await tell(opened, settings, "client", {"revoked": id})
            await apps.revoke(opened.ledger, found, time.time())
        return found

    found = done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out(_shown(found) | {"revoked": True})
    else:
        out(f"{id} is revoked.")


@clients.command()
def invite(
    scopes: Annotated[
        str,
        typer.Option("--scopes", help="The most that such a client may register for.", metavar="SCOPES"),
    ] = "openid fhirUser launch launch/patient launch/encounter online_access offline_access patient/*.rs",
    uses: Annotated[int, typer.Option("--uses", help="How many clients may register with it.", min=1, max=1000)] = 1,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Make a token with which an app can register itself (RFC 7591) within seven days.

    Example:

    - `hilum clients invite --scopes 'launch/patient patient/*.rs'`
    """
    import time

    from hilum.app.recording import owner
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import json_out, out
    from hilum.smart.apps import clients as apps
    from hilum.smart.apps import invitations

    apps.understood(scopes)

    async def work(opened: Store, settings: Settings) -> str:
        await tell(opened, settings, "register", {"invited": str(uses), "scope": scopes})
        return await invitations.make(opened.ledger, " ".join(scopes.split()), uses, owner(), time.time())

    token = done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"initial_access_token": token, "scope": scopes, "uses": uses, "expires_in": invitations.SECONDS})
    else:
        out(token)


def _ways(
    public: bool, secret: bool, secret_post: bool, jwks: Path | None, jwks_url: str
) -> tuple[tuple[str, bool], ...]:
    from hilum.smart.apps import clients as apps

    basic, post = apps.SECRET
    return (
        (apps.PUBLIC, public),
        (basic, secret),
        (post, secret_post),
        (apps.KEYS, jwks is not None),
        (apps.KEYS, bool(jwks_url)),
    )


def _keys(file: Path) -> dict[str, Any]:
    import msgspec

    from hilum.problems import Invalid, Misconfigured

    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise Misconfigured(f"The keys {file} can't be read: {error.strerror}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Invalid(f"{file} is no JWK Set: a JSON object with a list of `keys`.") from None


def _found(client: Registered | None, id: str) -> Registered:
    from hilum.problems import NotFound

    if client is None:
        raise NotFound(f"There is no client {id[:128]!r}. `hilum clients list` shows those that there are.")
    return client


def _state(one: Registered) -> str:
    return "revoked" if one.revoked else "disabled" if one.client.disabled else ""


def _shown(one: Registered) -> dict[str, Any]:
    """What may be told of a client: all but digests of its secrets."""
    import msgspec

    said = msgspec.to_builtins(one.client)
    for name in ("secret", "api_key", "registration"):
        said.pop(name, None)
    return {"client_id": one.id, **said, "revoked": one.revoked}


def _tell(one: Registered, secrets: dict[str, str], json: bool) -> None:
    """Print a client; and the secrets that were made for it, this once."""
    from hilum.cli.terminal import json_out, out, say

    shown = {name: secret for name, secret in secrets.items() if secret}
    if json:
        json_out(_shown(one) | shown)
        return
    out(one.id)
    for name, secret in shown.items():
        say(f"{name}, shown this once: {secret}")
