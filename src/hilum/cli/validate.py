"""`hilum validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hilum.cli import options


def validate(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="JSON, NDJSON or XML, gzipped or not; folders, patterns such as 'out/**/*.json', or - for standard "
            "input.",
            show_default=False,
        ),
    ],
    profile: Annotated[
        list[str] | None,
        typer.Option("--profile", metavar="URL", help="Validate against this profile, too. Can be given again."),
    ] = None,
    ig: Annotated[
        list[Path] | None,
        typer.Option(
            "--ig",
            metavar="FILE",
            help="A package (.tgz) whose definitions are known; or a file or a folder with some. Can be given again.",
        ),
    ] = None,
    information: Annotated[
        bool, typer.Option("--information", help="Print informations as well, beside errors and warnings.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Validate files: R4's own rules, the profiles that resources claim, and codes, each finding with line and column.

    It needs no server and no database, and fetches nothing: what is known are R4's definitions and those of --ig.

    Exit status 0: no errors; 1: errors were found; 2: a file can't be read, or the command is wrong.

    Examples:

    - `hilum validate Patient.json`

    - `hilum validate 'out/**/*.json' --ig hl7.fhir.us.core-6.1.0.tgz`

    - `hilum validate examples/ --ig profiles/ --profile http://example.org/StructureDefinition/our-patient`

    - `hilum validate - --profile http://hl7.org/fhir/StructureDefinition/vitalsigns --json < observation.json`
    """
    from hilum.cli.terminal import fail
    from hilum.cli.validating import telling
    from hilum.cli.validating.definitions import known
    from hilum.cli.validating.judging import Judge
    from hilum.cli.validating.sources import Unreadable, named, sources

    try:
        names = named(files)
        definitions = known(ig or ())
    except Unreadable as problem:
        raise typer.Exit(fail(str(problem), status=2)) from None
    except OSError as error:
        raise typer.Exit(fail(f"{error.filename}: {error.strerror}", status=2)) from None
    for url in profile or ():
        if definitions.structure(url) is None:
            raise typer.Exit(fail(f"The profile {url} is not known: give its package with --ig.", status=2))
    judge = Judge(definitions, tuple(profile or ()))
    teller = telling.Json() if json else telling.Lines(information=information)
    unreadable = False
    for name in names:
        try:
            for source in sources(name):
                teller.tell(source, judge.judge(source))
        except Unreadable as problem:
            unreadable = True
            fail(str(problem), status=2)
    teller.end(len(names))
    raise typer.Exit(2 if unreadable else 1 if teller.counts["error"] else 0)
