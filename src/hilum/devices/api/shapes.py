"""What the API of devices takes and shows."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PatientId = Annotated[
    str, Field(pattern=r"^(Patient/)?[A-Za-z0-9\-.]{1,64}$", description="`Patient/ID`, or the id.", examples=["p1"])
]
Person = Annotated[
    str,
    Field(
        pattern=r"^([0-9]{1,3})?$",
        description="The number of the user on the device; empty for a device that knows no users.",
    ),
]


class Shape(BaseModel):
    """Nothing that is not known is taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Invite(Shape):
    """For whom an agent is to be enrolled."""

    name: Annotated[str, Field(max_length=200, description="What people call it; it may name itself.")] = ""
    patients: Annotated[list[PatientId], Field(max_length=200, description="Whose readings it may send.")] = []
    anyone: Annotated[bool, Field(description="It may send for every patient, as in a clinic.")] = False
    default: Annotated[
        PatientId | None,
        Field(description="Whose the readings are of devices that know no users and have no link of their own."),
    ] = None


class Invitation(Shape):
    """`hilum agent enroll` takes it. It is shown this once."""

    token: str
    expires_in: Annotated[int, Field(description="Seconds.")]
    scope: str


class Agent(Shape):
    """An agent that is enrolled."""

    id: Annotated[str, Field(description="Its client id.")]
    name: str
    patients: list[str]
    anyone: bool
    default: str | None
    device: Annotated[str | None, Field(description="Its own Device.")]
    version: str | None
    invited_by: str
    enrolled: datetime
    last_contact: datetime | None
    revoked: bool


class Agents(Shape):
    """All of them."""

    agents: list[Agent]


class Link(Shape):
    """Whose the readings of a user of a device are."""

    person: str
    patient: str
    by: str
    at: datetime


class Device(Shape):
    """A device that measures."""

    id: str
    system: str
    value: str
    name: str | None
    manufacturer: str | None
    model: str | None
    serial: str | None
    links: list[Link]
    agent: Annotated[str | None, Field(description="Client id of the agent by which it was last seen.")]
    battery: Annotated[int | None, Field(description="Per cent.")]
    last_contact: datetime | None
    revoked: bool


class Devices(Shape):
    """All of them."""

    devices: list[Device]


class LinkTo(Shape):
    """Whose they are to be."""

    patient: PatientId
    person: Person = ""


class NewLink(LinkTo):
    """The same, of a device that may not have been seen yet."""

    system: Annotated[str, Field(max_length=128, description="Of the identifier that tells it from all others.")] = ""
    value: Annotated[str, Field(min_length=1, max_length=64)]


class Unlink(Shape):
    """Which user's link is to end."""

    person: Person = ""


class Held(Shape):
    """A batch that waits. `id`: of its receipt, `/devices/receipts/{id}`."""

    id: str
    agent: str
    since: datetime
    why: str
    entries: int


class AllHeld(Shape):
    """All of them, the oldest first."""

    held: list[Held]


class Released(Shape):
    """How many batches were stored."""

    released: int
