"""What is written in one turn of the loop leaves in one piece, in order, and nothing is left behind."""

from __future__ import annotations

import asyncio
from typing import Any

from hilum.app.cork import Corked


class Wire(asyncio.Transport):
    """Remembers what it was told to do."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Any] = []
        self.closing = False

    def writelines(self, list_of_data: Any) -> None:
        self.done.append(b"".join(list_of_data))

    def write_eof(self) -> None:
        self.done.append("eof")

    def close(self) -> None:
        self.closing = True
        self.done.append("close")

    def is_closing(self) -> bool:
        return self.closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return name


async def test_writes_of_one_turn_leave_together_and_in_order() -> None:
    wire = Wire()
    corked = Corked(wire, asyncio.get_running_loop())
    corked.write(b"head ")
    corked.write(b"body")
    assert wire.done == []
    await asyncio.sleep(0)
    corked.write(b"next")
    await asyncio.sleep(0)
    assert wire.done == [b"head body", b"next"]


async def test_what_waits_is_sent_before_the_end_and_before_closing() -> None:
    wire = Wire()
    corked = Corked(wire, asyncio.get_running_loop())
    corked.write(b"last")
    corked.write_eof()
    corked.write(b"words")
    corked.close()
    await asyncio.sleep(0)
    assert wire.done == [b"last", "eof", b"words", "close"]


async def test_nothing_is_written_to_a_connection_that_went_away_meanwhile() -> None:
    wire = Wire()
    corked = Corked(wire, asyncio.get_running_loop())
    corked.write(b"too late")
    wire.closing = True
    await asyncio.sleep(0)
    assert wire.done == []


async def test_everything_else_is_the_transport_s_own() -> None:
    assert Corked(Wire(), asyncio.get_running_loop()).get_extra_info("peername") == "peername"
