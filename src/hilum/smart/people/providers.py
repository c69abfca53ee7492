"""OpenID providers that people may sign in with: what is set about them, what they publish, what their id_tokens say.

https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth, https://openid.net/specs/openid-connect-discovery-1_0.html
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from hilum.oauth import id_token, proof
from hilum.oauth.id_token import Untrusted
from hilum.oauth.keyset import Jwk
from hilum.problems import Invalid
from hilum.tables.reading import converted, each, secret_of
from hilum.web import outbound
from hilum.web.outbound import Guard, Unreachable

FILE: Final = "providers.toml"
"""In the data directory."""
MOST_BYTES: Final = 128 * 1024
LIFE: Final = 300.0
"""Seconds that what a provider publishes is kept."""

_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


NOWHERE: Final = Guard()


@dataclass(frozen=True, slots=True)
class Provider:
    """`id`: its name in addresses. `title`: on the button. `by_email`: an e-mail address that it has verified signs in
    the user of that name.
    """

    id: str
    title: str
    issuer: str
    client_id: str
    secret: str = field(repr=False)
    scopes: str = "openid"
    by_email: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What an id_token says: who, and how that was proven (`amr`)."""

    subject: str
    email: str = ""
    factors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Published:
    authorize: str
    token: str
    keys: tuple[Jwk, ...]
    post: bool
    until: float


def providers(folder: Path) -> Mapping[str, Provider]:
    """The providers of a data directory; none where it has no file of them. Raises Misconfigured."""
    return each(folder / FILE, partial(_provider, folder))


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    """The keys of a table of the file, and their types."""

    issuer: str
    client_id: str
    client_secret_file: str
    title: str = ""
    scopes: str = ""
    by_email: bool = False


def _provider(folder: Path, id: str, table: Any) -> Provider:
    """Raises Invalid."""
    if not _ID.fullmatch(id):
        raise Invalid("a name has letters a-z, digits and '-', 40 at most.")
    read = converted(table, _Table)
    if urlsplit(read.issuer).scheme not in ("https", "http"):
        raise Invalid("issuer must be an address, such as https://login.example.org.")
    if not read.client_id:
        raise Invalid("client_id must be a text.")
    scopes = read.scopes or ("openid email" if read.by_email else "openid")
    if "openid" not in scopes.split():
        raise Invalid("scopes must have openid among them.")
    secret = secret_of(folder, "client_secret_file", read.client_secret_file)
    return Provider(id, read.title or id, read.issuer, read.client_id, secret, scopes, read.by_email)


class Outside:
    """The providers, and what they publish, as this process has it. `clock`: seconds that only go forward.

    `guard`: what may be reached; the hosts of the providers' issuers may, wherever they are: an operator named them.
    """

    def __init__(
        self,
        known: Mapping[str, Provider] = MappingProxyType({}),
        guard: Guard = NOWHERE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.known = known
        hosts = {urlsplit(one.issuer).hostname or "" for one in known.values()}
        self._guard = Guard(guard.loopback, guard.inner | hosts, guard.resolve, guard.tls)
        self._clock = clock
        self._kept: dict[str, _Published] = {}

    async def authorize(self, provider: Provider) -> str:
        """Its authorization endpoint. Raises Untrusted."""
        return (await self._published(provider)).authorize

    async def told(self, provider: Provider, code: str, verifier: str, redirect: str, nonce: str, now: float) -> Told:
        """What the id_token says that comes for a code; other tokens are thrown away. Raises Untrusted."""
        published = await self._published(provider)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": verifier}
        more, headers = (proof.post if published.post else proof.basic)(provider.client_id, provider.secret)
        try:
            answer = await outbound.post(
                published.token, {**form, **more}, headers, limit=MOST_BYTES, guard=self._guard
            )
        except Unreachable as error:
            raise Untrusted(f"fetch {error.kind}") from None
        token = _object(answer.status, answer.body).get("id_token")
        if not isinstance(token, str):
            raise Untrusted("token")
        return judged(await self._verified(provider, token), provider, nonce, now)

    async def _verified(self, provider: Provider, token: str) -> dict[str, Any]:
        """The claims of a token that one of the provider's keys has signed."""

        async def keys(again: bool) -> Sequence[Jwk]:
            return (await self._published(provider, again=again)).keys

        return await id_token.verified(token, keys)

    async def _published(self, provider: Provider, *, again: bool = False) -> _Published:
        kept = self._kept.get(provider.id)
        if kept is None or again or self._clock() >= kept.until:
            kept = self._kept[provider.id] = await self._read(provider)
        return kept

    async def _read(self, provider: Provider) -> _Published:
        found = await self._fetched(f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != provider.issuer:
            raise Untrusted("issuer")
        places = [found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        schemes = ("https://", "http://") if self._guard.loopback else ("https://",)
        if not all(isinstance(place, str) and place.startswith(schemes) for place in places):
            raise Untrusted("form")
        authorize, token, jwks = map(str, places)
        public = id_token.published(await self._fetched(jwks))
        methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        post = isinstance(methods, list) and "client_secret_basic" not in methods
        return _Published(authorize, token, public, post, self._clock() + LIFE)

    async def _fetched(self, url: str) -> dict[str, Any]:
        try:
            answer = await outbound.get(url, limit=MOST_BYTES, guard=self._guard)
        except Unreachable as error:
            raise Untrusted(f"fetch {error.kind}") from None
        return _object(answer.status, answer.body)


def judged(claims: Mapping[str, Any], provider: Provider, nonce: str, now: float) -> Told:
    """Who a verified id_token is about. Raises Untrusted."""
    issuers = (provider.issuer,)
    subject = id_token.judged(claims, issuers=issuers, client=provider.client_id, nonce=nonce, now=now)
    email = claims.get("email")
    proven = claims.get("amr")
    return Told(
        subject,
        email if isinstance(email, str) and claims.get("email_verified") is True else "",
        tuple(one for one in proven if one in ("otp", "hwk", "swk", "mfa")) if isinstance(proven, list) else (),
    )


def _object(status: int, body: bytes) -> dict[str, Any]:
    if status != 200:
        raise Untrusted("status")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Untrusted("form") from None
    if not isinstance(found, dict):
        raise Untrusted("form")
    return found
