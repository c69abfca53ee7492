"""`hilum destination`: the services that what was gathered is delivered to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hilum.cli import options

if TYPE_CHECKING:
    from hilum.access.seal import Seal
    from hilum.app.settings import Settings
    from hilum.broker.destinations import Destination, Destinations
    from hilum.store.interface import Store

destination = typer.Typer(
    name="destination",
    help="Name the services that what was gathered is delivered to, and replay what they did not get.\n\n"
    "See docs/how-to/deliver-to-a-service.md.\n\n"
    "Examples:\n\n"
    "- `hilum destination add video https://render.example.org/hilum`\n\n"
    "- `hilum destination rotate video`\n\n"
    "- `hilum destination replay video`",
    no_args_is_help=True,
)

_TOLD: Final = 20
"""Orders that the audit names of one replay."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name: letters a-z, digits and '-'.", show_default=False)]


@destination.command()
def add(
    name: Name,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="Where payloads are POSTed to, over https.", show_default=False)
    ],
    of: Annotated[
        str,
        typer.Option(
            "--for",
            help="It takes what comes from EHRs of this environment alone; without it, that of the data directory.",
            metavar="sandbox|production",
        ),
    ] = "",
    private: Annotated[
        bool, typer.Option("--private", help="Its host may have an address of your own network.")
    ] = False,
    secret_file: Annotated[
        Path | None,
        typer.Option(
            "--secret-file",
            help="A file with the secret that the receiver has already (whsec_...); without one, it is made.",
            metavar="FILE",
        ),
    ] = None,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Add a destination. The secret that its payloads are signed with is shown this once.

    It can be named in orders (`deliver_to`) at once, under a running `hilum serve`, too.

    Examples:

    - `hilum destination add video https://render.example.org/hilum --private`

    - `hilum destination add video https://render.example.org/hilum --secret-file video.secret`
    """
    import time

    from hilum.app.recording import owner
    from hilum.broker import destinations as places
    from hilum.broker.destinations import Destination
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import json_out, out, say
    from hilum.web import webhooks

    secret = places.new_secret() if secret_file is None else _secret(secret_file)

    async def work(opened: Store, settings: Settings) -> Destination:
        one = Destination(name, url, of or settings.environment, secret, private, owner())
        known = _known(opened, settings)
        await known.refuse(one)
        await tell(opened, settings, "destination", {"added": name, "url": url, "for": one.environment})
        await known.add(one, time.time())
        return one

    added = done({"store": store, "data": data, "environment": environment}, work)
    made = webhooks.shown(secret) if secret_file is None else ""
    if json:
        json_out(_shown(added) | ({"secret": made} if made else {}))
        return
    out(added.name)
    if made:
        say(f"secret, shown this once: {made}")


@destination.command("list")
def list_(
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """List the destinations, and how many dead letters each has: what it did not get, and can be replayed.

    Example:

    - `hilum destination list --json`
    """
    from hilum.broker.parcels import Parcels
    from hilum.cli.records import done
    from hilum.cli.terminal import listed

    async def work(opened: Store, settings: Settings) -> list[tuple[Destination, int]]:
        parcels = Parcels(opened.ledger, _seal(settings))
        return [(one, len(await parcels.dead(one.name))) for one in await _known(opened, settings).every()]

    found = done({"store": store, "data": data, "environment": environment}, work)
    columns: dict[str, Callable[[tuple[Destination, int]], str]] = {
        "name": lambda each: each[0].name,
        "environment": lambda each: each[0].environment,
        "url": lambda each: each[0].url,
        "added by": lambda each: each[0].origin,
        "dead letters": lambda each: str(each[1]),
    }

    def shown(each: tuple[Destination, int]) -> dict[str, Any]:
        return _shown(each[0]) | {"dead_letters": each[1]}

    listed("destinations", found, columns, lambda each: each[0].name, shown, json=json)


@destination.command()
def remove(
    name: Name,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Remove a destination. What was not delivered to it yet becomes a dead letter.

    Example:

    - `hilum destination remove video`
    """
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import json_out, out

    async def work(opened: Store, settings: Settings) -> None:
        known = _known(opened, settings)
        await known.changeable(name)
        await tell(opened, settings, "destination", {"removed": name})
        await known.remove(name)

    done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"name": name, "removed": True})
    else:
        out(f"{name} is removed.")


@destination.command()
def rotate(
    name: Name,
    overlap: Annotated[
        float,
        typer.Option(
            "--overlap",
            help="For how long deliveries are signed with the secret of before, too. 0: no more from now on, as where "
            "somebody else has seen it.",
            metavar="HOURS",
            min=0,
            max=720,
        ),
    ] = 24,
    secret_file: Annotated[
        Path | None,
        typer.Option(
            "--secret-file",
            help="A file with the secret that the receiver has already (whsec_...); without one, it is made.",
            metavar="FILE",
        ),
    ] = None,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Give a destination another secret, shown this once. Meanwhile deliveries carry two signatures, and either holds.

    A running `hilum serve` signs with it at once. One of `destinations.toml` gets it in its `secret_file`, above the
    one of before.

    Examples:

    - `hilum destination rotate video`

    - `hilum destination rotate video --overlap 0`
    """
    from hilum.broker import destinations as places
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import json_out, out, say
    from hilum.web import webhooks

    secret = places.new_secret() if secret_file is None else _secret(secret_file)

    async def work(opened: Store, settings: Settings) -> Destination:
        known = _known(opened, settings)
        await known.rotatable(name)
        await tell(opened, settings, "destination", {"rotated": name, "overlap": f"{overlap:g} h"})
        return await known.rotate(name, secret, overlap * 3600)

    rotated = done({"store": store, "data": data, "environment": environment}, work)
    made = webhooks.shown(secret) if secret_file is None else ""
    if json:
        json_out(_shown(rotated) | ({"secret": made} if made else {}))
        return
    out(rotated.name)
    if made:
        say(f"secret, shown this once: {made}")
    if rotated.former:
        say(f"The one of before signs beside it until {_moment(rotated.until)}.")


@destination.command()
def replay(
    name: Name,
    order: Annotated[
        list[str] | None,
        typer.Option("--order", help="Only this order, by the id of its Task. Give it again for more.", metavar="ID"),
    ] = None,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Have dead letters delivered again, by the running `hilum serve`: the same bytes, under the same key as before.

    Dead letters are kept for 30 days.

    Examples:

    - `hilum destination replay video`

    - `hilum destination replay video --order 0192f6c4-8f3e-7a10-b0c5-2f1d8a9e7b66`
    """
    from hilum.broker.parcels import Parcels
    from hilum.broker.replaying import replay as again
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import json_out, out
    from hilum.problems import NotFound

    async def work(opened: Store, settings: Settings) -> list[str]:
        parcels = Parcels(opened.ledger, _seal(settings))
        dead = {one.id: one for one in await parcels.dead(name)}
        wanted = list(dict.fromkeys(order or dead))
        if missing := [one for one in wanted if one not in dead]:
            raise NotFound(f"{missing[0][:64]!r} is no dead letter to {name[:64]!r}: it was delivered, or has expired.")
        if wanted:
            await tell(opened, settings, "destination", {"replayed": name, "orders": " ".join(wanted[:_TOLD])})
        return [one for one in wanted if await again(parcels, dead[one])]

    replayed = done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"destination": name, "replayed": replayed})
        return
    for one in replayed:
        out(one)


def _known(opened: Store, settings: Settings) -> Destinations:
    from hilum.broker.destinations import Destinations

    return Destinations(opened.ledger, _seal(settings), settings.data)


def _seal(settings: Settings) -> Seal:
    from hilum.access.keys import load_or_create
    from hilum.access.seal import Seal

    return Seal(load_or_create(settings.data, settings.environment))


def _secret(file: Path) -> bytes:
    from hilum.problems import Misconfigured
    from hilum.web.webhooks import decoded

    try:
        return decoded(file.read_text("utf-8"))
    except OSError as error:
        raise Misconfigured(f"The secret {file} can't be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"The secret {file} is no text.") from None


def _shown(one: Destination) -> dict[str, Any]:
    return {
        "name": one.name,
        "url": one.url,
        "environment": one.environment,
        "private": one.private,
        "origin": one.origin,
        "former_until": _moment(one.until) if one.until else None,
    }


def _moment(seconds: int) -> str:
    from hilum.fhir.resource import instant

    return instant(seconds * 1_000_000)
