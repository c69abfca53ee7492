"""What the commands on EHRs begin with: the name of a connection, and the broker over the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hilum.app.brokering import Brokering
    from hilum.app.settings import Settings
    from hilum.store.interface import Store

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the connection.", show_default=False)]


def brokering(opened: Store, settings: Settings) -> Brokering:
    """What signs in. Raises Misconfigured."""
    from hilum.access.keys import load_or_create
    from hilum.app import brokering
    from hilum.app.data import prepare

    prepare(settings)
    return brokering.brokering(settings, opened, load_or_create(settings.data, settings.environment))
