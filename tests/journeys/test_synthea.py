"""`hilum load` of real synthetic patients: every bundle loads, and the counts by type are those of the files.

A few bundles of each folder here; all of both by `HILUM_FULL=1 pytest tests/journeys/test_synthea.py`.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import apsw
import pytest
from tests.durability.index_truth import differences
from tests.shared_data import DATA, needs_data

from hilum.fhir.definitions import TYPES

FULL = bool(os.environ.get("HILUM_FULL"))


def _expected(files: list[Path]) -> Counter[str]:
    """Resources per type; one that several bundles create conditionally or put under one id counts once."""
    found: Counter[str] = Counter()
    seen: set[str] = set()
    for file in files:
        for entry in json.loads(gzip.decompress(file.read_bytes()))["entry"]:
            request = entry["request"]
            key = request.get("ifNoneExist") or (request["url"] if request["method"] == "PUT" else None)
            if key is not None:
                name = f"{entry['resource']['resourceType']}?{key}"
                if name in seen:
                    continue
                seen.add(name)
            found[entry["resource"]["resourceType"]] += 1
    return found


@needs_data
@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize("folder", ["smart-generated", "fhir-data-pipes"])
def test_every_bundle_loads_and_the_counts_are_those_of_the_files(folder: str, tmp_path: Path) -> None:
    files = sorted((DATA / "synthea" / folder).glob("*.json.gz"))
    if not FULL:  # the hospitals and practitioners that the others refer to by identifier, and some patients
        shared = [file for file in files if "Information" in file.name]
        files = shared + [file for file in files if file not in shared][:: len(files) // 5][:5]
    store = tmp_path / "data" / "hilum.sqlite"
    done = subprocess.run(
        [sys.executable, "-m", "hilum.cli", "load", *map(str, files), "--data", str(tmp_path / "data"), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    db = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY)
    counts = {TYPES[number - 1]: n for number, n in db.execute("SELECT type, n FROM tally WHERE n > 0")}
    db.close()
    assert counts == dict(_expected(files))
    assert differences(str(store)) == []
