"""`hilum ehr sign-ins` and `sign-out`: people who have signed in at EHRs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hilum.cli import options
from hilum.cli.ehr.opening import brokering

if TYPE_CHECKING:
    from hilum.app.settings import Settings
    from hilum.broker.sign_ins import SignIn
    from hilum.store.interface import Store


def sign_ins(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="Only those at this connection.", show_default=False)
    ] = "",
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """List the people's sign-ins that hilum has tokens of: where, who, since when, until when. No token is shown.

    A sign-in ends by itself when the EHR has given no token for it for 90 days, or with its token where it can't be
    renewed.

    Example:

    - `hilum ehr sign-ins lake`
    """
    from hilum.broker import sign_ins as all
    from hilum.cli.records import done
    from hilum.cli.terminal import listed

    async def work(opened: Store, settings: Settings) -> list[SignIn]:
        ways = brokering(opened, settings)
        if name and not await ways.launching.grants.of(name):
            await ways.connections.get(name)  # which says that there is none
        return await all.every(ways.launching.grants, name)

    found = done({"store": store, "data": data, "environment": environment}, work)
    columns: dict[str, Callable[[SignIn], str]] = {
        "sign-in": lambda one: one.sign_in[: all.TOLD],
        "ehr": lambda one: one.ehr,
        "who": lambda one: one.who or "(the EHR does not say)",
        "begun": lambda one: _minute(one.begun),
        "renewed": lambda one: _minute(one.renewed),
        "ends": lambda one: _minute(one.ends),
    }
    listed("sign-ins", found, columns, lambda one: one.sign_in, _shown, json=json)


def sign_out(
    sign_in: Annotated[
        str,
        typer.Argument(metavar="SIGN-IN", help="Which: as `hilum ehr sign-ins` lists it.", show_default=False),
    ],
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Forget a person's sign-in and its tokens now. An order by it that is not over fails.

    The tokens are then revoked at the EHR, where it has a revocation_endpoint and answers.

    Example:

    - `hilum ehr sign-out 3f0c52d19a7e`
    """
    from hilum.broker import sign_ins as all
    from hilum.broker.ending import SECONDS
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import json_out, out

    async def work(opened: Store, settings: Settings) -> SignIn:
        ways = brokering(opened, settings)
        id, found = await all.one(ways.launching.grants, sign_in)
        await tell(opened, settings, "ehr", all.audited(found))
        await ways.launching.ending.forget(id)
        await ways.launching.ending.close(SECONDS)
        return found

    gone = done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"signed_out": gone.sign_in, "ehr": gone.ehr})
    else:
        out(f"{gone.sign_in} is signed out of {gone.ehr}.")


def _shown(one: SignIn) -> dict[str, Any]:
    import msgspec

    from hilum.cli.clientkeys import moment

    times = {name: moment(getattr(one, name)) for name in ("begun", "renewed", "ends")}
    return {**msgspec.to_builtins(one), **times}


def _minute(seconds: int) -> str:
    from hilum.cli.clientkeys import moment

    return (moment(seconds) or "")[:16].replace("T", " ")
