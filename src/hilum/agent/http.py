"""HTTP to the far side: TLS always verified, no redirect followed, answers bounded in size and in time.

Calls run in threads, over urllib3. Proxies are those of the environment: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import msgspec
import urllib3
from urllib3.exceptions import (
    HTTPError,
    LocationValueError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    SSLError,
    TimeoutError,
    UnrewindableBodyError,
)

from hilum.problems import Misconfigured

T = TypeVar("T")

MOST: Final = 16 << 20
"""Bytes of an answer."""
CONNECT_SECONDS: Final = 15.0
READ_SECONDS: Final = 60.0
"""Between two pieces of an answer."""
WHOLE_SECONDS: Final = 180.0
LONGEST_WAIT: Final = 24 * 3600.0
"""Of what a far side asks for by Retry-After, so much is kept to."""

_HERE: Final = ("127.0.0.1", "::1", "localhost")
_PIECE: Final = 64 * 1024


class Unreached(Exception):
    """No answer, or none that is whole: whether the far side acted on the request is not known."""


class Untrusted(Exception):
    """The far side's certificate does not hold: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers`: names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """Of its body, without parameters."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    def json(self, kind: type[T]) -> T | None:
        """The body as what it is expected to be; None: it is not that."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def after(self, now: float) -> float | None:
        """Seconds that the far side asks to wait. https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3"""
        said = self.headers.get("retry-after", "").strip()
        if said.isascii() and said.isdigit():
            return min(float(said[:9]), LONGEST_WAIT)
        at = _date(said)
        return None if at is None else min(max(at - now, 0.0), LONGEST_WAIT)

    @property
    def at(self) -> float | None:
        """What the far side's clock said: seconds since 1970."""
        return _date(self.headers.get("date", ""))


def _date(text: str) -> float | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


class Http:
    """Connections to the far side. `ca`: the certificates that alone are trusted; None: the system's."""

    def __init__(self, ca: Path | None = None, seconds: float = WHOLE_SECONDS) -> None:
        self._seconds = seconds
        try:
            self._tls = ssl.create_default_context(cafile=None if ca is None else str(ca))
        except (OSError, ssl.SSLError):
            raise Misconfigured(
                f"{ca} can't be read as certificates: give the authority's certificate as PEM."
            ) from None
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._managers: dict[str, urllib3.PoolManager] = {}

    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        most: int = MOST,
    ) -> Answer:
        """One request, one answer, whatever its status. Raises Unreached, Untrusted, Misconfigured."""
        checked(url)
        try:
            return await asyncio.to_thread(self._ask, method, url, dict(headers or {}), body, most)
        except (HTTPError, HTTPException, OSError) as error:
            raise _told(error, urlsplit(url).netloc) from None

    async def close(self) -> None:
        """Let go of connections."""
        for manager in self._managers.values():
            manager.clear()

    def _ask(self, method: str, url: str, headers: dict[str, str], body: bytes | None, most: int) -> Answer:
        ends = time.monotonic() + self._seconds
        response = self._manager(url).request(
            method,
            url,
            headers={"user-agent": "hilum-agent", "accept-encoding": "identity"} | headers,
            body=body,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, self._seconds), read=min(READ_SECONDS, self._seconds)),
        )
        whole = False
        try:
            found = {name.lower(): value for name, value in response.headers.items()}
            if found.get("content-encoding", "identity").lower() != "identity":
                raise Unreached("The far side's answer is compressed, which it was asked not to be.")
            pieces, size = [], 0
            while piece := response.read1(_PIECE):
                pieces.append(piece)
                size += len(piece)
                if size > most:
                    raise Unreached(f"The far side's answer is longer than {most} bytes.")
                if time.monotonic() > ends:
                    raise Unreached(f"The far side's answer was not whole after {self._seconds:.0f} seconds.")
            length = found.get("content-length", "")
            if length.isdigit() and size != int(length) and method != "HEAD":
                raise Unreached("The far side's answer was cut off.")
            whole = True
            return Answer(response.status, found, b"".join(pieces))
        finally:
            if whole:
                response.release_conn()
            else:
                response.close()

    def _manager(self, url: str) -> urllib3.PoolManager:
        proxy = proxy_for(url)
        if proxy not in self._managers:
            self._managers[proxy] = self._made(proxy)
        return self._managers[proxy]

    def _made(self, proxy: str) -> urllib3.PoolManager:
        if not proxy:
            return urllib3.PoolManager(num_pools=4, maxsize=4, ssl_context=self._tls)
        parts = urlsplit(proxy)
        headers = {}
        if parts.username is not None:
            secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers = urllib3.make_headers(proxy_basic_auth=secret)
        try:
            return urllib3.ProxyManager(
                f"{parts.scheme}://{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 3128)}",
                num_pools=4,
                maxsize=4,
                ssl_context=self._tls,
                proxy_headers=headers,
            )
        except (HTTPError, ValueError):
            raise Misconfigured("The proxy of the environment must be http://HOST:PORT, or https://.") from None


def checked(url: str) -> str:
    """The same. Raises Misconfigured unless it is https, or http to this machine itself."""
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        sound = False
    if not sound or (parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _HERE)):
        raise Misconfigured(
            f"{url if sound else 'The address'} can't be used: the far side is reached at https://… and nothing else "
            "(http:// only on this machine itself)."
        )
    return url


def proxy_for(url: str) -> str:
    """The proxy of the environment for it, "" for none."""
    parts = urlsplit(url)
    found = getproxies_environment()
    if parts.hostname in _HERE or proxy_bypass_environment(parts.netloc, found):
        return ""
    proxy = found.get(parts.scheme) or found.get("all") or ""
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _told(error: Exception, host: str) -> Exception:
    """Which of the two it is, in words of ours."""
    if isinstance(error, MaxRetryError) and error.reason is not None:
        error = error.reason
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Untrusted(
                f"The certificate of {host} does not hold ({cause.verify_message}): check the address, this machine's "
                "clock, and the authority's certificate (`ca` in agent.toml)."
            )
        args = [one for one in cause.args if isinstance(one, BaseException)]
        cause = cause.__cause__ or (args[0] if args else None)
    return Unreached(f"{host}: {next(text for kind, text in _TROUBLES if isinstance(error, kind))}")


_TROUBLES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (NameResolutionError, "the name is not known"),
    (ProxyError, "the proxy does not answer, or does not let this through"),
    (NewConnectionError, "no connection"),
    (TimeoutError, "no answer in time"),
    (SSLError, "TLS could not be agreed on"),
    (LocationValueError, "this is no address"),
    (UnrewindableBodyError, "the request could not be repeated"),
    (Exception, "the connection was cut before the answer was whole"),
)
