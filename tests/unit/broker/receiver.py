"""A downstream service over real HTTP: it verifies each delivery as Standard Webhooks has it, and honours the key.

Written from the specifications alone: nothing of hilum's is imported.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import response, serving

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()

LOST = "done, and the answer is lost"
CUT = "the connection is cut before anything is done"


@dataclass
class Receiver:
    """`script`: what is answered next, in order: a status, LOST or CUT; then 200. `effects`: what was done, by key.

    `attempts`: the keys of all requests, in their order. `wrong`: what a receiver would refuse. `gate`: what each
    request waits for, `asked` being set.
    """

    script: list[int | str] = field(default_factory=list)
    headers: list[bytes] = field(default_factory=list)
    effects: dict[str, bytes] = field(default_factory=dict)
    attempts: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    port: int = 0
    any_time: bool = False
    gate: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    def data(self, key: str) -> Any:
        return json.loads(self.effects[key])["data"]

    async def answer(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        lines = (line.partition(": ") for line in head.decode().split("\r\n")[1:])
        given = {name.lower(): value for name, _, value in lines}
        key = given["idempotency-key"].strip('"')
        self.attempts.append(key)
        if problem := self._judge(given, body):
            self.wrong.append(problem)
            writer.write(response(b"", status=b"401 Unauthorized"))
            return
        known = self.effects.get(key)
        if known is not None:
            if known != body:
                self.wrong.append("another body under the same key")
            writer.write(response(b"", status=b"200 OK" if known == body else b"422 Unprocessable Content"))
            return
        self.asked.set()
        if self.gate is not None:
            await self.gate.wait()
        next_ = self.script.pop(0) if self.script else 200
        if next_ == CUT:
            return
        if next_ == LOST:
            self.effects[key] = body
            return
        if next_ == 200:
            self.effects[key] = body
        writer.write(response(b'{"name":"Amy"}', *self.headers, status=b"%d Status" % next_))

    def _judge(self, given: dict[str, str], body: bytes) -> str:
        if not _quoted(given["idempotency-key"]):
            return "key"
        if given["webhook-id"] != given["idempotency-key"].strip('"') or "." in given["webhook-id"]:
            return "id"
        if abs(int(given["webhook-timestamp"]) - time.time()) > 300 and not self.any_time:
            return "timestamp"
        signed = f"{given['webhook-id']}.{given['webhook-timestamp']}.".encode() + body
        secret = base64.b64decode(SECRET.removeprefix("whsec_"))
        expected = "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
        if not any(hmac.compare_digest(expected, one) for one in given["webhook-signature"].split()):
            return "signature"
        return ""


def _quoted(value: str) -> bool:
    """A String of structured fields. https://www.rfc-editor.org/rfc/rfc8941#section-3.3.3"""
    return re.fullmatch(r'"[ -!#-\[\]-~]+"', value) is not None


@asynccontextmanager
async def receiving(receiver: Receiver | None = None, port: int = 0) -> AsyncIterator[Receiver]:
    here = Receiver() if receiver is None else receiver
    async with serving(here.answer, port=port) as server:
        here.port = server.port
        yield here
