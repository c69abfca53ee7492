"""The steps of an order at which a process can be killed: each write to the store, each request to another server.

What a call is named is read from its arguments alone: the record or resource that it writes, the address it asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from hilum.broker.order import ASKED, GATHERED, READY, Order
from hilum.broker.parcels import OWNER
from hilum.oauth.lease import Lease
from hilum.oauth.ledger import CURSOR, EHR_TOKEN, LEASE, PARCEL, Put
from hilum.store.interface import Commit

REQUESTS: Final = ("discovery", "token", "patient", "page 1", "page 2", "delivery")
"""At those a process is killed before, during and after."""

FRESH: Final = ("cursor made", "feed's lease offered", "sign-in's lease offered")
"""Those that there are once in the life of a store, in their order."""
STEPS: Final = {
    "well": (
        "accepted",
        "feed's lease taken",
        "order's lease offered",
        "cursor moved",
        "order's lease taken",
        "record asked, begun",
        "task in-progress signing-in",
        "sign-in's lease taken",
        "token forgotten",
        "token kept",
        "sign-in's lease laid down",
        "task in-progress gathering",
        "record gathered",
        "record gathered, begun",
        "task in-progress storing",
        "resources",
        "record ready",
        "record ready, attempt begun",
        "task in-progress delivering",
        "record settled",
        "task completed delivered",
        "record forgotten",
        "order's lease ended",
        "feed's lease laid down",
        *REQUESTS,
    ),
    "not stored": ("accepted", "record asked, begun", "record ready", "record settled", "page 2"),
    "not delivered": ("record settled", "task completed stored", "record forgotten", "order's lease ended"),
    "not gathered": ("record asked, waits", "task in-progress waiting", "order's lease laid down"),
    "refused": ("record ready, attempt ended", "task in-progress waiting", "order's lease laid down"),
    "lost": ("delivery", "record ready, attempt ended"),
    "dead": ("record dead", "task failed dead-letter", "order's lease ended"),
    "replayed": ("replay", "order's lease taken", "record ready, attempt begun", "delivery", "record settled"),
    "left off": ("record asked, begun", "record asked", "order's lease laid down"),
    "cancelled": ("task cancelled", "task cancelled, told", "record forgotten", "order's lease ended"),
}
"""How an order goes -> the steps that it is killed at then, each before and after."""


def step(method: str, args: Sequence[Any]) -> str:
    """The name of a call."""
    return NAMES[method](*args)


def _commit(commit: Commit) -> str:
    if commit.puts:
        return "accepted"
    (first, *_) = commit.writes
    if first.type != "Task" or first.draft is None:
        return "resources"
    body = first.draft.body
    status, business = body["status"], body["businessStatus"]["coding"][0]["code"]
    if status == "cancelled":
        return "task cancelled, told" if business == "cancelled" else "task cancelled"
    return f"task {status} {business}"


def _whose(key: bytes) -> str:
    if key.startswith(OWNER + b":"):
        return "order's"
    return "feed's" if key.startswith(b"feed:") else "sign-in's"


def _add(put: Put) -> str:
    return {CURSOR: "cursor made", EHR_TOKEN: "token kept", LEASE: f"{_whose(put.key)} lease offered"}[put.kind]


def _replace(put: Put, version: int) -> str:
    if put.kind == CURSOR:
        return "cursor moved"
    if put.kind == LEASE:
        taken = msgspec.json.decode(put.value, type=Lease).holder
        return f"{_whose(put.key)} lease {'taken' if taken else 'laid down'}"
    order = msgspec.json.decode(put.value, type=Order)
    if order.step == READY and order.attempts:
        return "record ready, attempt " + ("ended" if order.attempts[-1].ended else "begun")
    if order.step in (ASKED, GATHERED) and order.tries:
        return f"record {order.step}, " + ("waits" if order.again > order.at else "begun")
    return f"record {order.step}"


def _remove(kind: int, key: bytes, value: bytes | None = None) -> str:
    return {PARCEL: "record forgotten", EHR_TOKEN: "token forgotten", LEASE: f"{_whose(key)} lease ended"}[kind]


def _send(method: str, url: Any, *_: Any) -> str:
    parts = urlsplit(url if isinstance(url, str) else url.path)
    for end, name in (("/smart-configuration", "discovery"), ("/token", "token"), ("/Patient", "patient")):
        if parts.path.endswith(end):
            return name
    if method == "POST":
        return "delivery"
    return "page 2" if "page=2" in parts.query else "page 1"


NAMES: Final[dict[str, Callable[..., str]]] = {
    "commit": _commit,
    "add": _add,
    "replace": _replace,
    "remove": _remove,
    "many": lambda puts: "replay",
    "send": _send,
}
"""By the method that leaves something behind when it returns, here or elsewhere."""
