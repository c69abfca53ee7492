"""`hilum terminology`: code systems, imported, listed and removed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hilum.cli import options

if TYPE_CHECKING:
    from hilum.app.settings import Settings
    from hilum.interactions.door import Door
    from hilum.store.interface import Store

terminology = typer.Typer(
    name="terminology",
    help="Import code systems and value sets, list them, remove them.\n\n"
    "What changes holds at once under a running `hilum serve`.\n\n"
    "Examples:\n\n"
    "- `hilum terminology import Loinc_2.78.zip`\n\n"
    "- `hilum terminology import CodeSystem-mine.json ValueSet-mine.json`\n\n"
    "- `hilum terminology remove http://loinc.org --version 2.77`",
    no_args_is_help=True,
)

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help="Files, or folders of a release.", show_default=False)
]
Format = Annotated[
    str | None,
    typer.Option("--format", help="fhir, loinc, snomed or rxnorm; otherwise by what is in it.", show_default=False),
]
Version = Annotated[
    str | None,
    typer.Option("--version", help="The version, where the release does not say it.", show_default=False),
]
Edition = Annotated[
    str | None,
    typer.Option("--edition", help="Of SNOMED CT: the module that the edition is named by.", show_default=False),
]
Url = Annotated[str, typer.Argument(metavar="URL", help="The url of the code system.", show_default=False)]


_SHOWN: Final = 40
"""Of more resources than these only how many there are is told, and which releases."""


@terminology.command("import")
def import_(
    files: Files,
    format: Format = None,
    version: Version = None,
    edition: Edition = None,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Import FHIR files and packages, and releases of LOINC, SNOMED CT (RF2) and RxNorm (RRF), zipped or not.

    Of FHIR files (JSON, XML, NDJSON, .tgz) every CodeSystem, ValueSet, ConceptMap and NamingSystem is stored. A release
    becomes one CodeSystem whose concepts stand in the tables alone; LOINC's answer lists become ValueSets. A code
    system is there when all of it is; imported again, it takes the place of the one before. What is wrong is told with
    file and line, and then nothing of that code system is imported. Versions stand side by side.

    A package of definitions, such as HL7's hl7.terminology, is better loaded by `hilum ig add`: it can be removed.

    Licences are yours to hold: hilum brings none of these releases along. Exit status 1 when a CodeSystem, ValueSet or
    ConceptMap was refused; a NamingSystem that is not valid is left out, which is told.

    Examples:

    - `hilum terminology import Loinc_2.78.zip`

    - `hilum terminology import SnomedCT_InternationalRF2_PRODUCTION_20250101T120000Z/ --json`
    """
    from hilum.cli.loading import terms
    from hilum.cli.terminal import json_out, out, say

    terms.known(format, files)

    async def work(store: Store, settings: Settings) -> list[dict[str, Any]]:
        return [
            one for path in files for one in await terms.load(_door(store, settings), path, format, version, edition)
        ]

    found = _done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"imported": found})
        _end(found)
        return
    if not found:
        say("Nothing was imported: there is no CodeSystem, ValueSet, ConceptMap or NamingSystem in it.")
    many = len(found) > _SHOWN
    for (type, outcome), count in Counter((one["type"], one["outcome"]) for one in found if many).items():
        out(f"{count:,} {type}: {outcome}")
    for one in found:
        if "why" not in one and (one["concepts"] or not many):
            concepts = f", {one['concepts']:,} concepts" if one["concepts"] else ""
            named = f"{one['url']}|{one['version']}" if one["version"] else one["url"]
            out(f"{one['type']} {named}: {one['outcome']}{concepts}")
    _end(found)


@terminology.command("list")
def list_(
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """List the code systems whose concepts stand in the tables: imported ones, and resources that were asked about.

    R4's own code systems are always there and not listed.

    Examples:

    - `hilum terminology list`

    - `hilum terminology list --json`
    """
    from hilum.cli.terminal import json_out, out, say, table

    async def work(store: Store, settings: Settings) -> list[dict[str, Any]]:
        return [
            {"url": url, "version": version, "concepts": size, "source": source}
            for _, (url, version, source, _, size, _) in await store.concepts.systems()
        ]

    found = sorted(
        _done({"store": store, "data": data, "environment": environment}, work),
        key=lambda one: (one["url"], one["version"]),
    )
    if json:
        json_out({"code_systems": found})
        return
    if found:
        table(
            f"{len(found)} code systems",
            ("url", "version", "concepts", "source"),
            [(one["url"], one["version"], f"{one['concepts']:,}", one["source"]) for one in found],
        )
    for one in found:
        out(f"{one['url']}|{one['version']}" if one["version"] else one["url"])
    if not found:
        say("No code system stands in the tables yet. `hilum terminology import FILE` imports one.")


@terminology.command()
def remove(
    url: Url,
    version: Annotated[str | None, typer.Option("--version", help="Only this version.", show_default=False)] = None,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Delete a code system: its CodeSystem resources, whose history stays, and its concepts.

    Exit status 1 when there is none of that url and version.

    Examples:

    - `hilum terminology remove http://loinc.org --version 2.77`
    """
    import sys

    from hilum.cli.loading.door import OWNER
    from hilum.cli.terminal import json_out, out, say
    from hilum.interactions.terminology.importing import removed

    async def work(store: Store, settings: Settings) -> list[str]:
        return await removed(_door(store, settings), OWNER, url, version)

    gone = _done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"removed": [{"url": url, "version": one} for one in gone]})
    for one in () if json else gone:
        out(f"{url}|{one}" if one else url)
    if not gone:
        say("There is no such code system.")
        sys.exit(1)


def _end(found: list[dict[str, Any]]) -> None:
    import sys

    from hilum.cli.terminal import say

    refused = [one for one in found if one["outcome"] == "refused"]
    for one in found:
        if "why" in one:
            say(f"{one['outcome']}: {one['why']}")
    if refused:
        sys.exit(1)


def _door(store: Store, settings: Settings) -> Door:
    from hilum.app.data import served_at
    from hilum.interactions.door import Door

    return Door(store, served_at(settings))


def _done(flags: dict[str, str | None], work: Any) -> Any:
    """On the store of these settings, which is made if there is none."""
    import asyncio

    from hilum.app.settings import Settings
    from hilum.app.stores import open_store
    from hilum.web import log

    log.configure("warning", "text")
    settings = Settings.read(flags)

    async def run() -> Any:
        opened = await open_store(settings)
        try:
            return await work(opened, settings)
        finally:
            await opened.close()

    return asyncio.run(run())
