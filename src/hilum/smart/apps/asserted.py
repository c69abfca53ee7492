"""What the checks of an assertion need: registrations and `jti`s from the ledger, keys by value or by URL.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html, see `hilum.oauth.assertion`
"""

from __future__ import annotations

from collections.abc import Sequence

from hilum.access.ledger import Ledger
from hilum.oauth import keyset
from hilum.oauth.errors import OAuthError
from hilum.oauth.keyset import Jwk
from hilum.oauth.ledger import CLIENT, FRESH, JTI, Client, Put, digest, read
from hilum.smart.apps.jwks import KeySets, Unfetched


class Asserted:
    """Surroundings of `assertion.authenticated`."""

    def __init__(self, ledger: Ledger, sets: KeySets) -> None:
        self._ledger = ledger
        self._sets = sets

    async def client(self, id: str) -> Client | None:
        """The client, unless it was revoked."""
        row = await self._ledger.get(CLIENT, id.encode())
        return read(row, Client) if row is not None and row.state == FRESH else None

    async def keys(self, id: str, client: Client, kid: str) -> Sequence[Jwk]:
        """Its keys. Why a set can't be had is in the log: to a client it would tell what hilum can reach."""
        if not client.jwks_uri:
            try:
                return keyset.read(client.jwks)
            except keyset.Unfit:
                return ()
        try:
            return await self._sets.keys(client.jwks_uri, kid)
        except Unfetched as error:
            if error.kind == "busy":
                raise OAuthError("temporarily_unavailable", "Too many key sets at once.", retry_after=1) from None
            raise OAuthError("invalid_client", "Key: the registered key set could not be fetched.") from None

    async def once(self, issuer: str, jti: str, until: int) -> bool:
        """Of all who show the same `jti` of an issuer, in all processes, one is told True."""
        return await self._ledger.add(Put(JTI, digest(f"{issuer}\0{jti}"), b"{}", expires=until * 1_000_000))
