"""What is peculiar to the EHRs of each vendor, as a table (`vendors.toml`): each row with where it is told, and when.

https://hl7.org/fhir/R4/operationoutcome.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, get_args

from hilum.broker.far import Kind
from hilum.problems import Misconfigured
from hilum.tables.reading import parsed

TOLD: Final = "as told by clinics' projects"
CHOSEN: Final = "hilum's own choice"
"""Sources that are no page's address."""

NOTHING: Final = "nothing"
PARTIAL: Final = "partial"
NOTE: Final = "note"
KINDS: Final = frozenset(get_args(Kind))


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: what it is about (`codes.4101`), what it says, where that is told, and when it was read."""

    about: str
    says: str
    source: str
    read: date


@dataclass(frozen=True, slots=True)
class Code:
    """What a vendor's code means: a `Kind`, or NOTHING, PARTIAL or NOTE. `says`: the same for people."""

    means: str
    says: str


@dataclass(frozen=True, slots=True)
class Parts:
    """A search that the vendor takes only in parts: one for each of `values` of the parameter `by`, unless one of
    `unless` is among its parameters.
    """

    by: str
    values: tuple[str, ...]
    unless: frozenset[str]


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor's EHRs; from `concurrency` on see FACTS, where the defaults are those of any other server.

    `code_system`: the URIs of the system that its codes are of. `counts`: what to send as `_count` for a type.
    """

    name: str
    title: str
    codes: Mapping[str, Code] = field(repr=False)
    parts: Mapping[str, Parts]
    counts: Mapping[str, int]
    rows: tuple[Row, ...] = field(repr=False)
    code_system: re.Pattern[str] | None = None

    concurrency: int = 8
    per_second: float = 0.0
    longest_wait: float = 30.0
    token_seconds: int = 300
    offline_prompt: bool = True
    new_refresh_token: bool = True
    wildcard_scopes: bool = True
    retry_bare_400: int = 0
    transactions: bool = True
    issuer_slash: bool = False
    mrn_system_differs: bool = False
    id_stands_alone: bool = False


FACTS: Final[Mapping[str, str]] = {
    "concurrency": "Requests at a time to one host.",
    "per_second": "Requests a second to one host; 0: as many as it answers.",
    "longest_wait": "Seconds that a Retry-After may ask for; beyond, a request fails with the time to come back at.",
    "token_seconds": "How long an access token lives whose answer does not say so.",
    "offline_prompt": "Whether `prompt=consent` goes with `openid` and `offline_access`, as OpenID Connect asks.",
    "new_refresh_token": "Whether the answer to a refresh may hold a new refresh token.",
    "wildcard_scopes": "Whether scopes with a `*` are taken.",
    "retry_bare_400": "How often a token endpoint is asked again that answers 400 without a reason in it.",
    "transactions": "Whether the base takes a transaction Bundle.",
    "issuer_slash": "Whether the issuer of a launch may differ from the base by a slash at its end.",
    "mrn_system_differs": "Whether the system of MRNs is another one at each site, so that a connection must name it.",
    "id_stands_alone": "Whether a search by `_id` takes no other parameter.",
}
_TYPES: Final = {one.name: type(one.default) for one in fields(Vendor) if one.name in FACTS}

Vendors = Mapping[str, Vendor]


@cache
def packaged() -> Vendors:
    """The vendors that hilum knows."""
    return vendors((files("hilum.broker") / "vendors.toml").read_text("utf-8"))


def vendor(name: str) -> Vendor:
    """A vendor by its name. Raises Misconfigured, which names those that there are."""
    found = packaged().get(name)
    if found is None:
        raise Misconfigured(f"No vendor is called {name[:40]!r}: expected {', '.join(packaged())}.")
    return found


def vendors(text: str) -> Vendors:
    """The vendors of a TOML text. Raises Misconfigured naming the row."""
    tables = parsed(text, "The table of vendors")
    return MappingProxyType({name: _vendor(name, table) for name, table in tables.items()})


def _vendor(name: str, table: Mapping[str, Any]) -> Vendor:
    rows: list[Row] = []

    def each(group: str, columns: Mapping[str, type]) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = table.get(group, {})
        for key, row in found.items():
            about = f"{group}.{key}"
            _check(f"{name}.{about}", row, {**columns, "says": str, "source": str, "read": date})
            rows.append(Row(about, row["says"], row["source"], row["read"]))
        return found

    facts = {key: row["value"] for key, row in each("facts", {"value": object}).items()}
    for key, value in facts.items():
        if type(value) is not _TYPES.get(key):
            expected = _TYPES[key].__name__ if key in FACTS else f"one of {', '.join(FACTS)}"
            raise Misconfigured(f"Vendors, {name}.facts.{key}: found {type(value).__name__}, expected {expected}.")
    parts = {
        key: Parts(row["by"], tuple(row["values"]), frozenset(row["unless"]))
        for key, row in each("parts", {"by": str, "values": list, "unless": list}).items()
    }
    codes = {key: Code(row["means"], row["says"]) for key, row in each("codes", {"means": str}).items()}
    for key, code in codes.items():
        if code.means not in KINDS and code.means not in (NOTHING, PARTIAL, NOTE):
            raise Misconfigured(f"Vendors, {name}.codes.{key}: {code.means!r} is no meaning of a code.")
    counts = {key: row["value"] for key, row in each("counts", {"value": int}).items()}
    system = re.compile(table["code_system"]) if "code_system" in table else None
    frozen = MappingProxyType(codes), MappingProxyType(parts), MappingProxyType(counts)
    return Vendor(name, table["title"], *frozen, tuple(rows), system, **facts)


def _check(about: str, row: Mapping[str, Any], columns: Mapping[str, type]) -> None:
    if row.keys() != columns.keys():
        raise Misconfigured(f"Vendors, {about}: found {', '.join(row)}; expected {', '.join(columns)}.")
    for column, expected in columns.items():
        if not isinstance(row[column], expected):
            raise Misconfigured(f"Vendors, {about}: {column} must be of type {expected.__name__}.")
    if not row["source"].startswith("https://") and row["source"] not in (TOLD, CHOSEN):
        raise Misconfigured(f"Vendors, {about}: source must be a page's address, {TOLD!r} or {CHOSEN!r}.")
