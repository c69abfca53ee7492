"""The far side: asked with a token that holds, in words that a batch's fate can be made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from hilum.agent.batch import Batch, Later, Stopped
from hilum.agent.http import Answer, Http, Unreached, Untrusted
from hilum.agent.identity import Identity
from hilum.agent.sending.settings import Sending
from hilum.agent.sending.tokens import Halted, Tokens
from hilum.phd.fhir import Patient
from hilum.phd.fhir.devices import telling
from hilum.problems import Misconfigured


class Far:
    """One far side. `clock`: seconds since 1970."""

    def __init__(
        self, sending: Sending, identity: Identity, http: Http | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.sending, self.identity, self.clock = sending, identity, clock
        self._http = http or Http(sending.ca)
        self._tokens = Tokens(self._http, identity, clock)

    async def ask(self, method: str, url: str, body: bytes | None = None, **headers: str) -> Answer:
        """The answer, whatever its status; a token that is no longer taken is renewed once. `headers`: with
        underscores. Raises Halted.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for again in (False, True):
            token = await self._tokens.get()
            answer = await self._once(method, url, body, named | _bearer(token))
            if answer.status != 401 or not token or again:
                break
            self._tokens.drop(token)
        return answer

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    def whose(self, batch: Batch) -> Patient | None:
        """As the settings say it; None: they don't."""
        return self.sending.patients.get((batch.device, batch.person))

    def placeholder(self, batch: Batch) -> Patient:
        """Whose the readings are, for a gateway that knows: the device, and which of its users."""
        person = "" if batch.person is None else batch.person
        origin = self.identity.issuer or "{0.scheme}://{0.netloc}".format(urlsplit(self.sending.to))
        return Patient(
            system=f"{origin.rstrip('/')}/devices/person", value=f"{telling(batch.taken[0].device).value}#{person}"
        )

    async def _once(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            return await self._http.ask(method, url, headers=headers, body=body)
        except Unreached as error:
            raise Halted(Later(str(error))) from None
        except (Untrusted, Misconfigured) as error:
            raise Halted(Stopped(str(error))) from None


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}


def unknown(batch: Batch) -> Stopped:
    """Nobody has said whose the readings are, and it is not guessed."""
    person = "" if batch.person is None else f" and its user {batch.person}"
    return Stopped(
        f"It is not known whose the readings of the device {batch.device}{person} are: "
        "add a [[patient]] to agent.toml and start the agent again."
    )
