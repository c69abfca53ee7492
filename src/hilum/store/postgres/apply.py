"""One Commit: names to rids, rows to arrays, one call of apply() in the database. One round trip once names are known.

Whatever the database says on the way becomes VersionChanged, CriteriaChanged, Conflict or Busy; then nothing was
written. A deadlock or a serialization failure is tried again here, because the call holds all it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg

from hilum.fhir.resource import Resource
from hilum.problems import Busy, Conflict, CriteriaChanged, Problem, VersionChanged
from hilum.search.references import paired
from hilum.store.interface import Commit, Present, Resolves, Unreferenced, Write
from hilum.store.keyed import UnknownSystem, systems
from hilum.store.plan.search import ids
from hilum.store.postgres import criteria, ledger, moving, parameters
from hilum.store.postgres.connection import AGAIN, DRIVER, Session, fetch, lost
from hilum.store.postgres.encode import encode, literal, named
from hilum.store.postgres.known import Known
from hilum.store.postgres.names import Name
from hilum.store.postgres.run import run

_TRIES: Final = 4
_ARGUMENTS: Final = 41
_APPLY: Final = f"SELECT first, linked FROM apply({', '.join(f'${n}' for n in range(1, _ARGUMENTS + 1))})"
_ALONE: Final = "SELECT pg_advisory_xact_lock(1751741805, $1::integer)"
_END: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hilum ' || encode($1::bytea, 'hex')
"""
_AFTER: Final = "SELECT seq FROM audit WHERE seq > $2 AND process = $1 ORDER BY seq LIMIT 1"
_WAITS, _WAIT_SECONDS = 200, 0.05
_NOT_NEW: Final = "HL001"
_CANDIDATES_DIFFER: Final = -1
_OTHER_PARAMETERS: Final = -2
_GIVEN_UP: Final = -3
_NOT_THERE: Final = "42"
"""The class of what a statement names and is not there. https://www.postgresql.org/docs/current/errcodes-appendix.html"""
_NO_PAIRS: Final = ("{}", "{}", "{}")
_LOOKS: Final = 20
"""How often names are looked up again, where others create what is referred to meanwhile."""


async def commit(session: Session, known: Known, commit: Commit) -> tuple[Resource, ...]:
    """Make the writes durable. See `hilum.store.interface.Store.commit`."""
    resolves = [one for one in commit.preconditions if isinstance(one, Resolves)]
    if resolves:
        looked = [system for one in resolves for system in criteria.systems(one.query)]
        await known.dictionaries.systems(session, known.guard, looked)
    expected = _Expected(session, resolves, known)
    tries, looks = _TRIES, _LOOKS
    while tries and looks:
        try:
            plan = await _Plan.make(session, known, commit)
            if expected.unseen:
                await expected.look()
            if not expected.comparable or commit.defined or commit.revokes or commit.puts:
                return await _in_transaction(session, plan, resolves)
            made = await plan.apply(session, criteria.locks(known, resolves, commit.writes), expected.arguments())
            if made is not None:
                plan.remember()
                return made
            await expected.look()
            tries -= 1
        except _Otherwise:
            # Everyone who could be looked up is looked up again.
            looks -= 1
            written = [(write.type, write.id) for write in commit.writes]
            known.names.forget([*written, *named(commit.writes)])
            await known.names.known(session, written)
        except asyncpg.PostgresError as error:
            if error.sqlstate not in AGAIN:
                if str(error.sqlstate).startswith(_NOT_THERE):
                    await parameters.generation(session)  # who took it away may be a newer hilum
                raise _meaning(error) from None
            tries -= 1
    if resolves:
        raise CriteriaChanged("What the criteria find changes faster than it can be judged.")
    raise Busy("Other writes kept getting in the way. Try again.")


class _Otherwise(Exception):
    """A name that was thought to be new is in the database, or has another rid by now: find it and write again."""


class Unknown(Exception):
    """The connection was lost while apply() was under way: whether it was committed is not known yet."""

    def __init__(self, session: Session, writes: Sequence[Write]) -> None:
        super().__init__()
        self.session, self.writes = session, writes


async def outcome(session: Session, unknown: Unknown) -> tuple[Resource, ...] | None:
    """What became of it, seen from another connection: the new versions, or None when nothing was written.

    The lost session is ended and waited for; then its audit rows, which name it, are final: there is one after the
    last commit that was answered, or there is none. Raises Busy when the session doesn't end.
    """
    was = unknown.session
    for _ in range(_WAITS):
        if not await fetch(session, _END, was.process):
            found = await fetch(session, _AFTER, was.process, was.seq)
            return _stamped(unknown.writes, found[0][0]) if found else None
        await asyncio.sleep(_WAIT_SECONDS)
    raise Busy("PostgreSQL has not ended a lost session yet.")


class _Expected:
    """What the criteria's keys must find at the time of the commit, as far as it was looked at."""

    def __init__(self, session: Session, resolves: list[Resolves], known: Known) -> None:
        self._registry = known.dialect.registry
        self._session = session
        self._resolves = resolves
        self._keys = [criteria.key(one.query, known.keys) for one in resolves]
        # A conditional create expects that there is nothing: then no candidate at all needs no second look.
        self._texts: list[str | None] = ["" if not one.ids else None for one in resolves]
        self.comparable = None not in self._keys

    def arguments(self) -> tuple[list[int], list[int], list[str]]:
        """c_param, c_value, c_expected."""
        found = [one for one in self._keys if one is not None]
        return [k[0] for k in found], [k[1] for k in found], [text for text in self._texts if text is not None]

    async def look(self) -> None:
        """Judge each criterion exactly; raises CriteriaChanged."""
        for place, (condition, key) in enumerate(zip(self._resolves, self._keys, strict=True)):
            if key is not None:
                self._texts[place] = await criteria.candidates(self._session, condition, key, self._registry)
        self.comparable = None not in self._texts

    @property
    def unseen(self) -> bool:
        """Whether a criterion expects ids, so that its candidates must be read first."""
        return self.comparable and None in self._texts


async def _in_transaction(session: Session, plan: _Plan, resolves: list[Resolves]) -> tuple[Resource, ...]:
    """Criteria that no single key decides: alone, the queries are run and then the writes, in one transaction."""
    seq, chain = session.seq, session.chain
    transaction = session.db.transaction()
    await transaction.start()
    try:
        if plan.defined:
            await parameters.alone(session, plan.known.guard)
        await fetch(session, _ALONE, plan.known.guard)
        if resolves:  # several statements judge by one number
            await moving.every(session, plan.known.guard, plan.created)
        for condition in resolves:
            found = await run(session, ids(plan.known.dialect, condition.query, len(condition.ids) + 1))
            criteria.judge(condition, found)
        made = await plan.apply(session, criteria.Locks(criteria.ALONE), ([], [], []))
        if made is None:
            raise CriteriaChanged("The criteria resolve to something else by now.")
        if plan.defined:
            await parameters.put(session, plan.defined)
        if plan.puts:
            await ledger.put(session, plan.puts)
        if plan.revokes:  # last of all, under a lock that the others who revoke wait for
            await ledger.revoke(session, plan.known.guard, plan.revokes, session.seq)
    except (Problem, _Otherwise, asyncpg.PostgresError):
        session.seq, session.chain = seq, chain
        if not session.db.is_closed():
            await transaction.rollback()
        raise
    try:
        await transaction.commit()
    except DRIVER as error:
        session.seq, session.chain = seq, chain
        raise Unknown(session, plan.writes) from error
    plan.remember()
    return made


class _Named(NamedTuple):
    """The rids of all names of a commit: `fresh` become rows now; `was`: the rids of those that were referred to before
    and are created now; `held`: the rids that may be given up by others.
    """

    rids: dict[Name, int]
    fresh: set[Name]
    was: dict[Name, int]
    held: list[int]


class _Plan:
    """A commit with its rids: what can be applied, and applied again."""

    def __init__(self, known: Known, commit: Commit, names: _Named, shapes: Sequence[int]) -> None:
        rids, fresh, self._was, self._held = names
        self.known, self.writes, self.defined, self.revokes = known, commit.writes, commit.defined, commit.revokes
        self.puts = commit.puts
        self._commit, self._rids, self._fresh = commit, rids, fresh
        self._columns = encode(commit.writes, rids, fresh, shapes, known.keys, full_text=known.full_text).arguments()
        written = {(write.type, write.id): write for write in commit.writes}
        self._present = [rids[n] for n in _names(commit, Present) if _present(n, written, rids)]
        self._unreferenced = [rids[n] for n in _names(commit, Unreferenced) if n in rids]
        self._locks = {moving.lock(known.guard, rid): False for rid in self._held}
        self._locks |= {moving.lock(known.guard, rid): True for rid in self._was.values()}

    @classmethod
    async def make(cls, session: Session, known: Known, commit: Commit) -> _Plan:
        """Find the rids of all names, and give new ones to what is created."""
        found = await _named(session, known, commit)
        shapes = await known.dictionaries.learn(session, known.guard, [(w.type, w.rows) for w in commit.writes])
        try:
            return cls(known, commit, found, shapes)
        except UnknownSystem:  # another process wrote what is about to be taken away
            before = [system for write in commit.writes for system in systems(write.old)]
            await known.dictionaries.systems(session, known.guard, before)
            return cls(known, commit, found, shapes)

    def remember(self) -> None:
        """It is committed: the new names are there for ever."""
        for name in self._fresh:
            self.known.names.remember(name, self._rids[name])
        self.known.names.forget(self._was)

    @property
    def created(self) -> tuple[int, ...]:
        """The numbers that what it creates gives up."""
        return tuple(self._was.values())

    def _pairs(self) -> tuple[str, ...]:
        """m_beside, m_own, m_alone."""
        return tuple(map(literal, paired(self.known.dialect.registry))) if self._was else _NO_PAIRS

    async def apply(
        self, session: Session, locks: criteria.Locks, expected: tuple[list[int], list[int], list[str]]
    ) -> tuple[Resource, ...] | None:
        """The new versions; None when a criterion has other candidates than expected."""
        audit = self._commit.audit
        keys = sorted((dict(locks.keys) | self._locks).items()) if self._locks else locks.keys
        try:
            (row,) = await fetch(
                session,
                _APPLY,
                self.known.guard,
                self._commit.generation,
                locks.whole,
                literal([lock for lock, _ in keys]),
                literal([exclusive for _, exclusive in keys]),
                literal(expected[0]),
                literal(expected[1]),
                expected[2],
                literal(self._present),
                literal(self._unreferenced),
                literal(self._held),
                literal(list(self._was.values())),
                literal([self._rids[name] for name in self._was]),
                *self._pairs(),
                *self._columns,
                session.process,
                audit.agent,
                audit.client,
                audit.interaction,
                audit.token,
                audit.detail,
                session.chain,
            )
        except DRIVER as error:
            if getattr(error, "sqlstate", None) == _NOT_NEW:
                raise _Otherwise from None
            if lost(error, session.db):
                raise Unknown(session, self._commit.writes) from error
            raise
        first: int = row[0]
        if first == _OTHER_PARAMETERS:
            raise VersionChanged("The search parameters are others by now.")
        if first == _GIVEN_UP:
            raise _Otherwise
        if first == _CANDIDATES_DIFFER:
            return None
        session.seq, session.chain = first, row[1]
        return _stamped(self._commit.writes, first)


async def _named(session: Session, known: Known, commit: Commit) -> _Named:
    """What is created gets its number here, in the order of the writes, whether or not it was referred to."""
    writes, names = commit.writes, known.names
    rids = {name: rid for w in writes if (rid := names.get(name := (w.type, w.id))) is not None}
    changed = [(w.type, w.id) for w in writes if w.version > 1 and (w.type, w.id) not in rids]
    if changed:
        rids |= await names.known(session, changed)
        if any(name not in rids for name in changed):
            raise VersionChanged("A resource to be changed does not exist.")
    made = [name for w in writes if (name := (w.type, w.id)) not in rids]
    numbers = await names.numbers(session, len(made)) if made else []
    was = {name: rid for name in made if (rid := names.guess(name)) is not None}
    for name, n in zip(made, numbers, strict=True):
        rids[name] = names.new(name, n)
    written = set(rids)
    others = [name for name in named(writes) if name not in written]
    rids |= {name: rid for name in others if (rid := names.get(name) or names.guess(name)) is not None}
    rids |= await names.interned(session, [name for name in others if name not in rids])
    checked = [n for n in (*_names(commit, Present), *_names(commit, Unreferenced)) if n not in rids]
    if checked:
        rids |= await names.known(session, checked)
    held = {rid: None for name, rid in rids.items() if name not in written and names.get(name) is None}
    return _Named(rids, {name for name in made if name not in was}, was, list(held))


def _stamped(writes: Sequence[Write], first: int) -> tuple[Resource, ...]:
    """The versions as apply() stored them: the same bytes."""
    return tuple(
        Resource(w.type, w.id, w.version, seq, w.draft.stamp(w.version, seq) if w.draft else b"", w.method)
        for seq, w in enumerate(writes, first)
    )


def _names(commit: Commit, kind: type[Present] | type[Unreferenced]) -> list[Name]:
    return list(dict.fromkeys((one.type, one.id) for one in commit.preconditions if isinstance(one, kind)))


def _present(name: Name, written: dict[Name, Write], rids: dict[Name, int]) -> bool:
    """Whether apply() has to look for it. Raises Conflict when it can't be there."""
    write = written.get(name)
    if write is not None:
        if write.draft is None:
            raise _absent()
        return False
    if name not in rids:
        raise _absent()
    return True


def _absent() -> Conflict:
    return Conflict("A reference points to a resource that does not exist here.")


def _meaning(error: asyncpg.PostgresError) -> BaseException:
    """The problem that an SQLSTATE stands for; the error itself when the pool has to drop the connection."""
    meant: BaseException = error
    match error.sqlstate:
        case "HL002":
            meant = VersionChanged("Another version is current by now.")
        case "HL003":
            meant = _absent()
        case "HL004":
            meant = Conflict("Another resource still refers to this one; delete or change that first.")
    return meant
