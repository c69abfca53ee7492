"""Asking an EHR: searches, page after page, and reads; with its throttle, its quirks, and what it takes to ask again.

https://hl7.org/fhir/R4/http.html, https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, urlencode, urljoin

from hilum.broker.far import Failed, Kind, Note, Page, Side
from hilum.broker.outcomes import failure, found_nothing, notes
from hilum.broker.throttle import Clock, Sleep, Throttle, retry_at
from hilum.broker.together import together
from hilum.broker.vendors import Parts, Vendor
from hilum.fhir import json
from hilum.problems import Malformed
from hilum.web.addresses import Target, target
from hilum.web.outbound import Fetched, Unreachable
from hilum.web.pool import LONGEST, Pool

Token = Callable[[bool], Awaitable[str]]
"""The access token to send, "" for none; given True, one that is not the one that was just refused. Raises Failed."""

PAGES: Final = 1000
BYTES: Final = 32 * 1024 * 1024
TRIES: Final = 3
BACKOFF_SECONDS: Final = 0.5
_ACCEPT: Final = "application/fhir+json, application/json;q=0.9"
_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}")

_ON_THE_WAY: Final[Mapping[str, tuple[Kind, Side, bool, str]]] = {
    "form": ("unreachable", "ours", False, "The URL is none that hilum sends requests to."),
    "scheme": ("unreachable", "ours", False, "The base URL must be https."),
    "port": ("unreachable", "ours", False, "The port of the base URL is none that hilum sends requests to."),
    "address": ("unreachable", "ours", False, "The host has a private address, which an operator must allow first."),
    "reserved": ("unreachable", "ours", False, "The host has a link-local or reserved address, which is never asked."),
    "name": ("unreachable", "network", True, "The name of the host has no address."),
    "connect": ("unreachable", "network", True, "The host takes no connection, or cut it."),
    "time": ("unreachable", "network", True, "The host did not answer in time."),
    "tls": ("unreachable", "theirs", False, "The host shows no certificate that is valid for its name."),
    "protocol": ("broken", "theirs", True, "The answer ended too early, or is no HTTP."),
    "coding": ("broken", "theirs", True, "The answer can't be unpacked."),
    "size": ("limit", "ours", False, "The answer is longer than hilum takes: ask for fewer resources on a page."),
}
"""What kept a request from an answer (`Unreachable.kind`): kind, side, whether it may pass, and what to tell."""


class Asking:
    """A connection that is signed in: see `Far`. `patient`: that of the launch context. `pages` bounds one search,
    `limit` the bytes of one answer, `tries` how often one request is sent that fails for now.
    """

    def __init__(
        self,
        base: str,
        vendor: Vendor,
        token: Token,
        throttle: Throttle,
        pool: Pool,
        *,
        patient: str = "",
        pages: int = PAGES,
        limit: int = BYTES,
        tries: int = TRIES,
        clock: Clock = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.base, self.patient, self.requests = base, patient, 0
        self._vendor, self._token, self._throttle, self._pool = vendor, token, throttle, pool
        self._pages, self._limit, self._tries = pages, limit, tries
        self._clock, self._sleep = clock, sleep
        self._root = base.rstrip("/") + "/"

    async def search(self, type: str, parameters: Sequence[tuple[str, str]]) -> AsyncGenerator[Page, None]:
        """All pages in their order, no match twice. Where only some parts of a search failed, a last page says so."""
        parts = self._vendor.parts.get(type)
        each = _in_parts(parts, parameters) if parts is not None else (parameters,)
        seen: set[tuple[Any, Any]] = set()
        if len(each) == 1:
            async with aclosing(self._part(type, parameters, seen)) as pages:
                async for page in pages:
                    yield page
            return
        failed: list[Failed] = []
        async with aclosing(together([self._part(type, one, seen) for one in each])) as found:
            async for number, came in found:
                if isinstance(came, Failed):
                    failed.append(came)
                else:
                    yield replace(came, more=came.more or number < len(each) - 1 or bool(failed))
        if len(failed) == len(each):
            raise failed[0]
        if failed:
            yield Page((), notes=tuple(Note((*one.codes, one.kind)[0], "error", partial=True) for one in failed))

    async def read(self, type: str, id: str) -> Mapping[str, Any]:
        """One resource."""
        body = await self._get(self._url(type, "/" + quote(id, safe="")), paging=False)
        if body.get("resourceType") != type:
            raise self._broken(f"The answer to a read of {type} is a resource of another type.", body)
        return body

    async def _part(
        self, type: str, parameters: Sequence[tuple[str, str]], seen: set[tuple[Any, Any]]
    ) -> AsyncGenerator[Page, None]:
        """One search. When the EHR forgets its pages midway it is sent once more, and what came already is left out."""
        first = self._url(type, self._query(type, parameters))
        url, read, restarted = first, {first}, False
        while True:
            try:
                body = await self._get(url, paging=url is not first)
            except Failed as caught:
                if found_nothing(caught.codes, self._vendor):
                    yield Page((), notes=tuple(Note(code, "information") for code in caught.codes))
                    return
                if caught.kind != "gone" or url is first or restarted:
                    raise
                url, read, restarted = first, {first}, True
                continue
            page, link = self._page(type, body, seen)
            yield page
            if link is None:
                return
            url = self._next(link)
            if url in read:
                raise Failed("broken", "The link to the next page leads back to one that was read.")
            if len(read) >= self._pages:
                raise Failed("limit", f"The search has more than {self._pages} pages: narrow it.", side="ours")
            read.add(url)

    def _page(self, type: str, body: Mapping[str, Any], seen: set[tuple[Any, Any]]) -> tuple[Page, str | None]:
        """A searchset taken apart, and the link to the next one."""
        if body.get("resourceType") == "OperationOutcome":
            return self._alone(body), None
        if body.get("resourceType") != "Bundle":
            raise self._broken("The answer to a search is no Bundle.", body)
        matches: list[Mapping[str, Any]] = []
        included: list[Mapping[str, Any]] = []
        said: tuple[Note, ...] = ()
        for entry in _items(body, "entry"):
            resource, mode = entry.get("resource"), entry.get("search")
            mode = mode.get("mode") if isinstance(mode, dict) else None
            if not isinstance(resource, dict):
                said += (Note("incomplete", "warning", partial=True),)
            elif mode == "outcome" or resource.get("resourceType") == "OperationOutcome":
                said += notes(resource, self._vendor)
            else:
                key = resource.get("resourceType"), resource.get("id")
                if all(isinstance(word, str) for word in key):  # else it is nobody's, and who gathers says so
                    if key in seen:
                        continue
                    seen.add(key)
                match = mode == "match" or (mode is None and key[0] == type)
                (matches if match else included).append(resource)
        if not matches and (failed := failure(said, self._vendor)):
            raise failed
        link = next((one.get("url") for one in _items(body, "link") if one.get("relation") == "next"), None)
        link = link if isinstance(link, str) else None
        return Page(tuple(matches), tuple(included), said, link is not None), link

    def _alone(self, outcome: Mapping[str, Any]) -> Page:
        """A success with an OperationOutcome and no Bundle is fine where it says that there is nothing."""
        said = notes(outcome, self._vendor)
        if failed := failure(said, self._vendor):
            raise failed
        if not found_nothing([one.code for one in said], self._vendor):
            raise self._broken("The answer to a search is an OperationOutcome, and no Bundle.", outcome)
        return Page((), notes=said)

    # --- URLs ---------------------------------------------------------------------------------------------------------

    def _query(self, type: str, parameters: Sequence[tuple[str, str]]) -> str:
        names = {name for name, _ in parameters}
        count = self._vendor.counts.get(type)
        if count and "_count" not in names and not (self._vendor.id_stands_alone and "_id" in names):
            parameters = (*parameters, ("_count", str(count)))
        return "?" + urlencode(parameters, safe=":,/$", quote_via=quote) if parameters else ""

    def _url(self, type: str, rest: str) -> Target:
        if not _TYPE.fullmatch(type):
            raise Failed("refused", "That is no type of FHIR resource.", side="ours")
        return _target(self._root + type + rest)

    def _next(self, link: str) -> Target:
        """The next page: on the same host alone, since the token goes along."""
        try:
            url, base = _target(urljoin(self._root, link)), _target(self._root)
        except ValueError:
            raise Failed("broken", "The link to the next page is no URL.") from None
        if (url.scheme, url.host, url.port) != (base.scheme, base.host, base.port):
            raise Failed("broken", "The link to the next page leads to another host, where hilum does not follow it.")
        return url

    # --- requests -----------------------------------------------------------------------------------------------------

    async def _get(self, url: Target, *, paging: bool) -> dict[str, Any]:
        """An answer's body. Asks again where that may help: at once with a new token, later where the EHR is busy."""
        tried, renewed, fresh = 0, False, False
        while True:
            tried += 1
            try:
                return await self._once(url, fresh=fresh, paging=paging)
            except Failed as failed:
                fresh = failed.kind == "unauthorized" and not renewed
                wait = 0.0 if fresh else self._wait(failed, tried)
                if wait is None:
                    raise
                renewed = renewed or fresh
            if wait:
                await self._sleep(wait)

    def _wait(self, failed: Failed, tried: int) -> float | None:
        """Seconds until the same may be asked again; None when it is not to be."""
        if not failed.again or failed.kind == "gone" or tried >= self._tries:
            return None
        if failed.retry_at is not None:
            wait = failed.retry_at - self._clock()
            return max(0.0, wait) if wait <= self._vendor.longest_wait else None
        if failed.codes and failed.kind == "throttled" and self._vendor.codes.get(failed.codes[0]):
            return None  # a daily cap: a moment does not help
        return BACKOFF_SECONDS * float(2 ** (tried - 1)) * (0.5 + random.random())

    async def _once(self, url: Target, *, fresh: bool, paging: bool) -> dict[str, Any]:
        async with self._throttle:
            token = await self._token(fresh)
            headers = {"accept": _ACCEPT, "authorization": f"Bearer {token}"} if token else {"accept": _ACCEPT}
            self.requests += 1
            try:
                answer = await self._pool.send("GET", url, headers, limit=self._limit)
            except Unreachable as caught:
                kind, side, again, text = _ON_THE_WAY[caught.kind]
                raise Failed(kind, text, side=side, again=again) from None
        if answer.status == 200:
            return self._parsed(answer)
        raise self._failed(answer, paging=paging)

    def _parsed(self, answer: Fetched) -> dict[str, Any]:
        try:
            return json.parse(answer.body)
        except Malformed:
            text = "The answer is no JSON that can be read, or was cut off."
            raise Failed("broken", text, status=answer.status, again=True) from None

    def _failed(self, answer: Fetched, *, paging: bool) -> Failed:
        now = self._clock()
        until = retry_at(answer.headers.get("retry-after"), now) if answer.status in (429, 503) else None
        if until is not None:
            self._throttle.hold(until)
        try:
            body = json.parse(answer.body)
        except Malformed:
            body = {}
        said = notes(body, self._vendor) if body.get("resourceType") == "OperationOutcome" else ()
        found = failure(said, self._vendor, status=answer.status, retry_at=until, paging=paging)
        return found or self._broken("The answer has a status that a read or a search does not have.", body)

    def _broken(self, text: str, body: Mapping[str, Any]) -> Failed:
        said = notes(body, self._vendor) if body.get("resourceType") == "OperationOutcome" else ()
        return Failed("broken", text, codes=tuple(one.code for one in said))


def _in_parts(parts: Parts, parameters: Sequence[tuple[str, str]]) -> Sequence[Sequence[tuple[str, str]]]:
    if any(name.partition(":")[0] in parts.unless for name, _ in parameters):
        return (parameters,)
    return tuple((*parameters, (parts.by, value)) for value in parts.values)


def _target(url: str) -> Target:
    found = target(url, LONGEST)
    if isinstance(found, str):
        kind, side, again, text = _ON_THE_WAY[found]
        raise Failed(kind, text, side=side, again=again)
    return found


def _items(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = body.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
