"""What a link leads to: nothing before a proof, and the video of that link alone after it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.unit.video.filmed import AMY, BEN, CONTENT, DOCTOR
from tests.unit.video.pages.asked import BORN, Browser, Here, here

from hilum.video.pages import words
from hilum.video.pages.patient import Call, call
from hilum.video.script import Citation, Scene, Script, Sentence


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[Here]:
    async with here(tmp_path, amy=AMY, ben=BEN, doctor=DOCTOR) as found:
        yield found


async def linked(clinic: Here, **options: object) -> str:
    """The path of a new link to a new video."""
    url, _ = await clinic.world.videos.giving.link(DOCTOR, await clinic.world.approved(), **options)  # type: ignore[arg-type]
    return url.removeprefix("https://hilum.test")


async def opened(clinic: Here, path: str) -> Browser:
    """A browser in which the birth date was given."""
    browser = clinic.browser()
    answer = await browser.post(path, BORN)
    assert (answer.status, answer.header("location")) == (303, path)
    return browser


async def test_before_a_proof_nothing_of_the_patient_is_shown(clinic: Here) -> None:
    path = await linked(clinic)
    page = await clinic.browser().get(path)
    assert page.status == 200
    for told in ("Amy", "Your visit", "1970", "Rest."):
        assert told not in page.text
    for name in ("video", "captions", "transcript", "poster"):
        assert (await clinic.browser().get(f"{path}/{name}")).status == 404


async def test_who_gives_the_birth_date_watches_reads_and_listens(clinic: Here) -> None:
    path = await linked(clinic)
    browser = await opened(clinic, path)
    page = await browser.get(path)
    assert page.status == 200
    assert "Your visit" in page.text
    assert "<p>You had a visit.</p>" in page.text
    video = await browser.get(f"{path}/video")
    assert (video.status, await video.content()) == (200, CONTENT)
    part = await browser.get(f"{path}/video", range="bytes=2-5")
    assert (part.status, await part.content()) == (206, CONTENT[2:6])
    assert part.header("content-range") == f"bytes 2-5/{len(CONTENT)}"
    assert (await browser.get(f"{path}/video", range="bytes=999999-")).status == 416
    for name in ("captions", "transcript", "poster"):
        assert await (await browser.get(f"{path}/{name}")).content() == name.encode()
    assert (await browser.get(f"{path}/script")).status == 404


async def test_nobody_keeps_the_pages_and_no_address_of_them_goes_elsewhere(clinic: Here) -> None:
    path = await linked(clinic)
    browser = clinic.browser()
    before, proven = await browser.get(path), await browser.post(path, BORN)
    for answer in (before, await browser.get(path), await browser.get(f"{path}/video"), await browser.get("/v/none")):
        assert answer.header("cache-control") == "no-store"
        assert answer.header("referrer-policy") == "no-referrer"
        assert answer.header("x-robots-tag") == "noindex, nofollow, noarchive"
        assert "default-src 'none'" in answer.header("content-security-policy")
        assert "frame-ancestors 'none'" in answer.header("content-security-policy")
    assert (proven.header("cache-control"), proven.header("referrer-policy")) == ("no-store", "no-referrer")
    cookie = proven.header("set-cookie")
    assert re.match(r"__Host-hilum-video-[0-9a-f]{24}=[\w-]{43}; Path=/; HttpOnly; SameSite=Lax; Secure$", cookie)
    assert path.removeprefix("/v/") not in cookie


async def test_wrong_dates_lock_the_link_and_a_right_one_is_too_late_then(clinic: Here) -> None:
    path = await linked(clinic)
    browser = clinic.browser()
    said = []
    for day in range(4, 9):
        answer = await browser.post(path, BORN | {"day": str(day)})
        said.append((answer.status, re.findall(r"You can try [^.]*", answer.text)))
    assert said == [
        (422, ["You can try 4 more times"]), (422, ["You can try 3 more times"]), (422, ["You can try 2 more times"]),
        (422, ["You can try once more"]), (404, []),
    ]  # fmt: skip
    locked, unknown = await browser.post(path, BORN), await browser.get("/v/nothing")
    assert (locked.status, locked.text) == (404, unknown.text)


@pytest.mark.parametrize(
    "changes",
    [{"year": "70"}, {"month": ""}, {"day": "31"}, {"day": "x"}, {"year": "１９７０"}, {"month": "13"}, {"day": "-3"}],
)
async def test_what_is_no_date_is_told_and_counts_as_no_try(clinic: Here, changes: dict[str, str]) -> None:
    path = await linked(clinic)
    browser = clinic.browser()
    for _ in range(6):
        answer = await browser.post(path, BORN | changes)
        assert (answer.status, "Enter the whole birth date" in answer.text) == (422, True)
    assert (await browser.post(path, BORN)).status == 303


async def test_links_that_lead_nowhere_are_one_page_in_the_language_of_the_browser(clinic: Here) -> None:
    revoked, expired = await linked(clinic), await linked(clinic, expires_in=60)
    found = await clinic.world.videos.watching.follow(revoked.removeprefix("/v/"))
    await clinic.world.videos.giving.revoke(DOCTOR, found.link.video, found.id)
    clinic.world.move(61)
    pages = {(await clinic.browser().get(path)).text for path in (revoked, "/v/none")}
    assert len(pages) == 1
    (text,) = pages
    assert "Ask Lakeside Clinic for a new link" in text
    spanish = await clinic.browser().get("/v/none", accept_language="es-MX,es;q=0.9,en;q=0.8")
    assert 'lang="es"' in spanish.text
    assert "Pida un enlace nuevo a Lakeside Clinic" in spanish.text
    assert expired


async def test_a_revoked_link_shows_nothing_more_to_who_has_proven_it(clinic: Here) -> None:
    path = await linked(clinic)
    browser = await opened(clinic, path)
    found = await clinic.world.videos.watching.follow(path.removeprefix("/v/"))
    await clinic.world.videos.giving.revoke(DOCTOR, found.link.video, found.id)
    assert (await browser.get(path)).status == 404
    assert (await browser.get(f"{path}/video")).status == 404


async def test_what_is_outdated_is_not_shown_and_the_patient_is_told_whom_to_ask(clinic: Here) -> None:
    path = await linked(clinic)
    browser = await opened(clinic, path)
    await clinic.world.corrected(code={"text": "Fever"})
    page = await browser.get(path)
    assert (page.status, "Your record has changed" in page.text) == (409, True)
    assert "Please ask Lakeside Clinic for a new video." in page.text
    for told in ("Amy", "You had a visit", "Fever", "<video"):
        assert told not in page.text
    for name in ("video", "captions", "transcript", "poster"):
        assert (await browser.get(f"{path}/{name}")).status == 409
    left = await browser.post(f"{path}/leave")
    assert (left.status, "Max-Age=0" in left.header("set-cookie")) == (200, True)
    assert "First, show us that it is you" in (await browser.get(path)).text


async def test_so_it_is_in_the_language_of_the_video(clinic: Here) -> None:
    id = await clinic.world.draft(language="es")
    await clinic.world.videos.deciding.approve(DOCTOR, id)
    url, _ = await clinic.world.videos.giving.link(DOCTOR, id)
    browser = await opened(clinic, path := url.removeprefix("https://hilum.test"))
    await clinic.world.corrected(code={"text": "Fever"})
    page = await browser.get(path, accept_language="en")
    assert 'lang="es"' in page.text
    assert "Pida un video nuevo a Lakeside Clinic." in page.text


async def test_a_proof_is_of_one_link(clinic: Here) -> None:
    one, other = await linked(clinic), await linked(clinic)
    browser = await opened(clinic, one)
    assert "First, show us that it is you" in (await browser.get(other)).text
    ((name, value),) = browser.cookies.items()
    id = (await clinic.world.videos.watching.follow(other.removeprefix("/v/"))).id
    browser.cookies = {f"{name[:-24]}{id}": value}
    assert "First, show us that it is you" in (await browser.get(other)).text
    assert (await browser.get(f"{other}/video")).status == 404


async def test_who_closes_the_video_watches_no_more(clinic: Here) -> None:
    path = await linked(clinic)
    browser = await opened(clinic, path)
    kept = dict(browser.cookies)
    answer = await browser.post(f"{path}/leave")
    assert (answer.status, "Your video is closed" in answer.text) == (200, True)
    assert "Max-Age=0" in answer.header("set-cookie")
    browser.cookies = kept
    assert "First, show us that it is you" in (await browser.get(path)).text
    assert (await browser.post(f"{path}/leave")).status == 303


async def test_the_patient_signs_in_instead_and_nobody_else_does(clinic: Here) -> None:
    path = await linked(clinic, proof="sign-in")
    nobody = clinic.browser()
    assert f'href="/auth/sign-in?next={path}"' in (await nobody.get(path)).text
    assert (await nobody.post(f"{path}/sign-in")).header("location").startswith("/auth/sign-in")
    ben = clinic.browser("ben")
    assert "Go on as Person ben" in (await ben.get(path)).text
    refused = await ben.post(f"{path}/sign-in")
    assert (refused.status, "may not see this video" in refused.text) == (422, True)
    amy = clinic.browser("amy")
    assert (await amy.post(f"{path}/sign-in")).status == 303
    assert "You had a visit." in (await amy.get(path)).text
    assert (await amy.post(f"{path}/sign-in", {"csrf": "another"})).status == 403


async def test_a_birth_date_opens_no_link_that_takes_a_sign_in(clinic: Here) -> None:
    path = await linked(clinic, proof="sign-in")
    answer = await clinic.browser().post(path, BORN)
    assert (answer.status, "set-cookie" in dict(answer.answer.headers)) == (422, False)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_a_page_of_somebody_else_proves_nothing(clinic: Here, site: str) -> None:
    path = await linked(clinic)
    assert (await clinic.browser().post(path, BORN, sec_fetch_site=site)).status == 403
    assert (await clinic.browser().post(path, BORN, origin="https://evil.example")).status == 403
    assert (await clinic.browser().post(path, BORN, origin="null")).status == 303  # a page without a referrer


async def test_one_address_has_so_many_tries_over_all_links(clinic: Here) -> None:
    path = await linked(clinic)
    for _ in range(30):
        assert (await clinic.browser().post("/v/none", BORN)).status == 404
    refused = await clinic.browser().post(path, BORN)
    assert (refused.status, refused.header("retry-after") != "") == (429, True)
    assert "Wait a few minutes" in refused.text
    clinic.world.move(60)
    assert (await clinic.browser().post(path, BORN)).status == 303


async def test_the_page_speaks_the_language_of_the_video(clinic: Here) -> None:
    id = await clinic.world.draft(language="es")
    await clinic.world.videos.deciding.approve(DOCTOR, id)
    url, _ = await clinic.world.videos.giving.link(DOCTOR, id)
    path = url.removeprefix("https://hilum.test")
    before = await clinic.browser().get(path, accept_language="en")
    assert 'lang="es"' in before.text
    assert "Su fecha de nacimiento" in before.text
    assert before.text.index('id="day"') < before.text.index('id="month"')
    after = await (await opened(clinic, path)).get(path)
    assert 'lang="es"' in after.text
    assert 'srclang="es"' in after.text


def test_all_languages_say_the_same_things() -> None:
    english, *others = words.words().values()
    for other in others:
        assert {name: type(one) for name, one in other.items()} == {name: type(one) for name, one in english.items()}
        assert len(other["months"]) == 12
        for name, one in english.items():
            if isinstance(one, str):
                assert re.findall(r"\{\w+\}", one) == re.findall(r"\{\w+\}", other[name]), name


@pytest.mark.parametrize(
    ("said", "path", "role", "expected"),
    [
        ("(555) 010-2000", "Organization.telecom[0].value", "whom", "5550102000"),
        ("+1 555 010 2000", "Practitioner.telecom[2].value", "whom", "+15550102000"),
        ("555", "Organization.telecom[0].value", "call", None),
        ("555", "Organization.identifier[0].value", "whom", None),
        ("none", "Organization.telecom[0].value", "whom", None),
    ],
)
def test_whom_to_call_is_the_number_that_the_script_cites(
    said: str, path: str, role: str, expected: str | None
) -> None:
    cite = Citation("Organization/1/_history/1", path, said, said)
    scene = Scene("s", role, "Whom", (Sentence("s-1", f"Call {said}.", "whom", (cite,)),))
    script = Script("t", "en", "T", "Amy", (scene,), (), "2026-01-01T00:00:00Z", 1.0)
    assert call(script) == (None if expected is None else Call(said, expected))
    assert call(msgspec.structs.replace(script, scenes=())) is None
