"""Where a reindex goes on, what it is of, and the lock that one at a time holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.search.parameters import R4
from hilum.store.keys import type_range
from hilum.store.rebuilding import HIGHEST, LOWEST, OLD_SECONDS, Mark, Scope, place
from hilum.store.sqlite.lock import Lock


def test_it_goes_on_where_the_one_before_stopped_unless_that_is_old_or_of_another_hilum_or_not_wanted() -> None:
    mark = Mark.now(17, 4)
    assert place(mark.text, Scope()) == (17, 4)
    nowhere = (LOWEST, 0)
    assert place(None, Scope()) == nowhere
    assert place(mark.text, Scope(anew=True)) == nowhere
    assert place(mark.text, Scope(look=True)) == nowhere
    assert place(msgspec.structs.replace(mark, at=mark.at - OLD_SECONDS).text, Scope()) == nowhere
    assert place(msgspec.structs.replace(mark, at=mark.at + 3600).text, Scope()) == nowhere
    assert place(msgspec.structs.replace(mark, version="0").text, Scope()) == nowhere


def test_a_scope_is_all_rids_or_those_of_the_types_that_have_the_parameter() -> None:
    low, high = type_range(TYPE_NUMBER["Patient"])
    assert Scope().spans(R4) == [(LOWEST, HIGHEST)]
    assert Scope("Patient").spans(R4) == Scope("Patient", "birthdate").spans(R4) == [(low - 1, high)]
    assert [high >> 40 for _, high in Scope(code="birthdate").spans(R4)] == [
        TYPE_NUMBER[type] for type in ("Patient", "Person", "RelatedPerson")
    ]
    assert Scope("Patient", "nothing").spans(R4) == []
    assert len({Scope(type, code).mark for type in (None, "Patient") for code in (None, "Patient", "name")}) == 6


def test_a_lock_is_one_process_s_and_free_when_that_is_killed(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    program = f"from hilum.store.sqlite.lock import Lock; Lock({path!r}).take(); print('mine', flush=True); input()"
    other = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"mine\n"
    lock = Lock(path)
    assert not lock.free()
    other.send_signal(signal.SIGKILL)
    other.wait()
    with lock.held():
        assert lock.free()
        another = Lock(path)
        assert not another.free()
    assert another.free()
    another.close()
    lock.close()
    assert os.stat(path).st_mode & 0o777 == 0o600
