"""`/sandbox/faults`: which faults are set, one more, none. For who has the sandbox's own key."""

from __future__ import annotations

import hmac
from typing import Final

import msgspec

from hilum.problems import Invalid
from hilum.sandbox import faults
from hilum.sandbox.exchange import Receive, Reply, Scope, body_of, json_reply
from hilum.sandbox.profile import Profile

PATH: Final = b"/sandbox/faults"


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    fault: str


class Admin:
    """The endpoint. `key`: what `Authorization: Bearer` must say."""

    def __init__(self, set: faults.Faults, profile: Profile, key: str) -> None:
        self._set, self._profile, self._key = set, profile, f"Bearer {key}".encode()

    async def respond(self, scope: Scope, receive: Receive) -> Reply:
        """GET lists them, POST `{"fault": "429:every=5"}` adds one, DELETE takes all away."""
        given = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(given, self._key):
            said = "The sandbox's own key is needed: it is printed when the sandbox starts."
            return json_reply(401, {"error": said}, (b"www-authenticate", b"Bearer"))
        method = scope["method"]
        if method == "POST":
            try:
                wanted = msgspec.json.decode(await body_of(receive), type=_Wanted)
                self._set.add(faults.read(wanted.fault, self._profile))
            except (msgspec.DecodeError, UnicodeDecodeError):
                return json_reply(400, {"error": 'A fault is sent as JSON: {"fault": "429:every=5"}'})
            except Invalid as problem:
                return json_reply(400, {"error": str(problem)})
        elif method == "DELETE":
            self._set.clear()
        elif method != "GET":
            return json_reply(405, {"error": "GET, POST and DELETE are possible."}, (b"allow", b"GET, POST, DELETE"))
        return json_reply(201 if method == "POST" else 200, {"faults": self._set.shown()})
