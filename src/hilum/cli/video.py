"""`hilum video`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli import options
from hilum.cli.gather import WAIT, Wait

if TYPE_CHECKING:
    from hilum.app.desk import Desk
    from hilum.video.told import Told

Out = Annotated[
    Path | None,
    typer.Option("--out", help="Write the video here: a draft, too, which nobody has approved.", metavar="FILE"),
]


def video(
    patient: Annotated[
        str,
        typer.Argument(
            metavar="PATIENT",
            help="Whom: a medical record number (`system|number` where several systems have it), or `Patient/ID`. `-` "
            "reads it from standard input, so that it stands in no history of commands.",
            show_default=False,
        ),
    ],
    template: Annotated[
        str, typer.Option("--template", help="What is told: after-visit, procedure, medications, …", metavar="NAME")
    ],
    ehr: Annotated[
        str,
        typer.Option(
            "--ehr",
            help="Gather the patient first, from a connection of `hilum ehr list`; without it hilum's own is meant.",
            metavar="NAME",
        ),
    ] = "",
    language: Annotated[str, typer.Option("--language", help="en or es.", metavar="CODE")] = "en",
    shape: Annotated[str, typer.Option("--shape", help="16:9, or 9:16 for phones.", metavar="wide|tall")] = "wide",
    codec: Annotated[
        str,
        typer.Option("--codec", help="VP9 and AV1 are free, as WebM; H.264 is MP4.", metavar="vp9|av1|h264"),
    ] = "vp9",
    narrated: Annotated[
        bool, typer.Option("--voice/--no-voice", help="Say it, too, where a speech engine is installed.")
    ] = True,
    by: Annotated[str, typer.Option("--by", help="Who renders it, in place of --renderer.", metavar="NAME")] = "",
    out: Out = None,
    approve: Annotated[
        bool, typer.Option("--approve", help="Approve what comes, unseen: for trying things out.")
    ] = False,
    wait: Wait = WAIT,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    videos: options.Videos = None,
    renderer: options.Renderer = None,
    ffmpeg: options.Ffmpeg = None,
    voices: options.Voices = None,
    allow_private_keys: options.AllowPrivateKeys = None,
    base_url: options.BaseUrl = None,
    json: options.Json = False,
) -> None:
    """Make a video that tells one patient what the record says: a draft, until somebody approves it.

    It prints the video's id, and then what came of it. It is safe as soon as its id is printed: whatever ends this
    command, a running `hilum serve` goes on with it (`hilum videos`).

    Exit status: 0 it is made; 1 it failed, and is told why; 3 it is not over.

    Examples:

    - `hilum video 203701 --ehr epic --template after-visit --out visit.webm`

    - `hilum video Patient/17 --template medications --language es --shape tall --json`
    """
    from hilum.cli.filming import filmed, kept, tell
    from hilum.cli.ordering import given
    from hilum.cli.records import at_the_desk
    from hilum.cli.terminal import say
    from hilum.video.wish import wish

    said = sys.stdin.readline().strip() if patient == "-" else patient
    wanted = wish(said, template, ehr, language=language, shape=shape, codec=codec, narrated=narrated, renderer=by)

    async def work(here: Desk) -> tuple[Told, str]:
        one = await here.filmed.videos.ask(here.who, wanted)
        given(one.id, json=json)
        made = await filmed(here, one.id, wait)
        if approve and made.step == "awaiting-approval":
            made = await here.filmed.videos.deciding.approve(here.who, made.id)
        if out is not None and made.document:
            await kept(here, made.id, out)
        return made, here.door.base.removesuffix("/fhir")

    flags = {
        "store": store,
        "data": data,
        "environment": environment,
        "videos": videos,
        "renderer": renderer,
        "ffmpeg": ffmpeg,
        "voices": voices,
        "allow_private_keys": allow_private_keys,
        "base_url": base_url,
    }
    try:
        made, origin = at_the_desk(flags, work)
        sys.exit(tell(made, origin, out, json=json))
    except KeyboardInterrupt:
        say("Left alone. A video whose id was printed goes on with a running `hilum serve`: see `hilum videos list`.")
        sys.exit(130)
