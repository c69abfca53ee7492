"""`hilum ehr import` and `find`: published lists of EHRs' addresses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli import options

if TYPE_CHECKING:
    from hilum.app.settings import Settings
    from hilum.broker.directories import Directory, Match
    from hilum.store.interface import Store


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
