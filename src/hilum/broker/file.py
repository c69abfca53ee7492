"""Connections that stand in a file of the data directory, `ehrs.toml`: a table each, its name being the connection's.

https://toml.io/en/v1.0.0. A secret stands in a file of its own beside it, so that this one can be shown and versioned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from hilum.broker.connection import EVERY, Connection
from hilum.broker.rules import SECRET, judge
from hilum.oauth.ledger import EHR
from hilum.problems import Invalid
from hilum.tables.reading import converted, each, secret_of

FILE: Final = "ehrs.toml"
ORIGIN: Final = "file"
"""The `origin` of a connection that stands in the file."""
SealSecret = Callable[[int, bytes, str], str]
"""`hilum.access.seal.Seal.seal`."""


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    """The keys of a table, and their types."""

    environment: str
    vendor: str
    base: str
    client_id: str
    method: str
    grants: tuple[str, ...] = ("client_credentials",)
    system_scopes: str = ""
    user_scopes: str = ""
    recipes: tuple[str, ...] = (EVERY,)
    issuer: str = ""
    title: str = ""
    client_secret_file: str = ""
    alg: str = "RS384"
    mrn_system: str = ""
    disabled: bool = False


def connections(path: Path, environment: str, vendors: frozenset[str], seal: SealSecret) -> Mapping[str, Connection]:
    """The connections of the file by name; none where there is no file.

    Raises Misconfigured naming the line, the table and the key that is wrong.
    """
    return each(path, lambda name, table: _connection(name, table, path.parent, environment, vendors, seal))


def _connection(
    name: str, table: Any, folder: Path, environment: str, vendors: frozenset[str], seal: SealSecret
) -> Connection:
    """Raises Invalid."""
    read = converted(table, _Table)
    values = msgspec.structs.asdict(read)
    file = values.pop("client_secret_file")
    connection = Connection(name=name, origin=ORIGIN, **values | {"base": read.base.rstrip("/")})
    judge(connection)
    fitting(connection, environment, vendors)
    if bool(file) != (connection.method in SECRET):
        raise Invalid(f"client_secret_file must name a file with {' and '.join(SECRET)}, and be absent otherwise.")
    return sealed(connection, secret_of(folder, "client_secret_file", file), seal) if file else connection


def fitting(connection: Connection, environment: str, vendors: frozenset[str]) -> None:
    """Raises Invalid where the connection is none for this hilum: of another environment, or of an unknown vendor."""
    if connection.environment != environment:
        raise Invalid(
            f"environment is {connection.environment}, and this data directory belongs to {environment}. The two never "
            "mix: serve the other one from a data directory of its own."
        )
    if connection.vendor not in vendors:
        raise Invalid(f"vendor must be one of {', '.join(sorted(vendors))}.")


def sealed(connection: Connection, secret: str, seal: SealSecret) -> Connection:
    """With this secret. Raises Invalid where it can't be one."""
    if not secret or not secret.isprintable():
        raise Invalid("the secret must be a line of printable characters.")
    return msgspec.structs.replace(connection, secret=seal(EHR, connection.name.encode(), secret))
