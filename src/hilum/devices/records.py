"""What the gateway remembers beside resources."""

from __future__ import annotations

from typing import Final

from hilum.oauth.ledger import Record

RECEIPT_DAYS: Final = 400


class Agent(Record, frozen=True, omit_defaults=True):
    """An agent (kind DEVICE_AGENT, key: its client id). `patients`: ids of those that it may send for; `anyone`: it
    may for all, as in a clinic. `default`: whose are the readings of devices that know no users and have no link of
    their own. What has ended is its client. Times: seconds since 1970.
    """

    name: str
    patients: tuple[str, ...] = ()
    anyone: bool = False
    default: str = ""
    by: str = ""
    created: int = 0
    seen: int = 0
    device: str = ""
    """Its own Device, `Device/…`, once it has sent one."""
    version: str = ""


class Link(Record, frozen=True, omit_defaults=True):
    """Whose readings are. `person`: the user's number on the device, "" for one that knows no users."""

    patient: str
    person: str = ""
    by: str = ""
    at: int = 0


class Measuring(Record, frozen=True, omit_defaults=True):
    """A device that measures (kind DEVICE, key: SHA-256 of `system|value`). `revoked`: nothing of it is taken."""

    system: str
    value: str
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    links: tuple[Link, ...] = ()
    agent: str = ""
    """The client id of the agent that it was last seen by."""
    seen: int = 0
    battery: int | None = None
    created: int = 0
    revoked: bool = False


class Entry(Record, frozen=True, omit_defaults=True, array_like=True):
    """What an entry of a batch came to."""

    reference: str = ""
    """`Observation/…`, "" where it was not stored."""
    version: int = 0
    created: bool = False


class Receipt(Record, frozen=True, omit_defaults=True):
    """What became of a batch (kind DEVICE_RECEIPT, key: SHA-256 of client and identifier).

    `content`: SHA-256 of what was sent. `held`: why it waits, "" once it is stored. `at`: microseconds since 1970.
    """

    system: str
    value: str
    client: str
    content: bytes
    at: int
    entries: tuple[Entry, ...] = ()
    held: str = ""
    ack: str = ""
    """The acknowledgement of HL7 v2 that was sent, "" of a Bundle."""
