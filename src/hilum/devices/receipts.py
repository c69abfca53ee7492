"""Receipts: what became of a bundle, known by its name for 400 days, and how it is answered.

https://hl7.org/fhir/R4/http.html#transaction-response
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from hilum.devices.bundles import Name
from hilum.devices.records import RECEIPT_DAYS, Entry, Receipt
from hilum.fhir import json
from hilum.fhir.resource import instant
from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import DEVICE_RECEIPT, Put, read, write
from hilum.problems import Issue, NotFound, Unprocessable

URI: Final = "urn:ietf:rfc:3986"
_UUID: Final = "urn:uuid:"
_DAY: Final = 86_400_000_000
_HEX: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Kept:
    """A receipt, and the version of its record."""

    receipt: Receipt
    version: int


def key(client: str, name: Name) -> bytes:
    """Of the record: what a client calls by this name."""
    return sha256(json.encode([client, *name])).digest()


def id_of(receipt: Receipt) -> str:
    """What it is asked for by: the uuid of its bundle, or, where that is none, the digest of its name."""
    name = Name(receipt.system, receipt.value)
    if name.system == URI and name.value.startswith(_UUID):
        try:
            return str(UUID(name.value.removeprefix(_UUID)))
        except ValueError:
            pass
    return key(receipt.client, name).hex()


async def known(ledger: Ledger, place: bytes) -> Kept | None:
    """The receipt under a key."""
    row = await ledger.get(DEVICE_RECEIPT, place)
    return None if row is None else Kept(read(row, Receipt), row.version)


async def found(ledger: Ledger, client: str, id: str) -> Receipt:
    """A client's receipt, by its id. Raises NotFound, for those of others too."""
    places: list[bytes] = [bytes.fromhex(id)] if _HEX.fullmatch(id) else []
    try:
        uuid = UUID(id)
        texts = dict.fromkeys((str(uuid), str(uuid).upper(), id))
        places += [key(client, Name(URI, _UUID + text)) for text in texts]
    except ValueError:
        pass
    for place in places:
        kept = await known(ledger, place)
        if kept is not None and kept.receipt.client == client:
            return kept.receipt
    raise NotFound("There is no such receipt of this client: nothing of that name has come, or it was too long ago.")


def put(place: bytes, receipt: Receipt, version: int | None = None) -> Put:
    """Its record."""
    expires = receipt.at + RECEIPT_DAYS * _DAY
    return Put(DEVICE_RECEIPT, place, write(receipt), expires, receipt.client.encode(), version=version)


def same(receipt: Receipt, content: bytes) -> None:
    """Raises Unprocessable where another content had the name."""
    if receipt.content != content:
        text = "Another content came under this identifier before. What is new needs an identifier of its own."
        raise Unprocessable(issues=(Issue("error", "duplicate", text, "Bundle.identifier"),))


# --- as it is answered ------------------------------------------------------------------------------------------------


def answer(receipt: Receipt, base: str) -> bytes:
    """The Bundle of type transaction-response: the same for the first one who asks and for all later ones."""
    return json.encode(
        {
            "resourceType": "Bundle",
            "identifier": {**({"system": receipt.system} if receipt.system else {}), "value": receipt.value},
            "type": "transaction-response",
            "timestamp": instant(receipt.at),
            "entry": [{"response": one} for one in _responses(receipt, base)],
        }
    )


def _responses(receipt: Receipt, base: str) -> list[dict[str, Any]]:
    if receipt.held:
        issue = {"severity": "information", "code": "informational", "diagnostics": receipt.held}
        outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
        return [{"status": "202", "outcome": outcome} for _ in receipt.entries]
    return [
        {
            "status": "201" if one.created else "200",
            **({"location": _location(one, base)} if one.reference else {}),
            **({"etag": f'W/"{one.version}"'} if one.version else {}),
        }
        for one in receipt.entries
    ]


def _location(entry: Entry, base: str) -> str:
    return f"{base}/{entry.reference}" + (f"/_history/{entry.version}" if entry.version else "")


def shown(receipt: Receipt) -> bytes:
    """As JSON, for who asks for it by its id."""
    return json.encode(
        {
            "id": id_of(receipt),
            "identifier": {"system": receipt.system, "value": receipt.value},
            "status": "held" if receipt.held else "stored",
            **({"why": receipt.held} if receipt.held else {}),
            "received": instant(receipt.at),
            "entries": [
                {"reference": one.reference, "version": one.version, "created": one.created}
                for one in receipt.entries
                if one.reference
            ],
            **({"ack": receipt.ack} if receipt.ack else {}),
        }
    )
