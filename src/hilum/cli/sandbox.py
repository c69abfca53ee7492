"""`hilum sandbox`."""

from __future__ import annotations

from typing import Annotated

import typer

from hilum.cli import options


def sandbox(
    profile: Annotated[
        str,
        typer.Option(
            "--profile", help="Whose EHR it behaves like: `epic`, `oracle` (Oracle Health), or `plain`.", metavar="NAME"
        ),
    ] = "plain",
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            help="Let something go wrong, written KIND or KIND:NAME=VALUE,… as in `429:every=5,retry-after=30`. "
            "Give it again for more. Kinds and names are above.",
            metavar="FAULT",
        ),
    ] = None,
    patients: Annotated[
        int, typer.Option("--patients", min=2, max=100_000, help="How many synthetic patients.", metavar="N")
    ] = 8,
    broker: Annotated[
        str,
        typer.Option(
            "--broker",
            help="The address of the hilum that is to sign in here: the registered apps have their redirect and their "
            "keys there. Without it, that of --connect, or http://127.0.0.1:8080.",
            metavar="URL",
            show_default=False,
        ),
    ] = "",
    connect: Annotated[
        str,
        typer.Option(
            "--connect",
            help="Make this EHR known to the hilum of that data directory: a client key, if it has none, and a "
            "connection for each app, called as the profile, and the profile with `-launch`.",
            metavar="DIR",
            show_default=False,
        ),
    ] = "",
    jwks: Annotated[
        str,
        typer.Option(
            "--jwks",
            help="The public keys of who signs in, where they are elsewhere: a JWK Set's file, or its URL.",
            metavar="FILE|URL",
        ),
    ] = "",
    today: options.Today = None,
    port: Annotated[str, typer.Option("--port", help="The TCP port. 0 takes any free one.", metavar="PORT")] = "8090",
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="The data directory, one for each sandbox. Made with mode 0700 when missing; without one it is "
            "`hilum-sandbox-PROFILE`.",
            metavar="DIR",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Serve an EHR to try a client against: a second hilum that behaves like a vendor's, with synthetic patients.

    It prints who can sign in, the two apps that are registered (Backend Services and App Launch), what to paste so that
    `hilum serve` knows it, and the key that sets faults while it runs: POST `{"fault": "429"}` to `/sandbox/faults`.
    Only this machine is served. Environment variables are those of your own hilum: they hold for --connect alone. What
    each profile does, and how that is known: docs/how-to/sandbox.md

    Faults:

    - `expired` the access token ends: 401, until there is another one

    - `429` too many requests; `retry-after=SECONDS`, 2 unless given

    - `slow` the answer takes `seconds=N`, 10 unless given

    - `500` something is broken

    - `truncated` the answer ends in its middle

    - `page-gone` the next page of a search is no longer kept

    - `daily-cap` enough documents for today (epic)

    - `wrong-match` a search for a record number finds somebody else (epic, oracle)

    - `token-400` the token endpoint refuses without a reason

    Each strikes once. `every=N` lets it strike each n-th request and go on, `after=N` lets the first n pass, `times=N`
    is how often at most, `on=TYPE` is the resource type that it is about.

    Examples:

    - `hilum sandbox --profile epic`

    - `hilum sandbox --profile epic --connect hilum-data` beside `hilum serve`

    - `hilum sandbox --profile oracle --fault 429:every=5,retry-after=30 --fault expired:after=20`
    """
    from hilum.cli.sandboxing import Wanted, run

    run(
        Wanted(
            profile=profile,
            faults=tuple(fault or ()),
            patients=patients,
            broker=broker.rstrip("/"),
            connect=connect,
            jwks=jwks,
            port=port,
            data=data or f"hilum-sandbox-{profile}",
            today=today.date() if today else None,
        )
    )
