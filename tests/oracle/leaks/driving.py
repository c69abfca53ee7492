"""Worlds, tokens and cases one after the other: all that a store and the evaluator differ in, in words."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import chain

from tests.oracle.leaks import populations, session
from tests.oracle.leaks.adapter import Open, Server, policy_of, principal
from tests.oracle.leaks.cases import Asking
from tests.oracle.leaks.session import Session, Side
from tests.oracle.leaks.tokens import KINDS, token
from tests.oracle.leaks.writing import only_searched, shared_deletes


@dataclass(frozen=True)
class Difference:
    """Where, who, what was asked, and what is wrong with the answer."""

    where: str
    token: str
    kind: str
    request: str
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        said = "\n  ".join(self.wrong)
        return f"{self.where}: {self.kind}: {self.request}\n  token {self.token}\n  {said}"


async def differences(
    opened: Open, seed: int, *, tokens: int, cases: int, integrity: bool = False, twins: bool = True
) -> AsyncIterator[Difference | None]:
    """For each case of the world with this seed what is wrong, None where nothing is.

    `integrity`: references must lead somewhere. Only what is bound to patients asks then: who may write all of a type
    is told what is there.
    """
    now = int(time.time() // 86400 * 86400 * 1_000_000)
    async with opened() as store:
        server = Server(store, integrity=integrity)
        steps, maker = populations.steps(seed)
        world = await session.settled(server, steps, now)
        chance = random.Random(f"tokens {seed}")
        for number in range(tokens):
            asker = token(chance, world, ("patient", "bound", "bound") if integrity else KINDS)
            name = f"{seed}-{number}"
            rights = asker.rights(world)
            server.tokens.principals[name] = principal(name, policy_of(asker))
            asking = Asking(name, world, rights, maker)
            async with AsyncExitStack() as stack:
                other: Side | None = None
                if twins:
                    there = Server(await stack.enter_async_context(opened()), integrity=integrity)
                    there.tokens.principals.update(server.tokens.principals)
                    other = await session.twin(there, world, rights, integrity=integrity)
                mine = Session(name, asking, Side(server, len(world.versions)), other, integrity)
                made = chain(
                    (session.case(asking) for _ in range(cases)), shared_deletes(asking), only_searched(asking)
                )
                for one, case in enumerate(made):
                    try:
                        wrong = await mine.check(case)
                    except Exception as error:
                        error.add_note(f"{seed}.{number}.{one} {asker}: {case.request}")
                        raise
                    if wrong:
                        where = f"{seed}.{number}.{one}"
                        yield Difference(where, str(asker), case.kind, str(case.request), tuple(wrong))
                    else:
                        yield None
