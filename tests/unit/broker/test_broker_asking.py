"""Asking an EHR: against a real server that answers as vendors do, by a clock that only sleeping moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.farside import Answering, Asked, Farside, Said, bundle, fhir, packed, raw, serving

from hilum.broker.asking import Asking
from hilum.broker.far import Failed, Far, Note, Page
from hilum.broker.throttle import Throttle
from hilum.broker.vendors import Vendor, vendor
from hilum.fhir import json
from hilum.web.outbound import Guard
from hilum.web.pool import Pool

SAMPLES = Path(__file__).parents[2] / "samples" / "ehr"
EPIC, ORACLE, PLAIN = vendor("epic"), vendor("oracle"), vendor("plain")
CATEGORIES = EPIC.parts["Observation"].values
EPIC_SYSTEM = "urn:oid:1.2.840.114350.1.13.5325.1.7.2.657369"


class Time:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Tokens:
    def __init__(self) -> None:
        self.given = 0
        self.asked: list[bool] = []

    async def __call__(self, fresh: bool) -> str:
        self.asked.append(fresh)
        self.given += fresh
        return f"token-{self.given}"


class Ehr:
    """A signed-in connection to a server, with what both saw."""

    def __init__(self, far: Farside, asking: Asking, time: Time, tokens: Tokens) -> None:
        self.far, self.asking, self.time, self.tokens = far, asking, time, tokens

    async def search(self, type: str, *parameters: tuple[str, str]) -> list[Page]:
        return [page async for page in self.asking.search(type, parameters)]

    async def failed(self, type: str, *parameters: tuple[str, str]) -> Failed:
        with pytest.raises(Failed) as caught:
            await self.search(type, *parameters)
        return caught.value


@asynccontextmanager
async def ehr(answering: Answering, of: Vendor = PLAIN, **named: Any) -> AsyncIterator[Ehr]:
    async with serving(answering) as far:
        time, tokens, pool = Time(), Tokens(), Pool(Guard(loopback=True))
        throttle = Throttle(of, clock=time, sleep=time.sleep)
        asking = Asking(far.url(), of, tokens, throttle, pool, clock=time, sleep=time.sleep, **named)
        yield Ehr(far, asking, time, tokens)
        await pool.close()


def sample(name: str, status: str = "200 OK", **headers: str) -> bytes:
    return raw((SAMPLES / f"{name}.json").read_bytes(), status, **headers)


def one_after_the_other(*answers: Said) -> Callable[[Asked], Said]:
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def observation(id: str) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": id}


def ids(pages: list[Page]) -> list[list[Any]]:
    return [[one["id"] for one in page.matches] for page in pages]


def test_asking_is_far() -> None:
    far: Far = Asking("https://ehr.example", PLAIN, Tokens(), Throttle(PLAIN), Pool(Guard()))
    assert far.requests == 0


# --- searches and reads -----------------------------------------------------------------------------------------------


async def test_a_search_sends_its_parameters_and_the_token() -> None:
    async with ehr(lambda _: packed(bundle())) as it:
        assert await it.search("Patient", ("identifier", "urn:mrn|1 2"), ("_include", "Patient:organization")) == [
            Page((), more=False)
        ]
    (asked,) = it.far.asked
    assert (asked.method, asked.path) == ("GET", "/fhir/Patient")
    assert asked.query == (("identifier", "urn:mrn|1 2"), ("_include", "Patient:organization"))
    assert asked.headers["authorization"] == "Bearer token-0"
    assert asked.headers["accept"].startswith("application/fhir+json")
    assert it.asking.requests == 1


async def test_a_server_without_sign_in_gets_no_token() -> None:
    async def none(fresh: bool) -> str:
        return ""

    async with serving(lambda _: fhir(observation("1"))) as far:
        pool = Pool(Guard(loopback=True))
        await Asking(far.url(), PLAIN, none, Throttle(PLAIN), pool).read("Observation", "1")
        await pool.close()
    assert "authorization" not in far.asked[0].headers


async def test_matches_included_and_notes_are_told_apart() -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "not-supported"}]}
    entries = [
        observation("1"),
        {"resource": {"resourceType": "Patient", "id": "p"}, "search": {"mode": "include"}},
        {"resource": outcome, "search": {"mode": "outcome"}},
        {"resource": observation("2")},
        {"resource": {"resourceType": "Device", "id": "d"}},
        {"resource": "no object"},
    ]
    async with ehr(lambda _: fhir(bundle(*entries))) as it:
        (page,) = await it.search("Observation")
    assert page == Page(
        (observation("1"), observation("2")),
        ({"resourceType": "Patient", "id": "p"}, {"resourceType": "Device", "id": "d"}),
        (Note("not-supported"), Note("incomplete", partial=True)),
    )


async def test_decimals_keep_their_digits() -> None:
    body = b'{"resourceType":"Observation","id":"1","valueQuantity":{"value":1.10}}'
    async with ehr(lambda _: raw(body)) as it:
        found = await it.asking.read("Observation", "1")
    assert str(found["valueQuantity"]["value"]) == str(Decimal("1.10"))


async def test_an_id_is_one_segment_whatever_it_holds() -> None:
    async with ehr(lambda _: fhir(observation("a/../b?c"))) as it:
        await it.asking.read("Observation", "a/../b?c")
    assert it.far.asked[0].path == "/fhir/Observation/a%2F..%2Fb%3Fc"
    async with ehr(lambda _: raw()) as it:
        with pytest.raises(Failed, match="no type of FHIR"):
            await it.asking.read("../admin", "1")
    assert it.far.asked == []


async def test_a_read_of_what_is_of_another_type_is_broken() -> None:
    async with ehr(lambda _: fhir({"resourceType": "Patient", "id": "1"})) as it:
        with pytest.raises(Failed) as caught:
            await it.asking.read("Observation", "1")
    assert (caught.value.kind, caught.value.side) == ("broken", "theirs")


# --- pages ------------------------------------------------------------------------------------------------------------


async def test_pages_are_followed_by_their_links_absolute_or_relative() -> None:
    def answer(asked: Asked) -> bytes:
        match dict(asked.query).get("page"):
            case None:
                return fhir(bundle(observation("1"), next=f"http://{asked.headers['host']}/fhir?page=2"))
            case "2":
                return fhir(bundle(observation("2"), next="Observation?page=3"))
            case _:
                return fhir(bundle(observation("3")))

    async with ehr(answer) as it:
        pages = await it.search("Observation", ("patient", "p"))
    assert ids(pages) == [["1"], ["2"], ["3"]]
    assert [page.more for page in pages] == [True, True, False]
    assert [asked.path for asked in it.far.asked] == ["/fhir/Observation", "/fhir", "/fhir/Observation"]
    assert it.far.connections == 1


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/fhir?page=2",
        "http://127.0.0.1:1/fhir",
        "//elsewhere.example/x",
        "http://user@127.0.0.1/",
        "http://[elsewhere",
    ],
)
async def test_a_page_on_another_host_is_not_asked_for(link: str) -> None:
    async with ehr(lambda _: fhir(bundle(observation("1"), next=link))) as it:
        came = []
        with pytest.raises(Failed) as caught:
            async for page in it.asking.search("Observation", ()):
                came.append(page)  # noqa: PERF401  # what came before the failure stays
    assert caught.value.kind in ("broken", "unreachable")
    assert ids(came) == [["1"]]
    assert it.asking.requests == len(it.far.asked) == 1


async def test_pages_that_lead_back_and_pages_without_end_are_left() -> None:
    async with ehr(lambda _: fhir(bundle(next="?page=2"))) as it:
        assert (await it.failed("Observation")).kind == "broken"
        assert it.asking.requests == 2

    def endless(asked: Asked) -> bytes:
        return fhir(bundle(next=f"?page={int(dict(asked.query).get('page', 1)) + 1}"))

    async with ehr(endless, pages=5) as it:
        failed = await it.failed("Observation")
        assert (failed.kind, failed.side, it.asking.requests) == ("limit", "ours", 5)


async def test_no_match_comes_twice() -> None:
    async with ehr(
        one_after_the_other(
            fhir(bundle(observation("1"), observation("2"), next="?page=2")),
            fhir(bundle(observation("2"), observation("3"))),
        )
    ) as it:
        assert ids(await it.search("Observation")) == [["1", "2"], ["3"]]


async def test_names_that_are_no_texts_are_left_to_who_gathers() -> None:
    odd = [observation("1") | {"id": {}}, observation("1") | {"resourceType": []}, observation("1")]
    async with ehr(lambda _: fhir(bundle(*odd))) as it:
        (page,) = await it.search("Observation")
    assert list(page.matches) == odd


async def test_pages_that_the_ehr_forgot_are_asked_for_from_the_start_once() -> None:
    first, gone = fhir(bundle(observation("1"), next="?page=2")), sample("epic-paging-gone", "400 Bad Request")
    async with ehr(one_after_the_other(first, gone, first, fhir(bundle(observation("2")))), EPIC) as it:
        assert ids(await it.search("Observation", ("category", "exam"))) == [["1"], [], ["2"]]
    async with ehr(lambda asked: gone if dict(asked.query).get("page") else first, EPIC) as it:
        failed = await it.failed("Observation", ("category", "exam"))
    assert (failed.kind, failed.codes, failed.again, it.asking.requests) == ("gone", ("4113",), True, 4)


async def test_a_next_page_that_is_not_there_is_a_session_that_ended() -> None:
    async with ehr(
        lambda asked: raw(b"", "404 Not Found") if asked.query else fhir(bundle(observation("1"), next="?page=2"))
    ) as it:
        assert (await it.failed("Observation")).kind == "gone"


# --- Epic -------------------------------------------------------------------------------------------------------------


async def test_epics_observations_are_asked_for_by_category() -> None:
    def answer(asked: Asked) -> bytes:
        category = dict(asked.query).get("category")
        return (
            fhir(bundle(observation(category), observation("both")))
            if category
            else sample("epic-category-missing", "400 Bad Request")
        )

    async with ehr(answer, EPIC) as it:
        pages = await it.search("Observation", ("patient", "p"))
        queries = [asked.query for asked in it.far.asked]
        assert queries[0] == (("patient", "p"), ("category", CATEGORIES[0]))
        assert sorted(queries) == sorted((("patient", "p"), ("category", one)) for one in CATEGORIES)
        assert ids(pages) == [[CATEGORIES[0], "both"], *[[one] for one in CATEGORIES[1:]]]
        assert [page.more for page in pages] == [True] * (len(CATEGORIES) - 1) + [False]
        it.far.asked.clear()
        await it.search("Observation", ("patient", "p"), ("category", "exam"))
        assert len(it.far.asked) == 1


async def test_the_first_category_is_asked_for_alone_and_the_others_at_a_time_within_the_throttle() -> None:
    waiting: list[str] = []
    full = asyncio.Event()

    def answer(asked: Asked) -> Said:
        category = dict(asked.query)["category"]
        page = fhir(bundle(observation(category)))
        if category == CATEGORIES[0]:
            assert waiting == []
            return page

        async def once_all_are_here(writer: asyncio.StreamWriter) -> None:
            waiting.append(category)
            if len(waiting) == EPIC.concurrency:
                full.set()
            await full.wait()
            writer.write(page)

        return once_all_are_here

    async with ehr(answer, EPIC) as it:
        assert ids(await it.search("Observation", ("patient", "p"))) == [[one] for one in CATEGORIES]


async def test_a_search_that_is_left_midway_asks_for_nothing_more() -> None:
    def answer(asked: Asked) -> bytes:
        page = int(dict(asked.query).get("page", 0))
        return fhir(bundle(observation(f"{asked.query}"), next=f"?page={page + 1}&of={asked.query[-1][1]}"))

    async with ehr(answer, EPIC) as it:
        async with aclosing(it.asking.search("Observation", (("patient", "p"),))) as pages:
            async for _ in pages:
                break
        assert not [task for task in asyncio.all_tasks() if "_run" in repr(task.get_coro())]
        assert it.asking.requests <= 1 + 3 * len(CATEGORIES)


async def test_a_category_that_fails_loses_none_of_the_others() -> None:
    def answer(asked: Asked) -> bytes:
        category = dict(asked.query)["category"]
        return raw(b"", "403 Forbidden") if category == CATEGORIES[1] else fhir(bundle(observation(category)))

    async with ehr(answer, EPIC) as it:
        pages = await it.search("Observation", ("patient", "p"))
    assert ids(pages) == [[one] for one in CATEGORIES if one != CATEGORIES[1]] + [[]]
    assert pages[-1] == Page((), notes=(Note("forbidden", "error", partial=True),))
    assert [page.more for page in pages] == [True] * (len(CATEGORIES) - 1) + [False]


async def test_a_search_of_which_every_part_fails_fails() -> None:
    async with ehr(lambda _: raw(b"", "403 Forbidden"), EPIC) as it:
        assert (await it.failed("Observation", ("patient", "p"))).kind == "forbidden"
        assert it.asking.requests == len(CATEGORIES)


async def test_epics_empty_result_is_empty() -> None:
    async with ehr(lambda _: sample("epic-nothing"), EPIC) as it:
        assert await it.search("Patient", ("identifier", "MRN|1")) == [Page((), notes=(Note("4101"),))]
    alone = (
        b'{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"processing","details":{"coding":['
        b'{"system":"urn:oid:1.2.840.114350.1.13.0.1.7.2.657369","code":"4101"}]}}]}'
    )
    for status in ("200 OK", "404 Not Found"):
        async with ehr(lambda _, status=status: raw(alone, status), EPIC) as it:
            (page,) = await it.search("Patient", ("identifier", "MRN|1"))
            assert (page.matches, [note.code for note in page.notes]) == ((), ["4101"])


async def test_what_epic_left_out_is_noted() -> None:
    async with ehr(lambda _: sample("epic-partial"), EPIC) as it:
        (page,) = await it.search("Procedure", ("patient", "eAbc"))
    assert ids([page]) == [["ep1"]]
    assert page.notes == (Note("59204", partial=True), Note("4119", partial=True))


async def test_break_the_glass_is_never_asked_again_nor_for_another_category() -> None:
    async with ehr(lambda _: sample("epic-break-the-glass", "403 Forbidden"), EPIC) as it:
        failed = await it.failed("Observation", ("patient", "p"))
    assert (failed.kind, failed.codes, failed.again) == ("break-the-glass", ("4131",), False)
    assert it.asking.requests == 1


async def test_break_the_glass_within_a_success_is_the_same() -> None:
    within = bundle(
        {"resource": json.parse((SAMPLES / "epic-break-the-glass.json").read_bytes()), "search": {"mode": "outcome"}}
    )
    async with ehr(lambda _: fhir(within), EPIC) as it:
        assert (await it.failed("Condition", ("patient", "p"))).kind == "break-the-glass"
    async with ehr(
        lambda _: fhir({**within, "entry": [*within["entry"], *bundle(observation("1"))["entry"]]}), EPIC
    ) as it:
        (page,) = await it.search("Observation", ("code", "1"))
    assert (ids([page]), page.notes) == ([["1"]], (Note("4131", "fatal", partial=True),))


async def test_the_daily_cap_is_not_asked_against() -> None:
    async with ehr(lambda _: sample("epic-daily-cap", "400 Bad Request"), EPIC) as it:
        failed = await it.failed("DocumentReference", ("patient", "p"))
    assert (failed.kind, failed.codes, failed.again, failed.retry_at) == ("throttled", ("4135",), True, None)
    assert (it.asking.requests, it.time.slept) == (1, [])


async def test_words_of_the_far_side_are_in_no_message() -> None:
    async with ehr(lambda _: sample("epic-break-the-glass", "403 Forbidden"), EPIC) as it:
        failed = await it.failed("Patient", ("_id", "p"))
    assert "Lopez" not in f"{failed} {failed!r} {failed.text} {failed.codes}"
    strange = {"severity": "Lopez", "code": "Lopez", "details": {"coding": [{"system": EPIC_SYSTEM, "code": "Lopez"}]}}
    async with ehr(lambda _: fhir({"resourceType": "OperationOutcome", "issue": [strange]}, "400 Bad"), EPIC) as it:
        failed = await it.failed("Patient")
    assert (failed.codes, failed.kind) == (("unknown",), "refused")
    assert "Lopez" not in f"{failed} {failed!r}"


# --- Oracle Health ----------------------------------------------------------------------------------------------------


async def test_oracle_is_asked_for_pages_as_long_as_it_gives() -> None:
    async with ehr(lambda _: fhir(bundle()), ORACLE) as it:
        await it.search("Observation", ("patient", "p"))
        await it.search("Observation", ("patient", "p"), ("_count", "5"))
        await it.search("Observation", ("_id", "o"))
        await it.search("Condition", ("patient", "p"))
    assert [dict(asked.query).get("_count") for asked in it.far.asked] == ["200", "5", None, None]


async def test_a_short_retry_after_is_waited_for() -> None:
    async with ehr(
        one_after_the_other(
            sample("oracle-throttled", "429 Too Many Requests", retry_after="7"), fhir(bundle(observation("1")))
        ),
        ORACLE,
    ) as it:
        assert ids(await it.search("Observation", ("patient", "p"))) == [["1"]]
    assert it.time.slept == [7.0]


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
async def test_a_long_retry_after_fails_with_the_time_to_come_back_and_keeps_others_from_asking(status: str) -> None:
    async with ehr(lambda _: sample("oracle-throttled", status, retry_after="7200"), ORACLE) as it:
        first = await it.failed("Observation", ("patient", "p"))
        second = await it.failed("Condition", ("patient", "p"))
        assert [(one.kind, one.retry_at, one.again) for one in (first, second)] == [
            ("throttled", it.time.now + 7200, True)
        ] * 2
    assert (len(it.far.asked), it.time.slept) == (1, [])


# --- asking again -----------------------------------------------------------------------------------------------------


async def test_a_token_that_is_not_taken_is_renewed_once() -> None:
    def answer(asked: Asked) -> bytes:
        old = asked.headers["authorization"] == "Bearer token-0"
        return raw(b"", "401 Unauthorized") if old else fhir(bundle(observation("1")))

    async with ehr(answer) as it:
        assert ids(await it.search("Observation")) == [["1"]]
        assert (it.tokens.asked, it.time.slept) == ([False, True], [])
    async with ehr(lambda _: raw(b"", "401 Unauthorized")) as it:
        failed = await it.failed("Observation")
    assert (failed.kind, failed.again, it.tokens.asked) == ("unauthorized", False, [False, True])


@pytest.mark.parametrize(
    "broken",
    [
        raw(b"<html>", "502 Bad Gateway", content_type="text/html"),
        raw(b'{"resourceType":"Bundle","entry":[{"resour'),
        raw(b"<html>Maintenance</html>", content_type="text/html"),
        raw(b"[]"),
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\nconnection: close\r\n\r\n{",
    ],
    ids=["502", "cut JSON", "a page", "no object", "cut HTTP"],
)
async def test_what_breaks_for_a_moment_is_asked_again(broken: bytes) -> None:
    def cutting(answers: Callable[[Asked], Said]) -> Callable[[Asked], Said]:
        async def cut(writer: Any) -> None:
            writer.write(broken)
            writer.close()

        return lambda asked: cut if (said := answers(asked)) is broken else said

    async with ehr(cutting(one_after_the_other(broken, broken, fhir(bundle(observation("1")))))) as it:
        assert ids(await it.search("Observation")) == [["1"]]
        assert [0.25 <= it.time.slept[0] <= 0.75, 0.5 <= it.time.slept[1] <= 1.5] == [True, True]
    async with ehr(cutting(lambda _: broken)) as it:
        failed = await it.failed("Observation")
    assert (failed.kind, failed.side, failed.again, it.asking.requests) == ("broken", "theirs", True, 3)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", "refused"),
        ("403 Forbidden", "forbidden"),
        ("404 Not Found", "absent"),
        ("410 Gone", "absent"),
        ("422 Unprocessable", "refused"),
        ("302 Found", "refused"),
    ],
)
async def test_what_is_refused_is_not_asked_again(status: str, kind: str) -> None:
    async with ehr(lambda _: raw(b"", status)) as it:
        failed = await it.failed("Observation")
    assert (failed.kind, failed.status, it.asking.requests) == (kind, int(status[:3]), 1)


async def test_where_nobody_is_or_nobody_may_be_reached_it_is_said_whose_side_it_is_on() -> None:
    async with serving(lambda _: raw()) as far:
        url = far.url()
    time, pool = Time(), Pool(Guard(loopback=True))

    async def failed(base: str, pool: Pool) -> Failed:
        throttle = Throttle(PLAIN, clock=time, sleep=time.sleep)
        with pytest.raises(Failed) as caught:
            await Asking(base, PLAIN, Tokens(), throttle, pool, clock=time, sleep=time.sleep).read("Patient", "1")
        return caught.value

    nobody = await failed(url, pool)
    assert (nobody.kind, nobody.side, nobody.again, len(time.slept)) == ("unreachable", "network", True, 2)
    inside = await failed("https://10.0.0.1", Pool(Guard()))
    assert (inside.kind, inside.side, inside.again) == ("unreachable", "ours", False)
    assert "10.0.0.1" not in str(inside)


async def test_an_answer_that_is_too_long_is_ours_to_bound() -> None:
    async with ehr(lambda _: fhir(bundle(*[observation(str(n)) for n in range(100)])), limit=1000) as it:
        failed = await it.failed("Observation")
    assert (failed.kind, failed.side, failed.again) == ("limit", "ours", False)
