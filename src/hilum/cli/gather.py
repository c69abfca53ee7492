"""`hilum gather`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli import options

if TYPE_CHECKING:
    from hilum.app.desk import Desk
    from hilum.broker.told import Told

Wait = Annotated[
    float,
    typer.Option("--wait", help="For how long to wait for its end; it goes on after that.", metavar="SECONDS", min=0),
]
WAIT = 600.0


def gather(
    ehr: Annotated[str, typer.Option("--ehr", help="Where: a connection of `hilum ehr list`.", metavar="NAME")],
    recipe: Annotated[str, typer.Option("--recipe", help="What: see docs/reference/recipes.md.", metavar="NAME")],
    mrn: Annotated[
        str,
        typer.Argument(
            metavar="[MRN]",
            help="Whom: the medical record number in that EHR. `-` reads it from standard input, so that it stands in "
            "no history of commands.",
            show_default=False,
        ),
    ] = "",
    patient: Annotated[
        str, typer.Option("--patient", help="Whom, in place of MRN: the id of the EHR's Patient.", metavar="ID")
    ] = "",
    deliver_to: Annotated[
        str,
        typer.Option(
            "--deliver-to", help="A destination of `hilum destination list` that gets the payload.", metavar="NAME"
        ),
    ] = "",
    wait: Wait = WAIT,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    allow_private_keys: options.AllowPrivateKeys = None,
    base_url: options.BaseUrl = None,
    json: options.Json = False,
) -> None:
    """Gather one patient's resources from an EHR, keep them, and deliver what the recipe makes of them.

    hilum signs in there by Backend Services. It prints the order's id, and then what came, what was refused, what
    failed, and each attempt to deliver. The order is safe as soon as its id is printed: whatever ends this command, a
    running `hilum serve` goes on with it (`hilum orders`); where there is none, this command does all of it.

    Exit status: 0 it is done, though parts may have been refused; 1 it failed; 3 it is not over; 130 it was left alone
    (Ctrl-C), and is not cancelled.

    Examples:

    - `hilum gather 203701 --ehr epic --recipe visits --deliver-to video`

    - `hilum gather --patient eq081-VQEgP8drUUqCWzHfw3 --ehr epic --recipe record --json`
    """
    from hilum.broker.order import Start
    from hilum.broker.wish import judged
    from hilum.cli.ordering import given, leaving, tell, waited
    from hilum.cli.records import at_the_desk
    from hilum.problems import Invalid

    if bool(mrn) == bool(patient):
        raise Invalid("Say whom: a medical record number, or the id of the EHR's Patient by --patient, and not both.")
    number = sys.stdin.readline().strip() if mrn == "-" else mrn
    order = ""

    async def work(here: Desk) -> tuple[Told, tuple[str, ...]]:
        nonlocal order
        connection = await here.ways.connections.usable(ehr)
        start = Start("id", patient) if patient else Start("mrn", number)
        found = judged(connection, here.ways.recipes(), recipe, start, deliver_to)
        task = await here.ordered.orders.accept(
            here.who, connection, found.name, start, deliver_to, store=found.store == "own"
        )
        order = task.id
        given(order, json=json)
        return await waited(here, order, wait), tuple(found.payload.get("fields", ()))

    flags = {
        "store": store,
        "data": data,
        "environment": environment,
        "allow_private_keys": allow_private_keys,
        "base_url": base_url,
    }
    with leaving(lambda: order):
        sys.exit(tell(*at_the_desk(flags, work), json=json))
