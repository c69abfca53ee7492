"""The page on which a video is asked for: who is meant is chosen among those who fit, refusals stand at fields."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.video.filmed import AMY, DOCTOR, PATIENT, holder
from tests.unit.video.pages.asked import Browser, Here, Shown, here

from hilum.interactions import granting
from hilum.interactions.update import update
from hilum.video.order import Whom, gather_of

LOOKS = holder("user/Task.rs user/DocumentReference.rs user/Binary.rs user/Patient.rs", agent="looks", user="looks")
BLIND = holder("user/Task.cruds user/Patient.rs", agent="blind", user="blind")
MAKE = "/videos/make"


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[Here]:
    async with here(tmp_path, doctor=DOCTOR, amy=AMY, looks=LOOKS, blind=BLIND) as found:
        yield found


@pytest.fixture
def doctor(clinic: Here) -> Browser:
    return clinic.browser("doctor")


def filled(page: Shown) -> dict[str, str]:
    """A page's form as it stands, which is what a browser sends."""
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    form |= dict(re.findall(r'<input type="radio" name="(\w+)" value="([^"]*)" checked', page.text))
    form |= dict(re.findall(r'<input id="(\w+)" name="\w+" value="([^"]*)"', page.text))
    for name, options in re.findall(r'<select id="(\w+)".*?>(.*?)</select>', page.text, re.S):
        values = re.findall(r'<option value="([^"]*)"', options)
        form[name] = next(iter(re.findall(r'<option value="([^"]*)" selected', options)), values[0])
    return form


def names(page: Shown) -> list[str]:
    return re.findall(r'name="whom" value="([^"]*)"', page.text)


async def sent(browser: Browser, page: Shown, **fields: str) -> Shown:
    return await browser.post(MAKE, filled(page) | fields)


async def test_whose_it_is_is_looked_for_chosen_by_name_and_then_it_is_made(clinic: Here, doctor: Browser) -> None:
    assert f'href="{MAKE}"' in (await doctor.get("/videos")).text
    page = await doctor.get(MAKE)
    assert (page.status, names(page), "Lakeside Hospital" in page.text) == (200, [], True)
    page = await sent(doctor, page, patient="amy 1970-02-03", template="after-visit", language="es", shape="tall")
    assert (page.status, names(page)) == (200, [PATIENT])
    assert "<b>Amy</b>" in page.text
    assert "born 1970-02-03" in page.text
    assert "One fits. Is it this one?" in page.text
    assert "checked" not in page.text
    assert (filled(page)["language"], filled(page)["shape"]) == ("es", "tall")
    page = await sent(doctor, page, whom=PATIENT)
    assert page.status == 303
    id = page.header("location").removeprefix("/videos/")
    one = await clinic.world.videos.get(DOCTOR, id)
    assert (one.patient, one.template, one.language, one.shape, one.ehr) == (PATIENT, "after-visit", "es", "tall", "")


@pytest.mark.parametrize("text", ["4711", "Patient/amy", "AMY", "1970-02-03"])
async def test_it_is_found_by_number_reference_name_or_birth_date(doctor: Browser, text: str) -> None:
    assert names(await sent(doctor, await doctor.get(MAKE), patient=text, template="medications")) == [PATIENT]


async def test_who_was_chosen_by_other_words_is_not_meant_any_more(clinic: Here, doctor: Browser) -> None:
    page = await sent(doctor, await doctor.get(MAKE), patient="amy", template="after-visit")
    ben = {"resourceType": "Patient", "id": "ben", "birthDate": "1980", "name": [{"given": ["Ben"]}]}
    await update(clinic.world.door, granting.server(), "Patient", "ben", ben)
    page = await sent(doctor, page, whom=PATIENT, patient="ben")
    assert (page.status, names(page), filled(page).get("whom")) == (200, ["Patient/ben"], None)
    for whom in ("", PATIENT, "Patient/nobody"):
        again = await sent(doctor, page, whom=whom)
        assert (again.status, 'id="wrong-whom"' in again.text) == (422, True)
    assert await clinic.world.left() == (0, 0, 0)


@pytest.mark.parametrize(
    ("fields", "name", "says"),
    [
        ({"patient": ""}, "patient", "Enter a name"),
        ({"patient": "zoe"}, "patient", "Nobody whom you may see"),
        ({"patient": "2026-99-99"}, "patient", "A date is year-month-day"),
        ({"template": "nothing"}, "template", "There is no template"),
        ({"template": ""}, "template", "There is no template"),
        ({"language": "xx"}, "language", "has no language"),
        ({"shape": "round"}, "shape", "The shape must be one of"),
        ({"ehr": "other"}, "ehr", "There is no connection"),
        ({"ehr": "epic", "patient": ""}, "patient", "Enter the number"),
    ],
)
async def test_what_is_refused_says_so_at_its_field_and_keeps_what_was_filled_in(
    clinic: Here, doctor: Browser, fields: dict[str, str], name: str, says: str
) -> None:
    page = await sent(doctor, await doctor.get(MAKE), patient="amy", template="after-visit", shape="tall")
    page = await sent(doctor, page, **({"whom": PATIENT} | fields))
    if page.status == 200:  # other words for whose it is
        page = await sent(doctor, page)
    assert page.status == 422
    (wrong,) = re.findall(rf'<p class="bad" id="wrong-{name}">(.*?)</p>', page.text)
    assert says in wrong
    (field,) = re.findall(rf'<(?:input|select) id="{name}"[^>]*>', page.text)
    assert f'aria-describedby="wrong-{name}' in field
    assert 'aria-invalid="true"' in field
    assert page.text.count("autofocus") == 1
    assert filled(page)["shape"] == "tall" or name == "shape"
    assert await clinic.world.left() == (0, 0, 0)


async def test_at_an_ehr_it_is_a_number_there(clinic: Here, doctor: Browser) -> None:
    page = await sent(
        doctor, await doctor.get(MAKE), ehr="epic", patient="203701", template="after-visit"
    )  # nobody here is looked for
    assert page.status == 303
    id = page.header("location").removeprefix("/videos/")
    await clinic.world.work()
    assert clinic.world.gatherer.given[gather_of(id)] == ("epic", "guide", Whom("mrn", "203701"))


async def test_what_is_sent_twice_from_one_page_is_made_once_and_what_is_another_wish_is_another(
    clinic: Here, doctor: Browser
) -> None:
    page = await sent(doctor, await doctor.get(MAKE), patient="amy", template="after-visit")
    first, other = [(await sent(doctor, page, whom=PATIENT)).header("location") for _ in range(2)]
    assert first == other
    assert (await sent(doctor, page, whom=PATIENT, language="es")).header("location") != first
    page = await sent(doctor, await doctor.get(MAKE), patient="amy", template="after-visit")
    assert (await sent(doctor, page, whom=PATIENT)).header("location") != first
    assert len((await clinic.world.videos.list(DOCTOR)).videos) == 3


async def test_one_is_asked_for_again_as_it_was(clinic: Here, doctor: Browser) -> None:
    id = await clinic.world.draft(language="es", shape="tall")
    await clinic.world.corrected(code={"text": "Fever"})
    assert f'href="{MAKE}?again={id}"' in (await doctor.get(f"/videos/{id}")).text
    await clinic.world.videos.deciding.reject(DOCTOR, id)
    assert f'href="{MAKE}?again={id}"' in (await doctor.get(f"/videos/{id}")).text
    page = await doctor.get(f"{MAKE}?again={id}")
    assert names(page) == [PATIENT]
    said = filled(page)
    assert (said["whom"], said["template"], said["language"], said["shape"]) == (PATIENT, "after-visit", "es", "tall")
    page = await sent(doctor, page)
    assert (await clinic.world.videos.get(DOCTOR, page.header("location").rpartition("/")[2])).shape == "tall"
    assert (await doctor.get(f"{MAKE}?again=nothing")).status == 404


async def test_of_many_who_fit_the_first_are_shown(clinic: Here, doctor: Browser) -> None:
    for number in range(25):
        body = {"resourceType": "Patient", "id": f"p{number}", "name": [{"family": "Many", "given": [f"P{number}"]}]}
        await update(clinic.world.door, granting.server(), "Patient", f"p{number}", body)
    page = await sent(doctor, await doctor.get(MAKE), patient="many", template="after-visit")
    assert (len(names(page)), "The first 20 of more" in page.text) == (20, True)


async def test_who_may_not_ask_is_told_so(clinic: Here) -> None:
    looks, blind = clinic.browser("looks"), clinic.browser("blind")
    assert MAKE not in (await looks.get("/videos")).text
    assert (await looks.get(MAKE)).status == 403
    page = await blind.get(MAKE)
    assert (page.status, "Lakeside Hospital" in page.text) == (200, False)
    page = await sent(blind, page, patient="amy", template="after-visit")
    page = await sent(blind, page, whom=PATIENT)
    assert (page.status, "the token must be able to read it" in page.text) == (403, True)
    assert (await clinic.browser("amy").get(MAKE)).status == 403
    assert (await clinic.browser().get(MAKE)).header("location") == f"/auth/sign-in?next={MAKE}"
    assert await clinic.world.left() == (0, 0, 0)


async def test_a_form_of_another_page_makes_nothing(clinic: Here, doctor: Browser) -> None:
    form = filled(await doctor.get(MAKE)) | {"ehr": "epic", "patient": "1", "template": "after-visit", "csrf": "x"}
    assert (await doctor.post(MAKE, form)).status == 403
    assert await clinic.world.left() == (0, 0, 0)


async def test_words_of_a_search_are_shown_as_text(doctor: Browser) -> None:
    page = await sent(doctor, await doctor.get(MAKE), patient='"><script>x', template="after-visit")
    assert "<script>x" not in page.text
