"""What an HTTP status means for a batch. https://www.rfc-editor.org/rfc/rfc9110#section-15

The law of the table: only what proves that it is stored is Stored; only what is said of this very content is Refused,
since in the end that makes a dead letter; what may pass by itself is Later; the rest waits for a person (Stopped).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from hilum.agent.batch import Later, Refused, Stopped
from hilum.agent.http import Answer

_WRONG: Final = "what answers at this address is not what `way` in agent.toml says, or `to` is wrong"

BY_STATUS: Final[Mapping[int, tuple[type[Later] | type[Refused] | type[Stopped], str]]] = {
    301: (Stopped, "it has moved for good: put its new address into `to` in agent.toml"),
    302: (Stopped, "it leads elsewhere, where the agent doesn't follow: correct `to` in agent.toml"),
    303: (Stopped, "it leads elsewhere, where the agent doesn't follow: correct `to` in agent.toml"),
    307: (Stopped, "it leads elsewhere, where the agent doesn't follow: correct `to` in agent.toml"),
    308: (Stopped, "it has moved for good: put its new address into `to` in agent.toml"),
    400: (Refused, "it does not take this content"),
    401: (Stopped, "it does not take this agent's token, not even a new one: is it still enrolled?"),
    403: (Stopped, "it does not let this agent, or this device, send: ask the people who run it"),
    404: (Stopped, _WRONG),
    405: (Stopped, _WRONG),
    406: (Stopped, _WRONG),
    407: (Stopped, "the proxy wants a name and password: put them into HTTPS_PROXY"),
    408: (Later, "it waited too long"),
    409: (Later, "something else was being changed"),
    410: (Stopped, _WRONG),
    412: (Refused, "a condition matches several resources there"),
    413: (Refused, "too much at once"),
    415: (Stopped, _WRONG),
    421: (Later, "another machine should have answered"),
    422: (Refused, "it does not take this content"),
    423: (Later, "it is locked"),
    424: (Later, "something that it needs has failed"),
    425: (Later, "too early"),
    429: (Later, "too many requests"),
    501: (Stopped, _WRONG),
    505: (Stopped, _WRONG),
}
"""5xx that are not here: Later. Other 2xx prove nothing and are Later, too; all else is Stopped."""

CONFLICTS: Final = 8
"""After so many tries a conflict, or what may be one, is taken for one with the content."""

_CODE: Final = re.compile(r"[a-z][a-z-]{1,40}")
_PATH: Final = re.compile(r"[A-Za-z][A-Za-z0-9.\[\]]{0,120}")


class _Issue(msgspec.Struct, frozen=True):
    severity: str = ""
    code: str = ""
    expression: list[str] = []


class Outcome(msgspec.Struct, frozen=True):
    """An OperationOutcome, without its texts: they are the far side's words, and may hold what was measured."""

    resourceType: str = ""
    issue: list[_Issue] = []


def judged(answer: Answer, now: float, tries: int = 0) -> Later | Refused | Stopped:
    """Of an answer that is not the one that says it is stored."""
    status = answer.status
    said = f"The far side answered {status}"
    if 200 <= status < 300:
        return Later(f"{said}, but not in the way that says that everything is stored.")
    kind, why = BY_STATUS.get(status, (Later, "it has trouble of its own") if status >= 500 else (Stopped, _WRONG))
    if status == 409 and tries >= CONFLICTS:
        kind, why = Refused, "it conflicts with what is there, again and again"
    text = f"{said}: {why}{named(answer)}."
    return Later(text, answer.after(now)) if kind is Later else kind(text)


def named(answer: Answer) -> str:
    """Of an OperationOutcome its codes and elements."""
    outcome, found = answer.json(Outcome) or Outcome(), []
    for issue in outcome.issue[:3]:
        code = issue.code if _CODE.fullmatch(issue.code) else ""
        paths = [path for path in issue.expression[:3] if _PATH.fullmatch(path)]
        found.append(" at ".join(filter(None, (code, ", ".join(paths)))))
    text = "; ".join(filter(None, found))
    return f" ({text})" if text else ""
