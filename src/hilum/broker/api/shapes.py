"""What comes and goes as JSON, as models: `/api/docs` and `/api/openapi.json` are made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hilum.api.shapes import Shape
from hilum.api.whom import SAID, BySignIn, Patient
from hilum.broker.destinations import MOST_HOURS, OVERLAP_HOURS

Name = Annotated[str, Field(min_length=1, max_length=40, examples=["general"])]


class Gather(Shape):
    """An order: whom to gather, where, by which recipe, and where to deliver what the recipe makes of it."""

    patient: Patient | None = Field(None, description=SAID)
    sign_in: BySignIn = ""
    ehr: Name = Field(description="A connection: `GET /api/v1/ehrs`.")
    recipe: Name = Field(description="`GET /api/v1/recipes`.", examples=["visits"])
    deliver_to: str | None = Field(
        None,
        max_length=40,
        description='`GET /api/v1/destinations`; "" or null to keep what comes, and deliver nothing.',
    )

    @model_validator(mode="after")
    def _whom(self) -> Self:
        if self.patient is None and not self.sign_in:
            raise ValueError("a patient is needed, or a sign_in that has one")
        return self


class Came(Shape):
    """Resources of one type that came, and how many."""

    type: str
    count: int


class Missing(Shape):
    """Of one type: why it, or a part of it, did not come. `why`: a word of hilum's, the same for all vendors."""

    type: str
    why: str = Field(examples=["forbidden", "break-the-glass", "throttled", "broken"])


class Delivery(Shape):
    """One attempt to deliver."""

    result: str = Field(description="delivered, refused, unanswered, interrupted or under-way.")
    begun: datetime | None = None
    ended: datetime | None = None
    answer: str = Field("", description="HTTP and the status, or why there was none.", examples=["HTTP 503"])


class Reason(Shape):
    """Why an order failed."""

    code: str
    text: str


class Order(Shape):
    """An order as it is now. It holds no patient data but the reference to the Patient here.

    `status` is that of the FHIR Task, which the same request answers with under `Accept: application/fhir+json`.
    """

    id: str
    status: str = Field(description="requested, in-progress, completed, failed or cancelled; the last three end it.")
    step: str = Field(
        description="What is being done: requested, signing-in, gathering, storing, delivering, waiting; or how it "
        "ended: delivered, stored, dead-letter, failed, cancelled."
    )
    version: int = Field(description="Of the Task. It is the id of the event that tells of it, too.")
    ehr: str
    environment: str
    recipe: str
    deliver_to: str = ""
    store: bool = True
    created: datetime | None = None
    changed: datetime | None = None
    not_before: datetime | None = Field(
        None, description="While it is waiting: when it is tried again, as the EHR or the service asked, or by itself."
    )
    patient: str | None = Field(None, description="The Patient in hilum's own store, once it is there.")
    progress: dict[str, int] = Field({}, description="Counts, while it is being gathered.")
    came: list[Came] = Field([])
    refused: list[Missing] = Field([], description="What the EHR does not allow.")
    failed: list[Missing] = Field([])
    deliveries: list[Delivery] = Field([])
    reason: Reason | None = None
    task: str = Field(description="The FHIR Task that this is a view of.")


class Orders(Shape):
    """A page of orders, the last changed first. `next`: where the next page is."""

    orders: list[Order]
    next: str | None = None


class EhrFields(Shape):
    """What a connection is, but for its name. docs/how-to/connect-to-an-ehr.md"""

    vendor: str = Field(description="plain, epic, oracle or meditech.", examples=["plain"])
    base: str = Field(description="The FHIR base URL.", examples=["https://ehr.example.org/fhir"])
    client_id: str = Field(description="What the EHR knows hilum by.", examples=["hilum"])
    method: str = Field(
        "private_key_jwt", description="none, client_secret_basic, client_secret_post or private_key_jwt."
    )
    grants: list[str] = Field(["client_credentials"], description="client_credentials, authorization_code.")
    system_scopes: str = Field("", description="Asked for by Backend Services.", examples=["system/*.rs"])
    user_scopes: str = Field("", description="Asked for by App Launch.", examples=["launch/patient patient/*.rs"])
    recipes: list[str] = Field(["*"], description="Those that may be used with it; `*`: all.", examples=[["visits"]])
    issuer: str = Field("", description="What the EHR calls itself in a launch, where that is not its base.")
    title: str = Field("", examples=["General Hospital"])
    alg: str = Field("RS384", description="RS384 or ES384.")
    mrn_system: str = Field(
        "", description="Of its medical record numbers.", examples=["urn:oid:1.2.36.146.595.217.0.1"]
    )
    disabled: bool = False


class EhrChange(EhrFields):
    """A connection, all of it. `secret` "": the one that it has stays, where the base stays as it is."""

    environment: Literal["sandbox", "production"] | None = Field(
        None, description="That of this hilum, and no other: the two never mix."
    )
    secret: str = Field("", max_length=4096, repr=False, description="Of the client; sealed, and never shown.")


class EhrNew(EhrChange):
    """A connection that is new."""

    name: Name


class Ehr(EhrFields):
    """A connection. `origin`: who added it or changed it last, or `file`, where it is changed in the data directory's
    ehrs.toml.
    """

    name: str
    environment: str
    origin: str
    created: datetime | None = None
    has_secret: bool = False


class Ehrs(Shape):
    """All connections, by name."""

    ehrs: list[Ehr]


class Step(Shape):
    """What was tried, what came of it, and what to do. `side`: whose it is, where it does not simply work."""

    step: str
    state: Literal["works", "note", "fails", "skipped"]
    found: str
    todo: str = ""
    side: Literal["ours", "theirs", "network", ""] = ""


class Checked(Shape):
    """Whether a connection works, and how that was seen. `untried`: steps that were skipped, most of which take a
    person; each says how it is done.
    """

    works: bool = Field(description="Nothing that was tried fails.")
    untried: list[str] = Field([])
    steps: list[Step]


class SignIn(Shape):
    """What a person has allowed hilum at an EHR. `sign_in`: by what orders name it; it opens nothing by itself. `who`:
    as the EHR says it. `renewed`: when the EHR last gave a token for it; `ends`: when it is forgotten unless it gives
    another one by then.
    """

    sign_in: str
    ehr: str
    who: str
    scopes: str
    begun: datetime
    renewed: datetime
    ends: datetime


class SignIns(Shape):
    """People's sign-ins, the last begun first."""

    sign_ins: list[SignIn]


class Recipe(Shape):
    """What a recipe gathers. `start`: what a patient may be named by; `delivers`: whether it makes a payload."""

    name: str
    title: str
    start: list[str]
    types: list[str]
    store: bool
    delivers: bool


class Unsound(Shape):
    """A file of the data directory's `recipes` that is no recipe, and what is wrong with it."""

    name: str
    problem: str


class Recipes(Shape):
    """All recipes, by name; and the files that are none."""

    recipes: list[Recipe]
    unsound: list[Unsound]


class Destination(Shape):
    """A service that can be delivered to; its address may be a secret, and is not shown."""

    name: str
    environment: str


class Destinations(Shape):
    """All destinations, by name."""

    destinations: list[Destination]


class Rotate(Shape):
    """Another secret for a destination."""

    overlap_hours: float = Field(
        OVERLAP_HOURS,
        ge=0,
        le=MOST_HOURS,
        description="For how long deliveries are signed with the secret of before, too; 0: no more from now on.",
    )
    secret: str = Field(
        "",
        max_length=128,
        repr=False,
        description="The one that the receiver has already (`whsec_…`, as Standard Webhooks has it); without one it is "
        "made.",
    )


class Rotated(Shape):
    """A destination that has another secret."""

    name: str
    secret: str | None = Field(None, repr=False, description="The new one, where it was made: shown this once.")
    former_until: datetime | None = Field(None, description="Until when the one of before signs, too.")


class Listed(Shape):
    """An organization of an imported directory, and where it is reached."""

    organization: str
    place: str
    base: str
    version: str
    directory: str
    vendor: str


class Directory(Shape):
    """The organizations that were found, the nearest names first."""

    organizations: list[Listed]
