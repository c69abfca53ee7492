"""Access tokens are renewed in time, and no refresh token that serves once is sent twice, whatever comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.broker.launched import Browser, Clock, Here, at, connection, here, signed_in
from tests.unit.broker.strict import SECRET, Strict, running

from hilum.broker.far import Failed
from hilum.broker.grants import KEPT, Grants, Kept
from hilum.broker.renewing import SPENDING
from hilum.oauth.ledger import EHR_TOKEN, Put
from hilum.problems import Forbidden, Misconfigured
from hilum.store.memory import MemoryLedger

Answer = tuple[int, Any, dict[str, str]]


@pytest.fixture
async def ehr() -> AsyncIterator[Strict]:
    async with running() as strict:
        yield strict


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def process(folder: Path, ehr: Strict, clock: Clock, beside: Here | None = None) -> Here:
    """hilum; `beside`: another process of the same."""
    if beside is not None:
        return here(folder, ledger=beside.ledger, clock=clock)
    return await at(folder, ehr, clock=clock)


def most(ehr: Strict) -> int:
    """How often the refresh token was sent that was sent most often."""
    return max(ehr.spent.values(), default=0)


def once_with(ehr: Strict, answer: Answer) -> None:
    """Of the next request to its token endpoint nothing else comes, whether or not it was looked at."""

    async def before(form: dict[str, str]) -> Answer | None:
        ehr.before = None
        return answer

    ehr.before = before


async def test_a_token_is_used_until_shortly_before_its_end_and_then_another_one(
    tmp_path: Path, ehr: Strict, clock: Clock
) -> None:
    where = await process(tmp_path, ehr, clock)
    bearer = where.renewing.bearer(await signed_in(where, ehr))
    first = await bearer()
    clock.now += 570 - 57 - 1
    assert await bearer() == first
    clock.now += 1
    second = await bearer()
    assert (second != first, second in ehr.access, most(ehr)) == (True, True, 1)
    assert await where.renewing.bearer(bearer.id)() == second


async def test_many_who_ask_in_several_processes_make_one_renewal(tmp_path: Path, ehr: Strict, clock: Clock) -> None:
    one = await process(tmp_path, ehr, clock)
    grant = await signed_in(one, ehr)
    processes = [one, *[await process(tmp_path, ehr, clock, one) for _ in range(3)]]
    for _ in range(3):
        clock.now += 570
        bearers = [where.renewing.bearer(grant) for where in processes for _ in range(25)]
        assert len(set(await asyncio.gather(*(bearer() for bearer in bearers)))) == 1
    assert (len(ehr.spent), most(ehr), ehr.stolen) == (3, 1, 0)


async def test_two_would_send_one_token_if_that_it_is_sent_were_not_written_first(
    tmp_path: Path, ehr: Strict, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault, seeded: what the tests here count can be more than one."""
    replace = Grants.replace

    async def forgets(self: Grants, kept: Kept, **changes: Any) -> bool:
        return True if changes.get("spending") else await replace(self, kept, **changes)

    one = await process(tmp_path, ehr, clock)
    grant = await signed_in(one, ehr)
    two = await process(tmp_path, ehr, clock, one)
    monkeypatch.setattr(Grants, "replace", forgets)
    clock.now += 570
    await asyncio.gather(*(where.renewing.bearer(grant)() for where in (one, two)), return_exceptions=True)
    assert (most(ehr), ehr.stolen) == (2, 1)


async def test_many_who_were_refused_with_one_token_make_one_renewal(tmp_path: Path, ehr: Strict, clock: Clock) -> None:
    one = await process(tmp_path, ehr, clock)
    grant = await signed_in(one, ehr)
    two = await process(tmp_path, ehr, clock, one)
    bearers = [where.renewing.bearer(grant) for where in (one, two) for _ in range(10)]
    (old,) = {await bearer() for bearer in bearers}
    (new,) = set(await asyncio.gather(*(bearer(fresh=True) for bearer in bearers)))
    assert (old != new, sum(ehr.spent.values())) == (True, 1)


async def test_of_many_requests_that_meet_an_ended_token_one_renews_it(
    tmp_path: Path, ehr: Strict, clock: Clock
) -> None:
    where = await process(tmp_path, ehr, clock)
    bearer = where.renewing.bearer(await signed_in(where, ehr))
    turn = asyncio.Semaphore(1)

    async def request() -> str:
        await bearer()
        await asyncio.sleep(0)
        async with turn:  # each gets its 401 after the one before has renewed
            return await bearer(fresh=True)

    assert len(set(await asyncio.gather(*(request() for _ in range(20))))) == 1
    assert sum(ehr.spent.values()) == 1


async def test_a_grant_that_was_forgotten_serves_for_five_seconds_at_most(
    tmp_path: Path, ehr: Strict, clock: Clock
) -> None:
    where = await process(tmp_path, ehr, clock)
    bearer = where.renewing.bearer(await signed_in(where, ehr))
    token = await bearer()
    await where.launching.grants.forget(bearer.id)
    clock.now += 4
    assert await bearer() == token
    clock.now += 1
    with pytest.raises(Failed, match="ended"):
        await bearer()


async def test_an_ehr_that_gives_no_new_refresh_token_is_sent_the_same_again(
    tmp_path: Path, ehr: Strict, clock: Clock
) -> None:
    ehr.rotates = False
    where = await process(tmp_path, ehr, clock)
    bearer = where.renewing.bearer(await signed_in(where, ehr))
    for _ in range(3):
        clock.now += 570
        assert await bearer() in ehr.access
    assert dict(ehr.spent) == {next(iter(ehr.refresh)): 3}
    assert (await where.launching.grants.get(bearer.id)).grant.reusable


async def test_scopes_that_shrink_are_noted_and_the_context_stays(tmp_path: Path, ehr: Strict, clock: Clock) -> None:
    where = await process(tmp_path, ehr, clock)
    grant = await signed_in(where, ehr)
    before = (await where.launching.grants.get(grant)).grant
    clock.now += 570
    after = (await where.renewing.current(grant)).grant
    assert (after.scopes, after.patient, after.generation) == ("patient/*.rs", before.patient, 2)


async def test_a_token_without_another_to_renew_it_ends(tmp_path: Path, ehr: Strict, clock: Clock) -> None:
    where = await at(tmp_path, ehr, clock=clock, registered={"user_scopes": "patient/*.rs"})
    bearer = where.renewing.bearer(await signed_in(where, ehr))
    clock.now += 569
    assert await bearer() in ehr.access
    with pytest.raises(Failed, match="sign in again") as caught:
        await bearer(fresh=True)
    assert caught.value.kind == "unauthorized"
    clock.now += 1
    with pytest.raises(Failed, match="sign in again"):
        await bearer()


async def test_an_ehr_whose_tokens_last_no_time_is_asked_once_each_time(
    tmp_path: Path, ehr: Strict, clock: Clock
) -> None:
    ehr.life = 1
    where = await process(tmp_path, ehr, clock)
    bearer = where.renewing.bearer(await signed_in(where, ehr))
    clock.step = 1
    assert len({await bearer(), await bearer()}) == 2
    assert (len(ehr.spent), most(ehr)) == (2, 1)


FATES = (
    ((429, {}, {"retry-after": "7"}), "throttled", True),
    ((503, b"", {}), "broken", True),
    ((400, b"", {}), "refused", True),
    ((401, {"error": "invalid_client"}, {}), "unauthorized", True),
    ((400, {"error": "invalid_scope"}, {}), "forbidden", True),
    ((400, {"error": "invalid_grant"}, {}), "unauthorized", False),
    ((500, b"", {}), "broken", False),
    ((502, b"<html>", {}), "broken", False),
    ((200, b"", {}), "broken", False),
    ((200, {"access_token": "a"}, {}), "broken", False),
    ((302, b"", {"location": "https://evil.example"}), "unreachable", False),
    ((0, b"", {}), "unreachable", False),
)


@pytest.mark.parametrize(("answer", "kind", "holds"), FATES, ids=[f"{one[0][0]}-{one[1]}" for one in FATES])
async def test_a_token_is_sent_again_only_if_it_is_known_to_hold(
    tmp_path: Path, ehr: Strict, clock: Clock, answer: Answer, kind: str, holds: bool
) -> None:
    where = await process(tmp_path, ehr, clock)
    bearer = where.renewing.bearer(await signed_in(where, ehr))
    clock.now += 540
    once_with(ehr, answer)
    with pytest.raises(Failed) as caught:
        await bearer()
    assert caught.value.kind == kind
    sent = len(ehr.asked)
    assert await bearer() in ehr.access, "what holds for some seconds is used for them"
    assert (len(ehr.asked) > sent) == (holds and "retry-after" not in answer[2])
    clock.now += 30
    if holds:
        assert await bearer() in ehr.access
    else:
        with pytest.raises(Failed, match="sign in again"):
            await bearer()
        assert len(ehr.asked) == sent
    assert ehr.stolen == 0


async def test_an_ehr_that_is_not_there_costs_no_refresh_token(tmp_path: Path, clock: Clock) -> None:
    async with running() as ehr:
        where = await process(tmp_path, ehr, clock)
        grant = await signed_in(where, ehr)
    clock.now += 570
    with pytest.raises(Failed) as caught:
        await where.renewing.current(grant)
    assert (caught.value.kind, caught.value.again) == ("unreachable", True)
    kept = (await where.launching.grants.get(grant)).grant
    assert (kept.renewable, kept.spending) == (True, 0)


async def test_an_answer_that_is_lost_costs_nothing_where_refresh_tokens_serve_again(
    tmp_path: Path, ehr: Strict, clock: Clock
) -> None:
    ehr.rotates = False
    where = await process(tmp_path, ehr, clock)
    bearer = where.renewing.bearer(await signed_in(where, ehr))
    clock.now += 570
    await bearer()
    clock.now += 570
    once_with(ehr, (500, b"", {}))
    with pytest.raises(Failed):
        await bearer()
    assert await bearer() in ehr.access


async def test_an_ehr_that_wants_to_be_left_alone_is(tmp_path: Path, ehr: Strict, clock: Clock) -> None:
    where = await process(tmp_path, ehr, clock)
    bearer = where.renewing.bearer(await signed_in(where, ehr))
    clock.now += 570
    once_with(ehr, (429, {}, {"retry-after": "30"}))
    for _ in range(3):
        with pytest.raises(Failed) as caught:
            await bearer()
        assert (caught.value.kind, caught.value.retry_at) == ("throttled", clock.now + 30)
    assert len(ehr.asked) == 2, "the code, and one refresh token"
    clock.now += 30
    assert await bearer() in ehr.access


async def test_what_was_begun_and_left_is_not_sent_again(tmp_path: Path, ehr: Strict, clock: Clock) -> None:
    where = await process(tmp_path, ehr, clock)
    grant = await signed_in(where, ehr)
    kept = await where.launching.grants.get(grant)
    assert await where.launching.grants.replace(kept, spending=int(clock.now))
    clock.now += 540
    assert await where.renewing.bearer(grant)() in ehr.access
    clock.now += 30
    with pytest.raises(Failed, match="sign in again"):
        await where.renewing.current(grant)
    assert not ehr.spent


async def test_who_waits_for_another_process_gets_what_that_one_gets(tmp_path: Path, ehr: Strict, clock: Clock) -> None:
    one = await process(tmp_path, ehr, clock)
    grant = await signed_in(one, ehr)
    two = await process(tmp_path, ehr, clock, one)
    clock.now += 570
    asked, answer = asyncio.Event(), asyncio.Event()

    async def before(form: dict[str, str]) -> None:
        asked.set()
        await answer.wait()

    ehr.before = before
    first = asyncio.create_task(one.renewing.bearer(grant)())
    await asked.wait()
    second = asyncio.create_task(two.renewing.bearer(grant)())
    await asyncio.sleep(0.1)
    answer.set()
    assert await first == await second
    assert most(ehr) == 1


async def test_an_answer_that_comes_after_all_is_written_down(tmp_path: Path, ehr: Strict, clock: Clock) -> None:
    one = await process(tmp_path, ehr, clock)
    grant = await signed_in(one, ehr)
    two = await process(tmp_path, ehr, clock, one)
    clock.now += 570
    asked, answer = asyncio.Event(), asyncio.Event()

    async def before(form: dict[str, str]) -> None:
        asked.set()
        await answer.wait()

    ehr.before = before
    slow = asyncio.create_task(one.renewing.bearer(grant)())
    await asked.wait()
    clock.now += SPENDING
    with pytest.raises(Failed, match="sign in again"):
        await two.renewing.current(grant)
    answer.set()
    new = await slow
    assert await two.renewing.bearer(grant)() == new
    assert (most(ehr), ehr.stolen) == (1, 0)


async def test_who_gives_up_waiting_loses_no_token(tmp_path: Path, ehr: Strict, clock: Clock) -> None:
    where = await process(tmp_path, ehr, clock)
    grant = await signed_in(where, ehr)
    clock.now += 570
    asked, answer = asyncio.Event(), asyncio.Event()

    async def before(form: dict[str, str]) -> None:
        asked.set()
        await answer.wait()

    ehr.before = before
    waits = asyncio.create_task(where.renewing.bearer(grant)())
    await asked.wait()
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    answer.set()
    await where.renewing.close()
    assert await where.renewing.bearer(grant)() in ehr.access
    assert most(ehr) == 1


async def test_a_renewal_for_another_patient_ends_the_sign_in(tmp_path: Path, ehr: Strict, clock: Clock) -> None:
    where = await process(tmp_path, ehr, clock)
    grant = await signed_in(where, ehr)
    clock.now += 540
    ehr.said = {"patient": "another"}
    for _ in range(2):
        with pytest.raises(Failed, match="again"):
            await where.renewing.current(grant)
    assert len(ehr.spent) == 1


@pytest.mark.parametrize("other", [{"base": "https://evil.example/fhir"}, {"client_id": "another"}])
async def test_a_connection_that_is_another_by_now_gets_no_token(
    tmp_path: Path, ehr: Strict, clock: Clock, other: dict[str, str]
) -> None:
    where = await process(tmp_path, ehr, clock)
    grant = await signed_in(where, ehr)
    clock.now += 570
    row = await where.ledger.get(EHR_TOKEN, b"launch/" + grant.encode())
    assert row is not None
    ledger = MemoryLedger(lambda: int(clock() * 1_000_000))
    changed = here(tmp_path, ehr.send, ledger=ledger, clock=clock)
    await changed.connections.add(connection(**({"base": ehr.base} | other)), SECRET)
    await ledger.add(Put(row.kind, row.key, row.value, row.expires, row.owner))
    with pytest.raises(Failed):
        await changed.renewing.current(grant)
    assert not ehr.spent
    await where.connections.remove("lake")
    with pytest.raises(Failed, match="ended"):
        await where.renewing.current(grant)


async def test_an_issuer_that_is_another_by_now_gets_no_token(tmp_path: Path, ehr: Strict, clock: Clock) -> None:
    where = await process(tmp_path, ehr, clock)
    grant = await signed_in(where, ehr)
    clock.now += 3600
    ehr.metadata = {"issuer": "https://evil.example"}
    with pytest.raises(Failed, match="another one"):
        await where.renewing.current(grant)
    assert not ehr.spent


async def test_grants_are_found_by_connection_and_forgotten(tmp_path: Path, ehr: Strict, clock: Clock) -> None:
    where = await process(tmp_path, ehr, clock)
    grants = {await signed_in(where, ehr) for _ in range(3)}
    kept = where.launching.grants
    assert {one.id for one in await kept.of("lake")} == grants
    assert await kept.of("pond") == []
    gone = grants.pop()
    assert await kept.forget(gone)
    assert not await kept.forget(gone)
    with pytest.raises(Failed, match="ended"):
        await where.renewing.current(gone)
    clock.now += KEPT
    assert await kept.of("lake") == []


async def test_a_grant_of_the_other_environment_or_root_key_is_none(tmp_path: Path, ehr: Strict, clock: Clock) -> None:
    where = await process(tmp_path, ehr, clock)
    grant = await signed_in(where, ehr)
    other = here(tmp_path / "other", ledger=where.ledger, clock=clock)
    with pytest.raises(Misconfigured):
        await other.renewing.bearer(grant)()
    other.launching.grants.environment = "production"
    with pytest.raises(Failed, match="ended"):
        await other.renewing.current(grant)
    with pytest.raises(Forbidden):
        await Browser(other).back(ehr.agreed(await Browser(where).connect()))
