"""`hilum ig`: implementation guides, from packages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli import options

if TYPE_CHECKING:
    from hilum.app.settings import Settings
    from hilum.interactions.door import Door
    from hilum.interactions.guides import Guide, Report
    from hilum.store.interface import Store

guides = typer.Typer(
    name="ig",
    help="Add, list and remove implementation guides, and say which profiles resources must conform to.\n\n"
    "A guide is a package: the .tgz that its publisher gives out. What changes holds under a running `hilum serve` "
    "within a second.\n\n"
    "Examples:\n\n"
    "- `hilum ig add hl7.fhir.us.core-7.0.0.tgz`\n\n"
    "- `hilum ig require Patient http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient`",
    no_args_is_help=True,
)

Name = Annotated[
    str,
    typer.Argument(metavar="NAME[#VERSION]", help="The package, such as hl7.fhir.us.core#7.0.0.", show_default=False),
]


def _door(store: Store, settings: Settings) -> Door:
    from hilum.app.data import served_at
    from hilum.interactions.door import Door

    return Door(store, served_at(settings), settings.integrity)


@guides.command()
def add(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Packages (.tgz).", show_default=False, exists=True)
    ],
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Add guides: their profiles, extensions, value sets, code systems, search parameters and the rest of definitions.

    All of a package comes in or nothing does. Adding one again puts in place what differs. Several versions of a guide
    may be there; a profile that is named without a version means the latest. Examples in a package are left out, and a
    package for another FHIR version is refused. New search parameters work once they are indexed.

    Examples:

    - `hilum ig add hl7.fhir.us.core-7.0.0.tgz`

    - `hilum ig add --json *.tgz`
    """
    import asyncio

    from hilum.cli.records import done
    from hilum.cli.terminal import json_out, progress
    from hilum.guides.package import read
    from hilum.interactions.guides import add as put_in_place

    async def work(opened: Store, settings: Settings) -> list[Report]:
        from hilum.app.data import prepare
        from hilum.cli.loading.door import OWNER

        prepare(settings)
        door = _door(opened, settings)
        reports = []
        with progress("resources") as bar:
            for file in files:
                line = bar.add_task(file.name, total=None, done=0, rate=0.0)

                def tell(so_far: int, of: int, line: object = line) -> None:
                    bar.update(line, total=of, completed=so_far, done=so_far)  # type: ignore[arg-type]

                with file.open("rb") as stream:
                    package = await asyncio.to_thread(read, stream)
                reports.append(await put_in_place(door, OWNER, package, tell))
        await _index(door)
        return reports

    found = done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"packages": [_told(one) for one in found]})
        return
    for one in found:
        _report(one)


async def _index(door: Door) -> None:
    """Index by new search parameters, unless a server is at it."""
    from hilum.app.indexing import AUDIT
    from hilum.interactions.defining import tell

    while any(one.pending for one in (await door.store.learn()).defined):
        one = await door.store.proceed()
        if one is None:
            return
        if not one.pending:
            await tell(door, one, AUDIT)


def _told(one: Report) -> dict[str, object]:
    return {
        "package": one.label,
        "title": one.title,
        "created": dict(one.created),
        "updated": dict(one.updated),
        "unchanged": dict(one.unchanged),
        "removed": dict(one.removed),
        "skipped": [{"file": each.file, "why": each.why} for each in one.skipped],
        "searchable": one.searchable,
        "unsearchable": [{"code": code, "why": why} for code, why in one.unsearchable],
        "missing": one.missing,
    }


def _report(one: Report) -> None:
    from hilum.cli.terminal import out, say, table

    out(one.label)
    counters = (one.created, one.updated, one.unchanged, one.removed)
    types = sorted({type for counter in counters for type in counter})
    rows = [(type, *(str(counter[type] or "") for counter in counters)) for type in types]
    if len(rows) > 1:
        rows.append(("in all", *(str(counter.total() or "") for counter in counters)))
    table(one.title, ("type", "new", "changed", "unchanged", "removed"), rows)
    if one.searchable:
        found = [(type, ", ".join(codes)) for type, codes in one.searchable.items()]
        table("Search parameters that can be used", ("type", "parameters"), found)
    if one.unsearchable:
        table(f"Search parameters kept, and not used: {len(one.unsearchable)}", ("parameter", "why"), one.unsearchable)
    if one.skipped:
        some = [(each.file, each.why) for each in one.skipped]
        table(f"Files left out: {len(some)}", ("file", "why"), some)
    if one.missing:
        say(
            f"It depends on packages that are not loaded: {', '.join(one.missing)}. What they define is not checked "
            "until `hilum ig add` adds them."
        )


@guides.command("list")
def list_(
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """List the guides that are loaded, and the profiles that are required.

    Example:

    - `hilum ig list --json`
    """
    from hilum.cli.records import done
    from hilum.cli.terminal import json_out, out, say, table
    from hilum.interactions.guides import guides as loaded
    from hilum.interactions.shelf import required

    async def work(opened: Store, settings: Settings) -> tuple[list[Guide], dict[str, tuple[str, ...]]]:
        return await loaded(_door(opened, settings)), await required(opened)

    found, needed = done({"store": store, "data": data, "environment": environment}, work)
    if json:
        packages = [
            {"name": one.name, "version": one.version, "title": one.title, "url": one.url, "resources": one.types,
             "dependencies": one.dependencies}
            for one in found
        ]  # fmt: skip
        json_out({"packages": packages, "required": needed})
        return
    rows = [(one.name, one.version, one.title, str(sum(one.types.values()))) for one in found]
    if rows:
        table(f"Guides: {len(rows)}", ("name", "version", "title", "resources"), rows)
    if needed:
        table("Required", ("type", "profile"), [(type, url) for type, urls in needed.items() for url in urls])
    for one in found:
        out(one.label)
    if not found:
        say(
            "No guide is loaded. A guide comes as a package, the .tgz that its publisher gives out: "
            "`hilum ig add FILE.tgz` adds it."
        )


@guides.command()
def remove(
    name: Name,
    force: Annotated[
        bool, typer.Option("--force", help="Remove it even if another guide that is loaded depends on it.")
    ] = False,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Remove a guide, with all that came with it; without a version every version of it.

    Refused while another guide depends on it, or while a profile of it is required.

    Example:

    - `hilum ig remove hl7.fhir.us.core#6.1.0`
    """
    from hilum.cli.records import done
    from hilum.cli.terminal import json_out, out
    from hilum.interactions.guides import remove as take_away

    async def work(opened: Store, settings: Settings) -> list[str]:
        from hilum.cli.loading.door import OWNER

        plain, _, version = name.partition("#")
        door = _door(opened, settings)
        gone = await take_away(door, OWNER, plain, version, force=force)
        await _index(door)
        return gone

    gone = done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"removed": gone})
        return
    for label in gone:
        out(label)


@guides.command()
def require(
    type: Annotated[str, typer.Argument(metavar="TYPE", help="A resource type.", show_default=False)],
    profile: Annotated[
        str, typer.Argument(metavar="PROFILE", help="The canonical url of a profile of it.", show_default=False)
    ],
    remove: Annotated[bool, typer.Option("--remove", help="Take it back.")] = False,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Require that every resource of a type conforms to a profile, whoever writes it.

    It holds for what is written from now on, under a running `hilum serve` within a second. What is stored already
    stays as it is. `hilum ig list` shows what is required.

    Examples:

    - `hilum ig require Patient http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient`

    - `hilum ig require Patient http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient --remove`
    """
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import json_out, out, say
    from hilum.interactions.conforming import fit
    from hilum.interactions.conforming import require as change
    from hilum.interactions.shelf import Shelf

    async def work(opened: Store, settings: Settings) -> dict[str, tuple[str, ...]]:
        structures = await Shelf().definitions(opened)
        if not remove:
            fit(structures, type, profile)
        await tell(opened, settings, "setting", {"freed" if remove else "required": f"{type} {profile}"})
        return await change(opened, structures, type, profile, remove=remove)

    needed = done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"required": needed})
        return
    for one, urls in needed.items():
        for url in urls:
            out(f"{one} {url}")
    if not needed:
        say("No profile is required.")


@guides.command()
def docs(
    name: Name,
    to: Annotated[
        Path, typer.Option("--out", help="The folder to write to; it is made.", metavar="DIR", file_okay=False)
    ],
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Write a guide's profiles as Markdown: each with its elements, cardinalities, must-support, bindings and rules.

    There is a folder for each version that is meant, in it a file for each profile, named by its id in the guide, and
    README.md, which leads to them.

    Example:

    - `hilum ig docs hl7.fhir.us.core#7.0.0 --out us-core/`
    """
    from hilum.cli.records import done
    from hilum.cli.terminal import json_out, out
    from hilum.guides import documents, naming
    from hilum.interactions.guides import profiles

    async def work(opened: Store, settings: Settings) -> list[tuple[Guide, list[dict[str, object]]]]:
        plain, _, version = name.partition("#")
        return await profiles(_door(opened, settings), plain, version)

    written = []
    for guide, bodies in done({"store": store, "data": data, "environment": environment}, work):
        pages = to / f"{guide.name}-{guide.version}"
        pages.mkdir(parents=True, exist_ok=True)
        files = [f"{naming.own_of(guide.label, str(one['id']))}.md" for one in bodies]
        for one, file in zip(bodies, files, strict=True):
            (pages / file).write_text(documents.markdown(one), encoding="utf-8")
            written.append(str(pages / file))
        index = pages / "README.md"
        index.write_text(documents.overview(guide.label, guide.title, bodies, files), encoding="utf-8")
        written.append(str(index))
    if json:
        json_out({"written": written})
        return
    for path in written:
        out(path)
