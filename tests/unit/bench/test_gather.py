"""The benchmark of the broker, at a tiny size: its processes do what the page says of them."""

from __future__ import annotations

from pathlib import Path

from bench import gather
from bench.gathering.job import BARE, DELIVERED, GATHERED


async def test_it_measures_and_says_what_it_measured(tmp_path: Path) -> None:
    found = await gather.measure(gather.Size((1, 2), 0, 2), tmp_path, 1, lambda *_: None)
    assert not found.errors
    assert [(one.profile, one.patients) for one in found.runs] == [("plain", 1), ("plain", 2)]
    assert all(one.measured.requests > 5 * one.patients for one in found.runs)
    assert all(one.measured.resources > 5 * one.patients for one in found.runs)
    assert all(0 < one.measured.loop_cpu < one.measured.cpu for one in found.runs)
    assert all(0 < one.measured.sqlite_kb < one.measured.peak_kb for one in found.runs)
    requests = {what: [one.requests for one in found.side(what).rounds] for what in (BARE, GATHERED, DELIVERED)}
    assert requests[BARE] == requests[GATHERED] == requests[DELIVERED]
    assert all(0 < one.start_kb <= one.peak_kb for side in found.sides for one in side.rounds)
    gather.save(found, tmp_path)
    assert gather.saved(tmp_path) == found
    assert "2 patients from an EHR that answers from memory" in gather.section(found).replace("\n", " ")
    assert "Not measured yet" in gather.section(gather.saved(tmp_path / "nowhere"))
