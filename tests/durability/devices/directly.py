"""The agent that hilum's is not: no queue, no receipts. Each session goes to `POST /fhir` until an answer comes back.

What it takes is stored, since a device is told so only then. What streams, or has no identifier, is stored twice where
an answer was lost, and the check has to see that.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, Final

import msgspec
import urllib3

from hilum.phd.fhir import Patient, bundle
from hilum.phd.reading import Device, Taken

GATEWAY: Final = Device(system_id="EC-DE-3D-4E-58-53-2D-31", manufacturer="hilum", model="agent", serial="1")


class Directly:
    """`patients`: of each (device key, person)."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._url, self._token = settings["url"], settings["token"]
        self._patients: dict[str, str] = settings["patients"]
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._pool = urllib3.PoolManager(maxsize=16, retries=False, timeout=urllib3.Timeout(10))

    async def take(self, taken: Taken) -> None:
        patient = Patient(id=self._patients[f"{taken.device.key} {taken.person or ''}".rstrip()])
        body = self._encoder.encode(bundle(taken, GATEWAY, patient, uuid.uuid4().urn))
        while not await asyncio.to_thread(self._sent, body):
            pass

    def _sent(self, body: bytes) -> bool:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/fhir+json"}
        try:
            answer = self._pool.request("POST", self._url + "/fhir", body=body, headers=headers)
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == 200

    async def seen(self, device: Device, battery: int | None = None) -> None:
        """Nobody asks."""

    async def refuse(self, source: str, device: str, data: bytes, why: str) -> None:
        """Nothing is malformed."""
