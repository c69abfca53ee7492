"""`hilum videos`: what was made, and what became of it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hilum.cli import options
from hilum.cli.gather import WAIT, Wait
from hilum.cli.records import at_the_desk

if TYPE_CHECKING:
    from hilum.access.policy import Principal
    from hilum.app.desk import Desk
    from hilum.video.links import Standing

videos = typer.Typer(
    name="videos",
    help="Look at videos, wait for one, approve or reject one, and give it to the patient by links.\n\n"
    "They are asked for by `hilum video`, and by the API.\n\n"
    "Examples:\n\n"
    "- `hilum videos list`\n\n"
    "- `hilum videos approve 0192f6c4-8f3e-7a10-b0c5-2f1d8a9e7b66`",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The video: the id of its Task.", show_default=False)]


@videos.command("list")
def list_(
    most: Annotated[int, typer.Option("--most", help="How many at most.", min=1, max=100)] = 20,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """List videos, the last changed first: when they were asked for, by which template, and how they are.

    What the record has left behind is `outdated`: a running `hilum serve` sees that and marks it.

    Example:

    - `hilum videos list --json`
    """
    import msgspec

    from hilum.cli.filming import COLUMNS
    from hilum.cli.terminal import listed
    from hilum.video.videos import Listed

    async def work(here: Desk) -> Listed:
        return await here.filmed.videos.list(here.who, most)

    found = at_the_desk({"store": store, "data": data, "environment": environment}, work).videos
    listed("videos", found, COLUMNS, lambda one: one.id, msgspec.to_builtins, json=json)


@videos.command()
def show(
    id: Id,
    out: Annotated[Path | None, typer.Option("--out", help="Write the video here.", metavar="FILE")] = None,
    captions: Annotated[
        Path | None, typer.Option("--captions", help="Write its captions (WebVTT) here.", metavar="FILE")
    ] = None,
    transcript: Annotated[
        Path | None, typer.Option("--transcript", help="Write its transcript here.", metavar="FILE")
    ] = None,
    poster: Annotated[Path | None, typer.Option("--poster", help="Write its poster here.", metavar="FILE")] = None,
    script: Annotated[
        Path | None, typer.Option("--script", help="Write its script (JSON) here, with all sources.", metavar="FILE")
    ] = None,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """How a video is; and its files, where they are wanted. Exit status: 0 it is made; 1 it failed; 3 it is not over.

    Example:

    - `hilum videos show 0192f6c4-8f3e-7a10-b0c5-2f1d8a9e7b66 --out visit.webm --captions visit.vtt`
    """
    import msgspec

    from hilum.cli.filming import kept, shown, status
    from hilum.cli.terminal import json_out
    from hilum.video.told import Told

    paths = {"video": out, "captions": captions, "transcript": transcript, "poster": poster, "script": script}

    async def work(here: Desk) -> Told:
        for name, path in paths.items():
            if path is not None:
                await kept(here, id, path, name)
        return await here.filmed.videos.get(here.who, id)

    one = at_the_desk({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out(msgspec.to_builtins(one))
    else:
        shown(one)
    sys.exit(status(one))


@videos.command()
def watch(
    id: Id,
    wait: Wait = WAIT,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    ffmpeg: options.Ffmpeg = None,
    allow_private_keys: options.AllowPrivateKeys = None,
    json: options.Json = False,
) -> None:
    """Wait until a video is made, going on with it where no `hilum serve` does. Exit status as `hilum videos show`.

    Example:

    - `hilum videos watch 0192f6c4-8f3e-7a10-b0c5-2f1d8a9e7b66`
    """
    from hilum.cli.filming import filmed, tell
    from hilum.video.told import Told

    async def work(here: Desk) -> tuple[Told, str]:
        return await filmed(here, id, wait), here.door.base.removesuffix("/fhir")

    flags = {"store": store, "data": data, "environment": environment, "ffmpeg": ffmpeg}
    made, origin = at_the_desk(flags | {"allow_private_keys": allow_private_keys}, work)
    sys.exit(tell(made, origin, json=json))


@videos.command()
def approve(
    id: Id,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Let a video go to the patient. It is recorded who approved which script: you, by the operating system's name.

    Example:

    - `hilum videos approve 0192f6c4-8f3e-7a10-b0c5-2f1d8a9e7b66`
    """
    _decide("approve", id, {"store": store, "data": data, "environment": environment}, json=json)


@videos.command()
def reject(
    id: Id,
    reason: Annotated[
        str,
        typer.Option(
            "--reason",
            metavar="TEXT",
            help="Why, for those who work here. It stands on the Task, and in the audit: do not name the patient.",
            show_default=False,
        ),
    ] = "",
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Keep a video from the patient: its draft is deleted.

    Example:

    - `hilum videos reject 0192f6c4-8f3e-7a10-b0c5-2f1d8a9e7b66 --reason "The drug was changed yesterday."`
    """
    _decide("reject", id, {"store": store, "data": data, "environment": environment}, json=json, reason=reason)


@videos.command()
def cancel(
    id: Id,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Do nothing more of a video, and delete what is held of it.

    Example:

    - `hilum videos cancel 0192f6c4-8f3e-7a10-b0c5-2f1d8a9e7b66`
    """
    _decide("cancel", id, {"store": store, "data": data, "environment": environment}, json=json)


def _decide(what: str, id: str, flags: dict[str, str | None], *, json: bool, reason: str = "") -> None:
    import msgspec

    from hilum.cli.filming import cleared
    from hilum.cli.terminal import json_out, out
    from hilum.video.told import Told

    async def work(here: Desk) -> Told:
        ways: dict[str, Callable[[Principal, str], Awaitable[Told]]] = {
            "approve": here.filmed.videos.deciding.approve,
            "reject": partial(here.filmed.videos.deciding.reject, reason=reason),
            "cancel": here.filmed.videos.cancel,
        }
        one = await ways[what](here.who, id)
        if what == "cancel":
            await cleared(here, id)
        return one

    one = at_the_desk(flags, work)
    if json:
        json_out(msgspec.to_builtins(one))
    else:
        out(f"{id} is {one.step if what != 'cancel' else 'cancelled'}.")


@videos.command()
def link(
    id: Id,
    days: Annotated[float, typer.Option("--days", help="How long it holds.", min=0.001, max=90)] = 7,
    proof: Annotated[
        str,
        typer.Option("--proof", help="How the patient proves who they are: five tries.", metavar="birth-date|sign-in"),
    ] = "birth-date",
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    base_url: options.BaseUrl = None,
    json: options.Json = False,
) -> None:
    """Make a link that leads the patient to an approved video; its address is shown this once.

    Example:

    - `hilum videos link 0192f6c4-8f3e-7a10-b0c5-2f1d8a9e7b66 --days 14`
    """
    from hilum.cli.terminal import json_out, out, say
    from hilum.fhir.resource import instant
    from hilum.problems import Invalid
    from hilum.video.links import PROOFS

    if proof not in PROOFS:
        raise Invalid(f"--proof must be one of {', '.join(PROOFS)}.")

    async def work(here: Desk) -> tuple[str, Standing]:
        return await here.filmed.videos.giving.link(here.who, id, int(days * 86_400), PROOFS[proof])

    flags = {"store": store, "data": data, "environment": environment, "base_url": base_url}
    url, standing = at_the_desk(flags, work)
    if json:
        json_out({"url": url, "id": standing.id, "expires": instant(standing.expires)})
        return
    out(url)
    until = instant(standing.expires)[:16].replace("T", " ")
    say(f"Holds until {until}. `hilum videos revoke {id} {standing.id}` ends it.")


@videos.command()
def links(
    id: Id,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """List the links to a video: until when they hold, and how often they were followed.

    Example:

    - `hilum videos links 0192f6c4-8f3e-7a10-b0c5-2f1d8a9e7b66`
    """
    from hilum.cli.terminal import listed
    from hilum.fhir.resource import instant

    async def work(here: Desk) -> list[Standing]:
        return await here.filmed.videos.giving.links(here.who, id)

    found = at_the_desk({"store": store, "data": data, "environment": environment}, work)
    columns: dict[str, Callable[[Standing], str]] = {
        "id": lambda one: one.id,
        "until": lambda one: instant(one.expires)[:16].replace("T", " "),
        "is": _is,
        "watched": lambda one: str(one.link.watched),
    }

    def shown(one: Standing) -> dict[str, Any]:
        return {
            "id": one.id,
            "expires": instant(one.expires),
            "open": one.open,
            "outdated": one.outdated,
            "watched": one.link.watched,
        }

    listed("links", found, columns, lambda one: one.id, shown, json=json)


def _is(one: Standing) -> str:
    """How a link is."""
    if not one.open:
        return "ended"
    return "outdated" if one.outdated else "open"


@videos.command()
def revoke(
    id: Id,
    name: Annotated[str, typer.Argument(metavar="LINK", help="The link: see `hilum videos links`.")],
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """End a link at once, also for who watches by it now.

    Example:

    - `hilum videos revoke 0192f6c4-8f3e-7a10-b0c5-2f1d8a9e7b66 9b1deb4d3b7d4bad9bdd2b0d`
    """
    from hilum.cli.terminal import json_out, out

    async def work(here: Desk) -> None:
        await here.filmed.videos.giving.revoke(here.who, id, name)

    at_the_desk({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"id": name, "revoked": True})
    else:
        out(f"The link {name} is revoked.")
