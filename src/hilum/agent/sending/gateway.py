"""To hilum's gateway: `POST /devices/bundles`, plain or sealed. It knows a batch again by the Bundle's identifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from hilum.agent.batch import Batch, Fate, Held, Stopped, Stored
from hilum.agent.sending import answered
from hilum.agent.sending.far import Far
from hilum.agent.sending.judging import judged
from hilum.agent.sending.tokens import Halted
from hilum.phd.fhir import bundle
from hilum.problems import Misconfigured

if TYPE_CHECKING:
    from hilum.oauth.envelope import Recipient

BUNDLES: Final = "/devices/bundles"
KEYS: Final = "/devices/jwks.json"
FHIR: Final = "application/fhir+json"
SEALED: Final = "application/jose"
WAITS: Final = "The gateway keeps it until somebody has said whose it is (hilum devices link)."


class _Key(msgspec.Struct, frozen=True):
    kid: str = ""


class _Keys(msgspec.Struct, frozen=True):
    keys: list[_Key]


class Gateway:
    """A Way. Raises Misconfigured where bundles are to be sealed and there is no key for it."""

    def __init__(self, far: Far) -> None:
        self._far = far
        self._recipient: Recipient | None = _recipient(far) if far.sending.seal else None

    async def send(self, batch: Batch) -> Fate:
        """Try once."""
        try:
            return await self._sent(batch)
        except Halted as halted:
            return halted.fate

    async def close(self) -> None:
        """Let go of connections."""
        await self._far.close()

    async def _sent(self, batch: Batch) -> Fate:
        far = self._far
        patient = far.whose(batch) or far.placeholder(batch)
        made = bundle(batch.taken, far.identity.device, patient, batch.id)
        content, type_ = answered.written(made), FHIR
        if self._recipient is not None:
            from hilum.oauth.envelope import sealed  # only who seals pays for it

            content, type_ = sealed(content, self._recipient).encode(), SEALED
        answer = await far.ask("POST", far.sending.to + BUNDLES, content, content_type=type_, accept=FHIR)
        said = answered.read(answer) if answer.status in (200, 201, 202) else None
        if said is not None and said.id == batch.id and len(said.statuses) == len(made["entry"]):
            if answer.status == 202 and all(one == 202 for one in said.statuses):
                return Held(answered.receipt(batch.id, (), held=True), WAITS)
            if answer.status != 202 and said.stored(len(made["entry"])):
                replayed = answer.headers.get("idempotency-replayed", "").lower() == "true"
                return Stored(answered.receipt(batch.id, said.locations, **({"replayed": True} if replayed else {})))
        if self._recipient is not None and answer.status in (400, 422) and not await self._still(self._recipient.kid):
            return Stopped(
                "The gateway has another key for sealed bundles by now: `hilum agent enroll URL --again` takes it."
            )
        return judged(answer, far.clock(), batch.tries)

    async def _still(self, kid: str) -> bool:
        """Whether the gateway still has the key: if not, it is the envelope that was refused, not what is in it."""
        answer = await self._far.ask("GET", self._far.sending.to + KEYS, accept="application/json")
        found = answer.json(_Keys) if answer.status == 200 else None
        return found is None or any(one.kid == kid for one in found.keys)


def _recipient(far: Far) -> Recipient:
    from hilum.oauth.envelope import NotSealed, recipient

    if far.identity.envelope is None:
        raise Misconfigured(
            "`seal` needs the gateway's key, and at enrolment it had none: enroll again, or don't seal."
        )
    try:
        return recipient(far.identity.envelope)
    except NotSealed as error:
        raise Misconfigured(f"The gateway's key for sealed bundles can't be used: {error}") from None
