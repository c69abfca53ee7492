"""One request to an EHR's sign-in and its whole answer: how it is sent, and why none came, in words.

What is fetched was named by somebody else (a token endpoint by the EHR's discovery): it goes by `hilum.web.outbound`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from hilum.broker.far import Failed, Side
from hilum.web import outbound
from hilum.web.outbound import Fetched, Guard, Unreachable

CONNECT_SECONDS: Final = 5.0
SECONDS: Final = 20.0
"""An EHR's token endpoint has been seen to take several seconds under load."""


class Send(Protocol):
    """As `hilum.web.outbound.send` with its guard. Raises Unreachable."""

    async def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, limit: int) -> Fetched:
        """One request and its whole answer."""
        ...


def guarded(guard: Callable[[], Guard]) -> Send:
    """`guard`: asked at each request, since which hosts may be within one's network can change."""

    async def send(method: str, url: str, headers: Mapping[str, str], body: bytes, *, limit: int) -> Fetched:
        return await outbound.send(method, url, headers, body, limit=limit, guard=guard())

    return send


class Cause(NamedTuple):
    """Why there is no answer: whose side it is on, what was found, what to do, whether to try again."""

    side: Side
    text: str
    todo: str
    again: bool = False


CAUSES: Final[Mapping[str, Cause]] = {
    "form": Cause("ours", "the address is no URL that can be asked", "Correct the base URL of the connection."),
    "scheme": Cause("ours", "the address is not https", "Ask the EHR for its https address: tokens go over no other."),
    "port": Cause(
        "ours", "the port is one where no web server is expected", "Correct the base URL of the connection."
    ),
    "name": Cause(
        "network", "the name of the host is not known", "Look for a mistyped base URL, then for your DNS.", True
    ),
    "address": Cause(
        "ours",
        "the host has an address within a private network, which is reached only if you say so",
        "If the EHR stands in your own network, write the connection into ehrs.toml, or name the host in "
        "--allow-private-keys.",
    ),
    "reserved": Cause(
        "ours",
        "the host has an address that is never asked: link-local, where clouds keep keys, or set apart otherwise",
        "Correct the base URL of the connection, or have the host's name lead to an address of the EHR's own network.",
    ),
    "connect": Cause(
        "network",
        "no connection could be made, or it was cut",
        "Look whether a firewall lets this machine out to that host; else the EHR is down.",
        True,
    ),
    "tls": Cause(
        "theirs",
        "the certificate of the host is not one that this machine trusts",
        "Ask the EHR for its chain of certificates; behind a proxy that opens TLS, trust that proxy's in the system.",
    ),
    "time": Cause("network", "no whole answer came in time", "Try again; if it stays so, the EHR is overloaded.", True),
    "protocol": Cause("theirs", "the answer is no HTTP", "Look for a wrong port in the base URL.", True),
    "redirect": Cause(
        "theirs",
        "the answer is a redirect, which is not followed with credentials",
        "Use the address that it leads to (curl -I shows it) as the base URL.",
    ),
    "coding": Cause(
        "theirs",
        "the answer is compressed otherwise than by gzip, or not to its end, and neither was asked for",
        "Ask the EHR about its gateway.",
    ),
    "size": Cause("theirs", "the answer is larger than any that was expected", "Look whether it is the right address."),
}  # fmt: skip
"""By the kinds of `hilum.web.outbound.Unreachable`."""


def object_of(answer: Fetched) -> Mapping[str, Any]:
    """The JSON object that was answered; an empty one where it is none."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def unreachable(error: Unreachable, url: str) -> Failed:
    """What came of a request to this URL."""
    cause = CAUSES[error.kind]
    return Failed(
        "unreachable",
        f"{urlsplit(url).hostname or 'the EHR'}: {cause.text}. {cause.todo}",
        side=cause.side,
        codes=(error.kind,),
        again=cause.again,
    )
