"""`hilum keys new`, `export` and `drop`: the keys by which hilum proves to EHRs who it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hilum.cli import options

if TYPE_CHECKING:
    from hilum.app.settings import Settings
    from hilum.broker.keys import ClientKey, ClientKeys
    from hilum.broker.pairs import Pair
    from hilum.store.interface import Store

USE = "ehr"

Use = Annotated[str, typer.Option("--use", help="`ehr`: keys for signing in to EHRs.", metavar="USE")]
Alg = Annotated[
    str,
    typer.Option(
        "--alg", help="RS384 (RSA) or ES384 (P-384): what the EHR takes, which is one of them at least.", metavar="ALG"
    ),
]
Wait = Annotated[
    int | None,
    typer.Option(
        "--wait",
        help="Hours for which a client key that follows another is published before it signs, and for which the one "
        "before stays after: as long as the EHR, or whoever uploads the file there, needs. Without it, 24.",
        metavar="HOURS",
        min=0,
        max=24 * 90,
        show_default=False,
    ),
]
WAIT = 24


def new(
    use: Use = USE,
    alg: Alg = "RS384",
    file: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Bring in a key that was made elsewhere: a PEM file (PKCS#8, PKCS#1 or SEC 1), in which its X.509 "
            "certificate may stand, too. `-` is standard input.",
            metavar="FILE",
        ),
    ] = None,
    variable: Annotated[
        str | None,
        typer.Option(
            "--from-env",
            help="The same from a variable of the environment, in which `\\n` may stand for the ends of lines.",
            metavar="NAME",
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", help="The X.509 certificate of that key, as PEM: it must match.", metavar="FILE"),
    ] = None,
    passphrase_file: Annotated[
        str | None,
        typer.Option(
            "--passphrase-file",
            help="Take the passphrase of that key from the first line of a file; `-` is standard input.",
            metavar="FILE",
        ),
    ] = None,
    wait: Wait = None,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Make the first key for signing in to EHRs, or bring one in. Its private half stays here, sealed.

    The first key for an algorithm signs at once. One that is brought in where there is one already follows it as in
    `hilum keys rotate --use ehr`. The data directory is made where there is none yet.

    Examples:

    - `hilum keys new --use ehr`

    - `hilum keys new --use ehr --from privatekey.pem --certificate publickey509.pem`

    - `hilum keys new --use ehr --from-env EPIC_PRIVATE_KEY` where a container gets it as one line.
    """
    from hilum.cli.records import done, tell
    from hilum.problems import Invalid

    if use != USE:
        raise Invalid(f"Keys for {use[:32]!r} are made by `hilum serve` when it starts; here, keys for {USE!r} are.")
    if file is None and variable is None and (certificate or passphrase_file):
        raise Invalid("A certificate or a passphrase is of a key that --from or --from-env brings in: name it, too.")
    if file is not None and variable is not None:
        raise Invalid("A key comes from a file or from a variable, not from both: choose --from or --from-env.")
    if "-" in (file, passphrase_file) and file == passphrase_file:
        raise Invalid("Standard input can't be both the key and its passphrase: give one of them as a file.")
    brought = _brought(file, variable, certificate, passphrase_file) if file or variable else None

    async def work(opened: Store, settings: Settings) -> tuple[ClientKey, str]:
        alg_ = brought.alg if brought else alg
        await tell(opened, settings, "key", {"brought" if brought else "made": USE, "alg": alg_})
        keys = client_keys(opened, settings)
        made = await keys.import_(brought, wait=_seconds(wait)) if brought else await keys.new(alg)
        return made, published_at(settings)

    flags = {"store": store, "data": data, "environment": environment}
    say_made(*done(flags, work, begins=True), json=json)


def export(
    kid: Annotated[
        str, typer.Argument(metavar="[KID]", help="Which key; without it the newest of --alg.", show_default=False)
    ] = "",
    use: Use = USE,
    alg: Annotated[
        str,
        typer.Option(
            "--alg",
            help="RS384 or ES384; without it RS384, where there is such a key.",
            metavar="ALG",
            show_default=False,
        ),
    ] = "",
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="`pem`, `x509` (a certificate as PEM), `jwk`, or `jwks` with all keys that are published.",
            metavar="FORMAT",
        ),
    ] = "pem",
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
) -> None:
    """Write the public half of a key, for portals that want a file. A private half is never written.

    Examples:

    - `hilum keys export --use ehr --format x509 > publickey509.pem`

    - `hilum keys export --use ehr --format jwks`
    """
    from hilum.cli.records import done
    from hilum.cli.terminal import out
    from hilum.problems import Invalid

    if use != USE:
        raise Invalid(f"Keys for {use[:32]!r} are read at /.well-known/jwks.json; here, keys for {USE!r} are written.")

    async def work(opened: Store, settings: Settings) -> str:
        return await client_keys(opened, settings).export(form, alg=alg, kid=kid)

    out(done({"store": store, "data": data, "environment": environment}, work).removesuffix("\n"))


def drop(
    kid: Annotated[str, typer.Argument(metavar="KID", help="Which key.", show_default=False)],
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Take a key for signing in to EHRs out of the published set now, and forget its private half.

    The newest that is left signs on: so a rotation is taken back by dropping the key that it made.

    Example:

    - `hilum keys drop XBCe9OIMKzk8dUrAEFVGMP3LKyFKOhvjOgo4YSLFESY`
    """
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import json_out, out

    async def work(opened: Store, settings: Settings) -> ClientKey:
        await tell(opened, settings, "key", {"dropped": USE, "kid": kid[:64]})
        return await client_keys(opened, settings).drop(kid)

    gone = done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"dropped": gone.kid})
    else:
        out(f"{USE} {gone.kid} is dropped")


def rotating(
    alg: str, wait: int | None, at_once: bool
) -> Callable[[Store, Settings], Awaitable[tuple[ClientKey, str]]]:
    """What `hilum keys rotate --use ehr` does with a store. Raises Invalid where one option says no to the other."""
    from hilum.problems import Invalid

    if at_once and wait is not None:
        raise Invalid(
            "--at-once drops the keys of before now, so there is nothing to --wait for: leave one of the two out."
        )

    async def work(opened: Store, settings: Settings) -> tuple[ClientKey, str]:
        from hilum.cli.records import tell

        about = {"rotated": USE, "alg": alg[:32]} | ({"at_once": "true"} if at_once else {})
        await tell(opened, settings, "key", about)
        made = await client_keys(opened, settings).rotate(alg, wait=_seconds(wait), at_once=at_once)
        return made, published_at(settings)

    return work


def client_keys(opened: Store, settings: Settings) -> ClientKeys:
    """The client keys of this environment. Raises Misconfigured where there is no root key."""
    from hilum.access.keys import load, path
    from hilum.access.seal import Seal
    from hilum.broker.keys import ClientKeys

    root = load(path(settings.data, settings.environment), settings.environment)
    return ClientKeys(opened.ledger, Seal(root), settings.environment)


def published_at(settings: Settings) -> str:
    """The URL to register at an EHR."""
    from hilum.app.data import served_at
    from hilum.broker.keys import jwks_path

    return served_at(settings).removesuffix("/fhir") + jwks_path(settings.environment)


def say_made(made: ClientKey, url: str, *, json: bool) -> None:
    """Print a key that was made or brought in, and where its set is published."""
    from hilum.cli.terminal import json_out, out, say

    one = shown(made)
    if json:
        json_out(one | {"jwks_uri": url})
        return
    out(f"{USE} {made.alg} {made.kid} signs from {one['begins'] if made.state == 'published' else 'now on'}")
    say(f"Its public half is published at {url}; `hilum keys export --use {USE} {made.kid}` writes it as a file.")


def shown(key: ClientKey) -> dict[str, Any]:
    """A key as `hilum keys list --json` has it."""
    return {
        "use": USE,
        "generation": key.generation,
        "alg": key.alg,
        "kid": key.kid,
        "begins": moment(key.begins),
        "until": moment(key.until),
        "state": key.state,
    }


def moment(seconds: float | None) -> str | None:
    """A point in time as it is printed."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None


def _seconds(wait: int | None) -> int:
    return 3600 * (WAIT if wait is None else wait)


def _brought(file: str | None, variable: str | None, certificate: Path | None, passphrase_file: str | None) -> Pair:
    import os
    import time

    from hilum.broker import pairs
    from hilum.problems import Misconfigured

    if variable is not None and variable not in os.environ:
        raise Misconfigured(f"There is no variable {variable!r} in the environment of this command.")
    text = os.environ[variable] if variable is not None else _text(str(file))
    if certificate is not None:
        text += "\n" + _text(str(certificate))
    passphrase = _text(passphrase_file).partition("\n")[0].rstrip("\r") if passphrase_file else ""
    return pairs.read(text, passphrase, now=time.time())


def _text(file: str) -> str:
    """What the file says. Raises Misconfigured when it can't be read."""
    import sys

    from hilum.problems import Misconfigured

    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Misconfigured(f"{file} can't be read: {error.strerror}.") from None
    return raw.decode("utf-8", "replace")
