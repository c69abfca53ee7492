"""`hilum agent simulate`, into the real queue."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
import typer
from typer.testing import CliRunner

from hilum.agent.commands_simulate import Kind, simulate
from hilum.agent.simulating.kinds import KINDS
from hilum.phd import codes
from hilum.phd.reading import Quantity

durable = pytest.importorskip("hilum.agent.queue.durable")


def run(*args: str):
    app = typer.Typer()
    app.command()(simulate)
    return CliRunner().invoke(app, list(args), catch_exceptions=False)


async def queued(folder):
    """What would be sent next."""
    queue = durable.Queue(folder)
    try:
        batch = (await queue.next()).batch
        return [reading for taken in batch.taken for reading in taken.readings]
    finally:
        await queue.close()


def test_all_kinds_can_be_named():
    assert {kind.value for kind in Kind} == KINDS.keys()


def test_what_a_simulated_glucometer_measured_is_in_the_queue(tmp_path):
    result = run("glucometer", "--number", "6", "--days", "2", "--data", str(tmp_path))

    assert result.exit_code == 0
    assert f"readings of a simulated glucometer are in the queue of {tmp_path}." in result.output
    values = [one.value for one in asyncio.run(queued(tmp_path))]
    assert values.count(Quantity(Decimal("18.9"), codes.DIM_MILLI_MOLE_PER_L)) == 1


def test_what_comes_mutilated_is_told(tmp_path):
    result = run("thermometer", "--number", "2", "--malformed", "1", "--data", str(tmp_path))
    assert result.exit_code == 0
    assert "1 readings of a simulated thermometer" in result.output
