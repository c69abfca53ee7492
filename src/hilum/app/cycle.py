"""An answer's head in one look, as nearly all answers are: whole, of known length, over a connection that goes on.

uvicorn looks at each header by itself, for characters that would end it among others: of the six that hilum sends that
took a twentieth of a search (2026-11). Here all are looked at together, by the same rules.
https://www.rfc-editor.org/rfc/rfc9110#section-5.5
"""

from __future__ import annotations

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

_TOLD_TO_UVICORN: Final = frozenset((b"connection", b"transfer-encoding"))
"""Headers that change how a message ends."""


class Cycle(RequestResponseCycle):
    """One request and its answer."""

    __slots__ = ()  # an instance of uvicorn's class becomes one of this: see `Protocol.on_headers_complete`

    async def send(self, message: Any) -> None:
        """As uvicorn's. Raises RuntimeError for a header that would be none."""
        if (
            message["type"] != "http.response.start"
            or self.response_started
            or self.disconnected
            or self.flow.write_paused
            or not self.keep_alive
            or self.scope["method"] == "HEAD"
        ):
            await super().send(message)
            return
        length: bytes | None = None
        names: list[bytes] = []
        values: list[bytes] = []
        for name, value in (*self.default_headers, *message["headers"]):
            if name == b"content-length":
                length = value
            elif name in _TOLD_TO_UVICORN:
                length = None
                break
            names.append(name)
            values.append(value)
        if length is None or not length.isdigit():
            await super().send(message)
            return
        if HEADER_RE.search(b"".join(names)) or HEADER_VALUE_RE.search(b"".join(values)):
            raise RuntimeError("A header holds characters that no header may have.")
        self.response_started = True
        self.waiting_for_100_continue = False
        self.chunked_encoding = False
        self.expected_content_length = int(length)
        lines = b"".join([b"%b: %b\r\n" % header for header in zip(names, values, strict=True)])
        self.transport.write(b"%b%b\r\n" % (STATUS_LINE[message["status"]], lines))
