"""HTTP/1.1 for strangers: uvicorn's parser, with bounds on what a request may take before anyone knows who sends it.

A head has a size (431) and a deadline (408), a body may not dawdle (408), what is no HTTP is told so (400), and one
connection too many is told to come again (503), each as an OperationOutcome.
https://www.rfc-editor.org/rfc/rfc9110#section-15.5, https://www.rfc-editor.org/rfc/rfc6585

uvicorn bounds none of these: a head that never ends was kept, whole, for as long as it was sent. A request that arrives
in one read, as nearly all do, needs neither a clock nor a timer.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from hilum.app.cork import Corked
from hilum.app.cycle import Cycle
from hilum.app.patience import Patience
from hilum.fhir import json
from hilum.problems import Issue
from hilum.rest import outcome
from hilum.rest.message import FHIR_JSON, NO_SNIFF, NO_STORE
from hilum.web import log
from hilum.web.body import LINGER_BYTES, LINGER_SECONDS

_CUT_OFF_SECONDS: Final = 0.5
"""How long a request whose body was cut off may still be refused before it counts as gone."""
MOST_WAITING: Final = 64
"""Requests that may wait on one connection behind the one being answered; who pipelines more is cut off."""
SPARE: Final = 256
"""Connections over the bound that are told so at a time; those above them are closed without a word."""


_DEFAULT: Final = Patience()
_BETWEEN, _HEAD, _BODY, _REFUSED = range(4)
"""Where a connection stands: between messages, within a head, within a body, or done with, reading what still comes."""

_SAID: Final = {
    400: ("structure", "This is not a request in HTTP/1.1 that hilum can read."),
    408: ("timeout", "The request took too long to arrive. Send it again, without pauses."),
    431: (
        "too-long",
        "Request line and headers are over the limit of {:,} bytes. Search with long lists by POST _search.",
    ),
    501: ("not-supported", "The method {method} is not known here; GET, HEAD, POST, PUT, PATCH and DELETE are."),
    503: ("throttled", "The server has as many connections as it takes. Try again, over a connection that is kept."),
}


_METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE"})
_REQUEST_LINE: Final = re.compile(rb"([A-Za-z][A-Za-z0-9-]{0,31}) [^ \r\n]+ HTTP/1\.[01]\r?\n")
"""Only letters, digits and hyphens in the method: what is answered holds nothing else that a client made up."""


class _TooMuch(Exception):
    """Within a callback of the parser: stop here. httptools turns it into an error of its own."""


class Protocol(HttpToolsProtocol):
    """One connection. Its limits are the `patience` of the application that it serves."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._patience: Patience = getattr(self.app, "patience", _DEFAULT)
        self._state = _HEAD
        self._message = 0  # how many have begun
        self._unfinished = 0  # bytes read since something was last complete: a head, a piece of a body
        self._reading = 0  # bytes of the read that is being parsed
        self._moved = False  # whether that read completed something
        self._too_long = False
        self._data = b""  # what is being parsed
        self._method = ""  # the one that is refused
        self._phase = (0, _HEAD)  # the message and state whose clock runs
        self._since = self._last = self.loop.time()  # when it was first seen open; when something of it came last
        self._body_bytes = 0
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The clock of the first head starts with the connection."""
        corked: Any = Corked(cast(asyncio.Transport, transport), self.loop)
        super().connection_made(corked)
        over = len(self.connections) - self._patience.connections
        if over > 0:
            self._turn_away(over)
        else:
            self._watch = self.loop.call_later(self._patience.head_seconds, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is left to wait for."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server stops. What is being answered is answered first, but for what has no end of its own, such
        as server-sent events: their client comes again.
        """
        super().shutdown()
        if self.cycle is not None and not self.cycle.response_complete and self.cycle.chunked_encoding:
            self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's own type; uvicorn's None is narrower
        """The client sends nothing more, but may still read: what it asked for is answered, then the connection ends.

        Of a body that is cut off nothing more can come of a wait, so that the wait is short.
        """
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
            return False
        self.cycle.keep_alive = False
        if self._state != _BETWEEN:
            self.loop.call_later(_CUT_OFF_SECONDS, self.transport.close)
        return True

    def data_received(self, data: bytes) -> None:
        """Parse what was read; then see whether it leaves something open, which must not stay so for long."""
        if self._state == _REFUSED:
            self._linger(len(data))
            return
        self._moved = False
        self._reading = len(data)
        self._data = data
        super().data_received(data)
        self._data = b""
        self._unfinished = 0 if self._moved else self._unfinished + self._reading
        if self._unfinished > self._patience.head_bytes:  # a head that does not end, or trailers
            self._refuse(431)
        elif self._state == _HEAD or self._state == _BODY:
            self._wait()

    # --- what the parser calls ----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        self._state = _HEAD
        self._message += 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole. Its size is counted only where the reads that it came in were longer than it may be."""
        if self._unfinished + self._reading > self._patience.head_bytes:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self._patience.head_bytes:
                self._too_long = True
                raise _TooMuch
        if len(self.pipeline) >= MOST_WAITING:
            self.transport.close()
            raise _TooMuch
        self._moved = True
        self._state = _BODY
        self._body_bytes = 0
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.__class__ = Cycle  # uvicorn names its class itself

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._moved = True
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is whole."""
        self._state = _BETWEEN
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls when its parser gives up, as it does at a method that it does not know."""
        found = _REQUEST_LINE.match(self._data) if self._state != _BODY else None
        if found is not None and found[1] not in _METHODS:
            self._method = found[1].decode()
            self._refuse(501)
        else:
            self._refuse(431 if self._too_long else 400)

    def _unsupported_upgrade_warning(self) -> None:
        """What uvicorn calls where a client asks for another protocol, as WebSocket or a tunnel: HTTP goes on.

        Its own advice, to install a WebSocket library, is for others.
        """

    # --- time ---------------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Something is open after a read: let its clock run."""
        self._last = now = self.loop.time()
        phase = (self._message, self._state)
        if phase != self._phase:
            self._phase, self._since = phase, now
        if self._watch is None:
            self._watch = self.loop.call_at(self._due(), self._look)

    def _due(self) -> float:
        """When what is open must be whole, or have gone on."""
        patience = self._patience
        if self._state == _HEAD:
            return self._since + patience.head_seconds
        return min(self._last, self._since + self._body_bytes / patience.body_rate) + patience.body_seconds

    def _look(self) -> None:
        """A clock has run: close what is still open and late."""
        self._watch = None
        if self._state == _REFUSED:
            self.transport.close()
        elif self._state != _BETWEEN:
            now = self.loop.time()
            if self.flow.read_paused:  # hilum does not read at the moment: the silence is its own
                self._since = self._last = now
                self._body_bytes = 0
            if now >= self._due():
                self._refuse(408)
            else:
                self._watch = self.loop.call_at(self._due(), self._look)

    # --- refusing -----------------------------------------------------------------------------------------------------

    def _refuse(self, status: int) -> None:
        """Answer what does not become a request, and close; without an answer where another's is still to come."""
        if self._state == _REFUSED or self.transport.is_closing():
            return
        cycle, own = self.cycle, self._state == _BODY
        answered = cycle is None or cycle.response_complete
        speak = not self.pipeline and (not cycle.response_started if own and cycle else answered)
        silent = self._message == 0 and self._unfinished == 0  # nothing was sent, so nothing was asked
        self._state = _REFUSED
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        log.soon("refused", status=status)
        if speak and not silent:
            self._part(status)
        else:
            self.transport.close()

    def _turn_away(self, over: int) -> None:
        """Answer what this connection has not asked yet, so that it costs no more than a moment and a few buffers."""
        self._state = _REFUSED
        if over > SPARE:
            self.transport.abort()
            return
        log.soon("refused", status=503)
        self._part(503)

    def _part(self, status: int) -> None:
        """Say why, and close once the client could read it."""
        self._say(status)
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.flow.resume_reading()
        self._unfinished = 0
        if self._watch is not None:
            self._watch.cancel()
        self._watch = self.loop.call_later(LINGER_SECONDS, self._look)

    def _say(self, status: int) -> None:
        code, text = _SAID[status]
        issue = Issue("error", code, text.format(self._patience.head_bytes, method=self._method))
        content = json.encode(outcome.operation_outcome((issue,)))
        headers = [FHIR_JSON, NO_STORE, NO_SNIFF, (b"content-length", b"%d" % len(content)), (b"connection", b"close")]
        if status == 503:
            headers.append((b"retry-after", b"1"))
        head = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[status] + head + b"\r\n" + content)

    def _linger(self, size: int) -> None:
        """Throw away what still comes for a moment: closing at once would reset the connection before it is read."""
        self._unfinished += size
        if self._unfinished > LINGER_BYTES:
            self.transport.close()
