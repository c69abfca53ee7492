"""Two servers are asked the same by one who may not know in what they differ."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.oracle.leaks.adapter import Open, Server, fill, policy_of, principal
from tests.oracle.leaks.attempts import Attempt
from tests.oracle.leaks.requests import Answer, alike
from tests.oracle.leaks.session import Side

from hilum.store.plan import thresholds

SURE = replace(thresholds.Limits(), sure=3)
"""Few are enough to be estimated."""


async def told(stores: Open, attempt: Attempt, *, integrity: bool) -> tuple[int, list[str]]:
    """How many requests were made, and those whose answers differ."""
    wrong: list[str] = []
    number = 0
    async with stores() as one, stores() as other:
        sides = []
        for store, steps in zip((one, other), attempt.worlds, strict=True):
            server = Server(store, integrity=integrity)
            await fill(store, [replace(step, group=n) for n, step in enumerate(steps)])
            server.tokens.principals["t"] = principal("t", policy_of(attempt.token))
            sides.append(Side(server, len(steps)))
        for request in attempt.requests():
            number += 1
            left, right = [await side.ask("t", request) for side in sides]
            if [alike(page) for page in left] != [alike(page) for page in right]:
                wrong.append(f"{request}\n    {_shown(left)}\n    {_shown(right)}")
            ids = [{one: one for one in _made(pages)} for pages in (left, right)]
            for mine, yours in zip(*ids, strict=False):
                sides[1].ids[mine] = yours
    return number, wrong


def _shown(pages: list[Answer]) -> str:
    return " | ".join(f"{page.status} {page.headers} {page.body.decode()}" for page in pages)[:1200]


def _made(pages: list[Answer]) -> list[str]:
    """The ids that a server made."""
    locations = [page.header("location") for page in pages]
    text = " ".join(one for one in locations if one) + " ".join(page.body.decode() for page in pages)
    return list(dict.fromkeys(re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", text)))
