"""`hilum orders`: what was ordered to be gathered, and what became of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli import options
from hilum.cli.gather import WAIT, Wait
from hilum.cli.records import at_the_desk, done

if TYPE_CHECKING:
    from hilum.app.desk import Desk
    from hilum.app.settings import Settings
    from hilum.broker.told import Told
    from hilum.store.interface import Store

orders = typer.Typer(
    name="orders",
    help="Look at orders to gather, wait for one, cancel one, and have one delivered again.\n\n"
    "They are given by `hilum gather`, and by the API.\n\n"
    "Examples:\n\n"
    "- `hilum orders list`\n\n"
    "- `hilum orders show 0192f6c4-8f3e-7a10-b0c5-2f1d8a9e7b66`",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The order: the id of its Task.", show_default=False)]


@orders.command("list")
def list_(
    most: Annotated[int, typer.Option("--most", help="How many at most.", min=1, max=1000)] = 20,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """List orders, the last changed first: when they were given, where, by which recipe, and how they are.

    Example:

    - `hilum orders list --json`
    """
    import msgspec

    from hilum.broker.shown import GATHER
    from hilum.broker.told import told
    from hilum.cli.terminal import listed

    async def work(opened: Store, settings: Settings) -> list[Told]:
        from hilum.app.data import served_at
        from hilum.app.recording import by_command
        from hilum.interactions.door import Door
        from hilum.interactions.search import search
        from hilum.search.parse import parse_query

        base = served_at(settings)
        asked = [("code", f"{GATHER}|gather"), ("_sort", "-_lastUpdated"), ("_count", str(most))]
        parsed = parse_query("Task", asked, base=base, registry=opened.catalogue.searchable)
        page = await search(Door(opened, base), by_command(), parsed)
        return [told(one) for one in page.resources]

    found = done({"store": store, "data": data, "environment": environment}, work)
    columns: dict[str, Callable[[Told], str]] = {
        "id": lambda one: one.id,
        "given": lambda one: one.created[5:16].replace("T", " "),
        "ehr": lambda one: one.ehr,
        "recipe": lambda one: one.recipe,
        "to": lambda one: one.deliver_to,
        "is": lambda one: one.step,
    }
    listed("orders", found, columns, lambda one: one.id, msgspec.to_builtins, json=json)


@orders.command()
def show(
    id: Id,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """What came of an order, as `hilum gather` tells it. Exit status: 0 it is done; 1 it failed; 3 it is not over.

    Example:

    - `hilum orders show 0192f6c4-8f3e-7a10-b0c5-2f1d8a9e7b66`
    """
    from hilum.broker.told import told
    from hilum.cli.ordering import tell

    async def work(here: Desk) -> Told:
        return told(await here.ordered.orders.get(here.who, id))

    sys.exit(tell(at_the_desk({"store": store, "data": data, "environment": environment}, work), json=json))


@orders.command()
def watch(
    id: Id,
    wait: Wait = WAIT,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    allow_private_keys: options.AllowPrivateKeys = None,
    json: options.Json = False,
) -> None:
    """Wait for the end of an order, going on with it where no `hilum serve` does. Exit status as `hilum gather`.

    Example:

    - `hilum orders watch 0192f6c4-8f3e-7a10-b0c5-2f1d8a9e7b66`
    """
    from hilum.cli.ordering import leaving, tell, waited

    async def work(here: Desk) -> Told:
        return await waited(here, id, wait)

    flags = {"store": store, "data": data, "environment": environment, "allow_private_keys": allow_private_keys}
    with leaving(lambda: id):
        sys.exit(tell(at_the_desk(flags, work), json=json))


@orders.command()
def cancel(
    id: Id,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Do nothing more of an order, and delete what is held of it. An attempt that is under way may still be heard.

    Example:

    - `hilum orders cancel 0192f6c4-8f3e-7a10-b0c5-2f1d8a9e7b66`
    """
    from hilum.cli.ordering import cleared
    from hilum.cli.terminal import json_out, out

    async def work(here: Desk) -> None:
        await here.ordered.orders.cancel(here.who, id)
        await cleared(here, id)

    at_the_desk({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"id": id, "cancelled": True})
    else:
        out(f"{id} is cancelled.")


@orders.command()
def replay(
    id: Id,
    wait: Wait = WAIT,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    allow_private_keys: options.AllowPrivateKeys = None,
    json: options.Json = False,
) -> None:
    """Have a dead letter delivered again: the same bytes, under the same key as before. It is kept for 30 days.

    `hilum destination replay` does so for all of a destination's. Exit status as `hilum gather`.

    Example:

    - `hilum orders replay 0192f6c4-8f3e-7a10-b0c5-2f1d8a9e7b66`
    """
    from hilum.broker.order import DEAD
    from hilum.broker.replaying import replay as again
    from hilum.cli.ordering import leaving, tell, waited
    from hilum.problems import Conflict

    async def work(here: Desk) -> Told:
        task = await here.ordered.orders.get(here.who, id)
        parcel = await here.ordered.parcels.get(id)
        if parcel is None or parcel.order.step != DEAD:
            raise Conflict("It is no dead letter: it was delivered, is still tried, or was kept for 30 days.")
        about = {"replayed": parcel.order.deliver_to, "orders": id}
        await here.trail.certain(here.who, "destination", 200, about)
        await again(here.ordered.parcels, parcel)
        return await waited(here, id, wait, task.version)

    flags = {"store": store, "data": data, "environment": environment, "allow_private_keys": allow_private_keys}
    with leaving(lambda: id):
        sys.exit(tell(at_the_desk(flags, work), json=json))
