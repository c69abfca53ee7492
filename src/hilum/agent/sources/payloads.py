"""Whole payloads, of a topic or a file: what they are is seen by how they begin.

begins with             is
----------------------  ------------------------------------------------------------------------
{                       JSON: what `hilum.phd.kept` writes, a measurement, or a wrapped recording
E2 00                   a recording of an IEEE 11073-20601 stream (it begins with an association)
MSH, FHS, BHS           IHE PCD-01, one message or more
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Final

import msgspec

from hilum.agent.sources import measurements
from hilum.agent.sources.recordings import Found, replay
from hilum.hl7v2 import batch, pcd01
from hilum.hl7v2.refused import Refused
from hilum.phd import kept
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Taken

LARGEST: Final = 16 << 20
"""Bytes of a payload."""
_ASSOCIATION: Final = b"\xe2\x00"
_HL7: Final = (b"MSH", b"FHS", b"BHS", b"\xef\xbb\xbfMSH")


@dataclass(frozen=True, slots=True)
class Reader:
    """`system_id`: the gateway's. `patients`: identifier of a patient (PID-3.1) -> which of the device's users that is;
    0: the device has but one.
    """

    system_id: bytes
    patients: Mapping[str, int] = field(default_factory=dict)

    def read(self, data: bytes, at: datetime, recorded: bool = True) -> Found:
        """All that a payload holds, the same each time. `at`: when it came. `recorded`: whether that is also when a
        recording was made. Raises Malformed: nothing is taken of it.
        """
        if len(data) > LARGEST:
            raise Malformed(f"{len(data)} bytes; expected {LARGEST} at most")
        if data.startswith(_ASSOCIATION):
            if not recorded:
                raise Malformed(
                    'a recording that does not say when it was made; expected {"recorded": …, "ieee20601": …}'
                )
            return replay(data, at, self.system_id)
        if data.startswith(_HL7):
            return Found(self._messages(data))
        if data.lstrip()[:1] == b"{":
            return self._json(data, at)
        raise Malformed("expected JSON, HL7 v2, or a recording that begins with an association request")

    def _json(self, data: bytes, at: datetime) -> Found:
        try:
            kind = msgspec.json.decode(data, type=_Kind)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Malformed(f"JSON: {error}") from None
        if kind.ieee20601 is not None:
            try:
                recording = msgspec.json.decode(data, type=_Recording)
            except (msgspec.DecodeError, RecursionError) as error:
                raise Malformed(f"a recording as JSON: {error}") from None
            return replay(recording.ieee20601, recording.recorded, self.system_id)
        if kind.is_ is not None:
            try:
                return Found((kept.read(data.decode("utf-8")),))
            except UnicodeDecodeError:
                raise Malformed("JSON is UTF-8") from None
        return Found((measurements.read(data, at),))

    def _messages(self, data: bytes) -> tuple[Taken, ...]:
        try:
            return tuple(one for message in batch.parse_file(data).messages for one in self._of(pcd01.read(message)))
        except Refused as error:
            raise Malformed(str(error)) from None

    def _of(self, upload: pcd01.Upload) -> tuple[Taken, ...]:
        if upload.processing != "P":
            raise Malformed("MSH[1]-11: a message for training or debugging; expected P")
        found = {self.patients[one.value] for one in upload.patient if one.value in self.patients}
        if len(found) != 1:
            raise Malformed("PID[1]-3: a patient that `patients` of this source does not name, or names twice")
        person = found.pop() or None
        return tuple(replace(one, person=person) for one in upload.taken)


class _Kind(msgspec.Struct, rename={"is_": "is"}):
    is_: str | None = None
    ieee20601: str | None = None


class _Recording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`recorded`: when, by a right clock. `ieee20601`: what the device sent, base64."""

    recorded: Annotated[datetime, msgspec.Meta(tz=True)]
    ieee20601: bytes
