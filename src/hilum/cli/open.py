"""`hilum open`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli import options

if TYPE_CHECKING:
    from hilum.app.settings import Settings
    from hilum.store.interface import Store

Types = Annotated[
    list[str] | None, typer.Argument(metavar="TYPE…", help="Resource types, such as ValueSet.", show_default=False)
]


def open_(
    types: Types = None,
    close: Annotated[bool, typer.Option("--close", help="Close them again; without a TYPE all that are open.")] = False,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Answer read and search of some types without a token; without a TYPE, say which are open.

    For what everybody may know: terminology, definitions, directories of organizations. Types about people can't be
    opened, nor can writing, history, or anything else. It holds under a running `hilum serve` within five seconds, and
    the CapabilityStatement tells it.

    Examples:

    - `hilum open ValueSet CodeSystem Organization`

    - `hilum open --close Organization`
    """
    from hilum.access import opened
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import json_out, out, say
    from hilum.problems import Invalid

    some = tuple(dict.fromkeys(types or ()))
    for one in () if close else some:
        if reason := opened.refusal(one):
            raise Invalid(reason)

    async def work(store: Store, settings: Settings) -> tuple[str, ...]:
        before = await opened.types(store.ledger)
        news = [one for one in (some or before) if (one in before) is close]
        if not news or not (some or close):
            return before
        await tell(store, settings, "setting", {"closed" if close else "opened": " ".join(news)})
        if close:
            return await opened.change(store.ledger, closed=news)
        return await opened.change(store.ledger, opened=news)

    found = done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"open": found})
        return
    for one in found:
        out(one)
    if not found:
        say("Nothing is open: every type needs a token.")
