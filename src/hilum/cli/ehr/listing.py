"""`hilum ehr list` and `remove`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hilum.cli import options
from hilum.cli.ehr.opening import Name, brokering

if TYPE_CHECKING:
    from hilum.app.settings import Settings
    from hilum.broker.connection import Connection
    from hilum.store.interface import Store


def list_(
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """List the EHRs: name, environment, vendor, where, as whom, and how hilum signs in.

    Example:

    - `hilum ehr list --json`
    """
    from hilum.cli.records import done
    from hilum.cli.terminal import listed

    async def work(opened: Store, settings: Settings) -> list[Connection]:
        return await brokering(opened, settings).connections.every()

    found = done({"store": store, "data": data, "environment": environment}, work)
    columns: dict[str, Callable[[Connection], str]] = {
        "name": lambda one: one.name,
        "environment": lambda one: one.environment.upper(),
        "vendor": lambda one: one.vendor,
        "base": lambda one: one.base,
        "client id": lambda one: one.client_id,
        "method": lambda one: one.method,
        "from": lambda one: one.origin,
        "": lambda one: "disabled" if one.disabled else "",
    }
    listed("EHRs", found, columns, lambda one: one.name, shown, json=json)


def remove(
    name: Name,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
) -> None:
    """Forget an EHR that was added, and the tokens that it gave. What was gathered from it stays.

    Tokens of people who signed in are then revoked at the EHR, where it has a revocation_endpoint and answers.

    Example:

    - `hilum ehr remove lake`
    """
    from hilum.broker.ending import SECONDS
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import out

    async def work(opened: Store, settings: Settings) -> None:
        ways = brokering(opened, settings)
        await ways.connections.removable(name)
        await tell(opened, settings, "ehr", {"removed": name})
        await ways.launching.ending.remove(name)
        await ways.launching.ending.close(SECONDS)

    done({"store": store, "data": data, "environment": environment}, work)
    out(f"{name} is removed.")


def shown(one: Connection) -> dict[str, Any]:
    """What may be told of a connection: all but its secret."""
    import msgspec

    said = msgspec.to_builtins(one)
    said.pop("secret", None)
    return dict(said)
