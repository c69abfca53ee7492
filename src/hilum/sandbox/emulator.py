"""A vendor's EHR: hilum's own ASGI application, with what the vendor does otherwise before and behind it.

https://asgi.readthedocs.io/en/latest/specs/www.html

Only what a quirk or a fault is about is looked at: sign-in pages, discovery and writes are hilum's as they are.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from hilum.access.tokens import Minter
from hilum.fhir import json, xml
from hilum.sandbox import answers
from hilum.sandbox.admin import PATH as ADMIN
from hilum.sandbox.admin import Admin
from hilum.sandbox.asked import PREFIX, Asked, unacceptable, understood, wants_xml
from hilum.sandbox.exchange import (
    FHIR_JSON,
    FHIR_XML,
    App,
    Receive,
    Reply,
    Scope,
    Send,
    TooLong,
    answer,
    ask,
    body_of,
    cut_off,
)
from hilum.sandbox.faults import About, Fault, Faults
from hilum.sandbox.profile import Profile
from hilum.sandbox.searching import Searching, references
from hilum.sandbox.tokens import Tokens, narrowed, refused, said
from hilum.web import log
from hilum.web.fields import Header

TOKEN: Final = b"/auth/token"
AUTHORIZE: Final = b"/auth/authorize"
_BELOW: Final = PREFIX + b"/"
_BESIDE: Final = (_BELOW + b"metadata", _BELOW + b".well-known")


class _Kind(msgspec.Struct):
    type: str = ""


class Emulator:
    """`await emulator(scope, receive, send)`. `inner`: hilum's application; `restricted`: ids of Patients behind the
    glass; `mint`: signs tokens of services that last as long as this vendor's; `key`: opens the faults' endpoint.
    """

    def __init__(
        self,
        inner: App,
        profile: Profile,
        base: str,
        *,
        mint: Minter,
        key: str,
        restricted: frozenset[str] = frozenset(),
        faults: Faults | None = None,
    ) -> None:
        self._inner, self._profile = inner, profile
        self._origin = base.removesuffix("/fhir")
        self.faults = faults or Faults()
        self.patience = getattr(inner, "patience", None)
        self._admin = Admin(self.faults, profile, key)
        self._tokens = Tokens(profile, self._origin, mint)
        self._restricted = restricted if "sealed-patient" in profile.issues else frozenset()
        self._marks = references(self._restricted)
        paging = profile.paging
        self._searching = None if paging is None else Searching(profile, paging, base, self._restricted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the lifespan, which is hilum's."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        path: bytes = scope["raw_path"]
        try:
            if path == ADMIN:
                await answer(await self._admin.respond(scope, receive), send)
            elif path == TOKEN and scope["method"] == "POST":
                await answer(await self._token(scope, receive), send)
            elif path == AUTHORIZE and not self._profile.tokens.wildcards:
                await self._inner({**scope, "query_string": _narrowed(scope["query_string"])}, receive, send)
            elif (path == PREFIX or path.startswith(_BELOW)) and not path.startswith(_BESIDE):
                await self._fhir(scope, receive, send)
            else:
                await self._inner(scope, receive, send)
        except TooLong:
            await answer(Reply(413), send)

    # --- tokens -------------------------------------------------------------------------------------------------------

    async def _token(self, scope: Scope, receive: Receive) -> Reply:
        form = await body_of(receive)
        if self._struck(frozenset(("token",))) is not None:
            return refused(self._profile, self._origin, "invalid_client")

        async def put(form: bytes) -> Reply:
            return await ask(self._inner, scope, method="POST", path=TOKEN, headers=scope["headers"], body=form)

        return await self._tokens.exchange(form, put)

    # --- FHIR ---------------------------------------------------------------------------------------------------------

    async def _fhir(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked, body = await self._asked(scope, receive)
        about: frozenset[About] = frozenset(("fhir", "page") if asked.interaction == "page" else ("fhir",))
        fault = self._struck(about, asked.type)
        reply = await self._broken(fault, asked) if fault is not None else None
        if fault is not None and fault.kind == "wrong-match":
            asked = self._elsewhere(asked)
        if reply is None:
            reply = await self._vendors(scope, receive, asked, body)
        if wants_xml(self._profile, asked) and reply.is_fhir:
            reply = reply.with_body(xml.encode(json.stored(reply.body)), FHIR_XML)
        if fault is not None and fault.kind == "truncated" and reply.body:
            await cut_off(reply, send)
        else:
            await answer(reply, send, without_body=scope["method"] == "HEAD")

    async def _asked(self, scope: Scope, receive: Receive) -> tuple[Asked, bytes | None]:
        """What is asked for, and the body where it had to be read to know."""
        path, query, headers = scope["raw_path"][len(PREFIX) :], scope["query_string"], scope["headers"]
        form = path.endswith(b"/_search")
        if scope["method"] != "POST" or not (form or (path in (b"", b"/") and self._profile.system is not None)):
            return understood(scope["method"], path, query, headers), None
        body = await body_of(receive)
        if form:
            query = b"&".join(part for part in (query, body) if part)
        return understood("POST", path, query, headers), body

    def _struck(self, about: frozenset[About], type: str = "") -> Fault | None:
        fault = self.faults.strike(about, type)
        if fault is not None:
            log.warning("fault", kind=fault.kind, type=type)
        return fault

    async def _broken(self, fault: Fault, asked: Asked) -> Reply | None:
        """What a fault makes of an answer; None where there is still a right one."""
        profile = self._profile
        match fault.kind:
            case "slow":
                await asyncio.sleep(fault.numbers["seconds"])
            case "expired":
                self._tokens.end(asked.token)
                return answers.unauthorized(profile)
            case "429":
                reply = answers.refusal(profile, "throttled")
                reply.headers.append((b"retry-after", b"%d" % fault.numbers["retry-after"]))
                return reply
            case "500":
                return answers.broken(profile)
            case "page-gone" | "daily-cap":
                return answers.refusal(profile, fault.kind)
        return None

    def _elsewhere(self, asked: Asked) -> Asked:
        """The same search with the record numbers of another site in place of this one's."""
        record = self._profile.record_number
        return replace(
            asked,
            parameters=tuple(
                (name, value.replace(record.system, record.elsewhere)) for name, value in asked.parameters
            ),
        )

    async def _vendors(self, scope: Scope, receive: Receive, asked: Asked, body: bytes | None) -> Reply:
        """The right answer, as this vendor gives it."""
        profile, claims = self._profile, said(asked.token)
        if asked.token and not self._tokens.holds(asked.token, claims):
            return answers.unauthorized(profile)
        if unacceptable(profile, asked):
            return Reply(406)
        if asked.token and (refusal := self._refused(asked, body)) is not None:
            return refusal
        searching = self._searching if asked.token else None
        if searching is None or asked.interaction not in ("search", "page"):
            return self._seen(await self._passed_on(scope, receive, body))
        headers = _of_search(scope["headers"], lenient=bool(profile.told_unknown))

        async def put(type: str, query: str) -> Reply:
            path = b"%b/%b" % (PREFIX, type.encode())
            return await ask(self._inner, scope, path=path, query=query.encode(), headers=headers, body=b"")

        if asked.interaction == "page":
            return await searching.another(asked, claims, put)
        return await searching.first(asked, claims, put)

    def _refused(self, asked: Asked, body: bytes | None) -> Reply | None:
        """Why this vendor does not even look."""
        profile = self._profile
        if asked.type == "Patient" and asked.id in self._restricted:
            return answers.refusal(profile, "sealed-patient")
        match asked.interaction:
            case "search" if self._searching is not None and (name := self._searching.refused(asked)):
                return answers.refusal(profile, name)
            case "unknown-type" if profile.unknown_type == "html":
                return answers.not_found_page()
            case "system" if profile.system is not None and _kind(body) not in profile.system:
                return answers.refusal(profile, "invalid") if profile.system else answers.not_found_page()
        return None

    async def _passed_on(self, scope: Scope, receive: Receive, body: bytes | None) -> Reply:
        headers = scope["headers"] if self._searching is None else _plain(scope["headers"])
        return await ask(
            self._inner,
            scope,
            method=scope["method"],
            path=scope["raw_path"],
            query=scope["query_string"],
            headers=headers,
            body=body,
            receive=receive if body is None else None,
        )

    def _seen(self, reply: Reply) -> Reply:
        """What hilum answered, where it is no search."""
        if reply.status >= 400:
            return answers.translated(self._profile, reply)
        if any(mark in reply.body for mark in self._marks):
            return answers.refusal(self._profile, "sealed-visit")
        return reply


def _plain(headers: list[Header]) -> list[Header]:
    """Headers with which hilum answers in JSON, whatever was wished for."""
    return [*(header for header in headers if header[0] != b"accept"), (b"accept", FHIR_JSON[1])]


def _of_search(headers: list[Header], *, lenient: bool) -> list[Header]:
    """Headers of a search, which may have come as a form."""
    kept = [header for header in _plain(headers) if header[0] not in (b"content-type", b"prefer")]
    return [*kept, *([(b"prefer", b"handling=lenient")] if lenient else [])]


def _narrowed(query: bytes) -> bytes:
    """The query of an authorization without scopes for all types."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return urlencode([(name, narrowed(value) if name == "scope" else value) for name, value in pairs]).encode()


def _kind(body: bytes | None) -> str:
    """The type of a Bundle; "" where it is none."""
    try:
        return msgspec.json.decode(body or b"", type=_Kind).type
    except msgspec.DecodeError:
        return ""
