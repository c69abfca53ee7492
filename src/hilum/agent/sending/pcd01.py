"""As PCD-01: HL7 v2.6 by HTTPS POST, or as IHE's web service. IHE Devices Technical Framework, volume 2, 3.1.

What became of a message its acknowledgement says, not HTTP: AA, or CA, is stored. MSH-10 is of the batch, the same each
time, by which a receiver knows it again.
"""

from __future__ import annotations

from typing import Final

from hilum.agent.batch import Batch, Fate, Held, Later, Refused, Stopped, Stored
from hilum.agent.http import Answer
from hilum.agent.sending.far import Far, unknown
from hilum.agent.sending.judging import CONFLICTS, judged
from hilum.agent.sending.tokens import Halted
from hilum.hl7v2 import ack, message, pcd01, soap
from hilum.hl7v2.message import Message
from hilum.hl7v2.refused import Condition
from hilum.hl7v2.refused import Refused as NotTaken
from hilum.hl7v2.soap import Code
from hilum.phd import nomenclature
from hilum.phd.fhir import Patient

ER7: Final = "application/hl7-v2"
SOAP: Final = "application/soap+xml"
_ER7_TYPES: Final = (ER7, "application/hl7-v2+er7", "x-application/hl7-v2+er7", "text/plain", "text/hl7v2")
_PASSING: Final = frozenset((Condition.LOCKED, Condition.INTERNAL))
"""Conditions that need not say anything of the message: many receivers say 207 of whatever went wrong."""
_ANSWERED: Final = frozenset((200, 201, 202, 400, 409, 422, 500))
"""Statuses that an acknowledgement or a fault comes with."""
_HELD: Final = "HELD"
"""ERR-5 of hilum's gateway, beside AA: it is kept, and nobody has said yet whose it is."""
_OID: Final = "urn:oid:"


class Pcd01:
    """A Way: the message as it is."""

    def __init__(self, far: Far) -> None:
        self._far = far

    async def send(self, batch: Batch) -> Fate:
        """Try once."""
        try:
            made = _written(self._far, batch)
            return made if isinstance(made, Stopped) else await self._sent(batch, made)
        except Halted as halted:
            return halted.fate
        except NotTaken as refused:
            return Refused(f"HL7 v2 has no way to say it: {refused}")

    async def close(self) -> None:
        """Let go of connections."""
        await self._far.close()

    async def _sent(self, batch: Batch, made: Message) -> Fate:
        kind = f"{ER7}; charset=utf-8"
        answer = await self._far.ask("POST", self._far.sending.to, made.write(), content_type=kind, accept=ER7)
        if answer.status in _ANSWERED and answer.media_type in _ER7_TYPES:
            try:
                return _fate(answer, message.parse(answer.body), made, batch.tries)
            except NotTaken:
                pass
        return judged(answer, self._far.clock(), batch.tries)


class Soap(Pcd01):
    """A Way: CommunicatePCDData."""

    async def _sent(self, batch: Batch, made: Message) -> Fate:
        to = self._far.sending.to
        envelope = soap.request(made, to=to, message_id=batch.id)
        answer = await self._far.ask("POST", to, envelope, content_type=soap.CONTENT_TYPE, accept=SOAP)
        if answer.status in _ANSWERED and answer.media_type == SOAP:
            try:
                said = soap.parse_response(answer.body)
                if said.relates_to in ("", batch.id):
                    return _fate(answer, message.parse(said.content, codec="utf-8"), made, batch.tries)
            except soap.Fault as fault:
                if fault.reason:  # it came back: what can't be read is judged by its status
                    return _faulted(fault)
            except NotTaken:
                pass
        return judged(answer, self._far.clock(), batch.tries)


def _written(far: Far, batch: Batch) -> Message | Stopped:
    patient = far.whose(batch)
    if patient is None and far.identity.gateway and far.sending.to.startswith(f"{far.identity.gateway}/"):
        patient = far.placeholder(batch)
    if patient is None:
        return unknown(batch)
    identity = far.identity
    upload = pcd01.Upload(
        control_id=batch.id.rpartition(":")[2],
        sent=max(taken.received for taken in batch.taken),
        patient=(_identifier(patient),),
        gateway=pcd01.Gateway(identity.system_id, identity.name),
        taken=batch.taken,
    )
    return pcd01.write(upload, _name)


def _identifier(patient: Patient) -> pcd01.Identifier:
    """PID-3. A logical id is the receiver's own."""
    if patient.id:
        return pcd01.Identifier(patient.id, type="PI")
    if patient.system.startswith(_OID):
        return pcd01.Identifier(patient.value, "", patient.system.removeprefix(_OID), "ISO", patient.type)
    return pcd01.Identifier(patient.value, "", patient.system, "URI", patient.type)


def _name(code: int) -> str:
    known = nomenclature.term(code)
    return "" if known is None else known.reference


def _fate(answer: Answer, said: Message, made: Message, tries: int) -> Fate:
    """Raises NotTaken: it is no acknowledgement.

    An error (AE) is of the content. A reject (AR) is of the type, the version, the sender or the receiver (2.9.2.2).
    """
    code, of, errors = ack.acknowledged(said)
    if of != made.control_id:
        return Later("The far side acknowledged another message than the one that was sent.")
    if code in ("AA", "CA"):
        text = said.write().decode(said.codec)
        if answer.status == 202 or any(error[5, 1] == _HELD for error in said.all("ERR")):
            return Held(text, "The far side keeps it until somebody has said whose it is.")
        return Stored(text) if answer.status in (200, 201) else Later(f"AA came with HTTP status {answer.status}.")
    conditions = {condition for condition, _ in errors if condition is not None}
    told = ", ".join(f"{int(one)}" for one in sorted(conditions))
    places = ", ".join(str(place) for _, place in errors[:3] if place is not None)
    why = (
        f"The far side answered {code}" + (f", condition {told}" if told else "") + (f", at {places}" if places else "")
    )
    if code in ("AR", "CR"):
        return Stopped(f"{why}: it takes no such messages, or none of this agent or device. Ask the people who run it.")
    if conditions and conditions <= _PASSING and tries < CONFLICTS:
        return Later(f"{why}: it may have trouble of its own.")
    return Refused(f"{why}: it does not take this content.")


def _faulted(fault: soap.Fault) -> Fate:
    if fault.fault is Code.RECEIVER:
        return Later("The far side answered with a SOAP fault: it has trouble of its own.")
    if fault.fault is Code.SENDER:
        return Refused("The far side answered with a SOAP fault: it does not take this content.")
    return Stopped(f"The far side answered with a SOAP fault, {fault.fault.value}: it speaks SOAP in another way.")
