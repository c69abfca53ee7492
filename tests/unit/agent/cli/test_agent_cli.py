"""What a person sees of the agent, and does with its queue: no value that was measured, unless they ask for it."""

from __future__ import annotations

import json

import pytest
from tests.unit.agent.queue.samples import CUFF, METER, Clocked, glucose, many, taken
from typer.testing import CliRunner

from hilum.agent import settings, told
from hilum.agent.batch import Held, Refused, Stopped, Stored
from hilum.agent.cli import agent
from hilum.agent.queue import listing, schema
from hilum.agent.queue.durable import Queue
from hilum.problems import Invalid, Misconfigured, NotFound

MEASURED = "123.4"
TOML = '[send]\nto = "https://hilum.example"\nway = "gateway"\n[[source]]\nkind = "ble"\n'


@pytest.fixture
async def data(tmp_path):
    """An agent's folder: a batch was stored, one is dead, one is stopped, one was not tried, and bytes said nothing."""
    (tmp_path / "agent.toml").write_text(TOML)
    queue = Queue(tmp_path, most=2, clock=Clocked(), spare=2 << 20)
    await queue.take(taken(glucose(0), device=CUFF, battery=70))
    await queue.settle((await queue.next()).batch, Held('{"id":"r1"}', "nobody said whose it is"))
    await queue.take(taken(glucose(1, MEASURED)))
    await queue.settle((await queue.next()).batch, Refused("422: Observation.value.code"))
    await queue.take(many(3, start=2))
    await queue.settle((await queue.next()).batch, Stopped("401: the key is not known."))
    await queue.take(taken(glucose(9, MEASURED), device=CUFF, person=2))
    await queue.refuse("ble", METER.key, b"\xde\xad", "byte 1: too short")
    await queue.close()
    return tmp_path


def run(data, *arguments, **more):
    return CliRunner().invoke(agent, [*arguments, "--data", str(data)], **more)


def ids(data) -> dict[str, str]:
    db = schema.look(data)
    return {one.state: one.id for one in listing.batches(db) if one.id}


async def test_the_status_says_what_waits_what_stopped_it_and_what_to_do(data):
    found = told.status(data)
    assert (found.process, found.to, found.sources) == (None, "https://hilum.example", ("ble",))
    assert (found.queue.waiting, found.queue.dead, found.queue.malformed) == (4, 1, 1)
    assert found.stopped == (
        "No agent runs: start it with `hilum agent run`.",
        "The far side takes nothing: 401: the key is not known. Mend that, then run `hilum agent queue retry`.",
        "1 reading refused: `hilum agent queue list` tells why. Retry or drop them there.",
    )
    lines = told.lines(found, Clocked().now + 7200)
    assert "receipt" in lines[4]
    assert lines[4].endswith("(2 h ago): 1 reading of bluetooth:00-00-5E-00-53-01, held there: nobody said whose it is")
    assert any(line.startswith(CUFF.key) and "70 %" in line for line in lines)


@pytest.mark.parametrize("command", ["status", "status --json", "queue list", "queue list --json"])
async def test_no_value_is_shown(data, command):
    shown = run(data, *command.split()).output
    assert METER.key in shown
    assert MEASURED not in shown
    assert "dead" in shown.lower()
    assert "DEAD" not in shown


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "json"])
async def test_values_and_bytes_are_shown_where_they_are_asked_for(data, more):
    shown = run(data, "queue", "list", "--show", *more).output
    assert MEASURED in shown
    assert "DEAD" in shown


async def test_the_exit_status_says_whether_something_waits_for_somebody(data):
    assert run(data, "status").exit_code == 1


async def test_the_list_has_batches_in_the_order_in_which_they_go_and_what_is_in_none(data):
    found = json.loads(run(data, "queue", "list", "--json").output)
    assert [(one["state"], one["device"], one["readings"], one["why"]) for one in found["batches"]] == [
        ("dead", METER.key, 1, "422: Observation.value.code"),
        ("stopped", METER.key, 2, "401: the key is not known."),
        ("waiting", METER.key, 1, "not yet in a batch"),
        ("waiting", CUFF.key, 1, "not yet in a batch"),
    ]
    assert found["malformed"][0] | {"at": 0} == {
        "id": 1, "source": "ble", "device": METER.key, "at": 0, "times": 1, "bytes": 2, "why": "byte 1: too short",
        "data": "",
    }  # fmt: skip


async def test_retry_has_one_or_all_sent_again(data):
    assert run(data, "queue", "retry", ids(data)["dead"]).output == "1 to be sent again, once the agent runs.\n"
    assert "dead" not in ids(data)
    assert run(data, "queue", "retry").output == "2 to be sent again, once the agent runs.\n"
    assert set(ids(data)) == {"waiting"}


async def test_drop_asks_and_deletes_dead_letters(data):
    assert run(data, "queue", "drop", "--dead", input="n\n").exit_code == 1
    assert "dead" in ids(data)
    assert run(data, "queue", "drop", "--dead", input="y\n").output.endswith("1 dropped.\n")
    assert set(ids(data)) == {"stopped"}


@pytest.mark.parametrize("arguments", [("retry",), ("drop", "-y")], ids=["retry", "drop"])
async def test_where_one_that_is_named_is_not_there_nothing_is_changed(data, arguments):
    before = ids(data)
    found = run(data, "queue", *arguments, before["dead"], "urn:uuid:none")
    assert isinstance(found.exception, NotFound)
    assert ids(data) == before


async def test_drop_deletes_nothing_that_was_not_named(data):
    assert isinstance(run(data, "queue", "drop", "-y").exception, Invalid)


async def test_before_it_ever_ran_there_is_nothing_and_nothing_is_made(tmp_path):
    folder = tmp_path / "none"
    found = run(folder, "status")
    assert found.exit_code == 1
    assert "hilum agent enroll" in found.output
    assert run(folder, "queue", "list").output == "The queue is empty.\n"
    assert run(folder, "queue", "retry").output == "0 to be sent again, once the agent runs.\n"
    assert not folder.exists()


async def test_a_full_disk_and_a_bound_are_told(data):
    (data / "agent.toml").write_text(f"{TOML}[queue]\nbytes = 1048576\n")
    (data / "queue.spare").unlink()
    found = told.status(data)
    assert "The disk is full, and devices keep what they have: free some of it." in found.stopped
    queue = Queue(data, spare=4096)
    await queue.take(many(3000, start=100))
    await queue.close()
    assert any("has reached its bound" in problem for problem in told.status(data).stopped)


async def test_all_is_well_where_an_agent_runs_and_sends(tmp_path):
    from hilum.agent import lock

    (tmp_path / "agent.toml").write_text(TOML)
    queue = Queue(tmp_path)
    await queue.take(many(1))
    await queue.settle((await queue.next()).batch, Stored("{}"))
    await queue.close()
    with lock.alone(tmp_path):
        assert told.status(tmp_path).stopped == ()
        with pytest.raises(Misconfigured, match="already"), lock.alone(tmp_path):
            pass
    assert lock.running(tmp_path) is None


WRONG = {
    "not TOML": ("[send", "is not TOML"),
    "another table": ("[sned]", "sned: expected one of send"),
    "no list": ("[source]", r"expected \[\[source\]\]"),
    "no tables": ("source = [1]", r"expected \[\[source\]\]"),
    "no table": ("send = 1", r"expected \[send\]"),
    "another bound": ("[queue]\nbits = 1", "queue: .*bits"),
    "no number": ('[queue]\nbytes = "1 GB"', "queue: Expected `int`"),
    "too little": ("[queue]\nbytes = 1", "1048576 or more"),
}


@pytest.mark.parametrize("which", sorted(WRONG))
def test_settings_that_nobody_understands_are_named(tmp_path, which):
    text, says = WRONG[which]
    (tmp_path / "agent.toml").write_text(text)
    with pytest.raises(Misconfigured, match=says):
        settings.read(tmp_path)


def test_settings_are_what_the_file_says(tmp_path, monkeypatch):
    (tmp_path / "agent.toml").write_text(f"{TOML}[queue]\nreadings = 10\n")
    found = settings.read(tmp_path)
    assert (found.data, found.sources, found.bounds) == (tmp_path, [{"kind": "ble"}], settings.Bounds(readings=10))
    assert found.table["send"]["way"] == "gateway"
    monkeypatch.setenv("HILUM_AGENT_DATA", "/somewhere")
    assert str(settings.folder(None)) == "/somewhere"
    assert settings.folder(tmp_path) == tmp_path
