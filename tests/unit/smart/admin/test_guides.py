"""The pages of implementation guides: a package put in, read, and taken out."""

from __future__ import annotations

import time

import pytest
from tests.packages import PROFILE, packed, parameter, profile, value_set
from tests.unit.smart import pages
from tests.unit.smart.administering import administering, post, signed_in, told
from tests.unit.smart.pages import Browser, Page
from tests.unit.smart.world import World

from hilum.interactions import guides
from hilum.interactions.conforming import require
from hilum.problems import Malformed
from hilum.smart.multipart import LONGEST_HEAD, MOST_PARTS, parsed

PATH = "/admin/guides"
ONE = f"{PATH}/example.ig-1.0.0-package"


@pytest.fixture
async def here() -> World:
    return await administering()


def multipart(fields: dict[str, str], files: dict[str, bytes]) -> tuple[str, bytes]:
    boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts += [
        f'Content-Disposition: form-data; name="{name}"; filename="a.tgz"\r\n'.encode()
        + b"Content-Type: x/y\r\n\r\n"
        + content
        for name, content in files.items()
    ]
    mark = f"--{boundary}".encode()
    body = b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"
    return f"multipart/form-data; boundary={boundary}", body


async def uploaded(browser: Browser, content: bytes, csrf: str | None = None, origin: str = pages.ORIGIN) -> Page:
    if csrf is None:
        csrf = (await browser.get(PATH)).form(PATH).fields["csrf"]
    type, body = multipart({"csrf": csrf}, {"package": content})
    found: Page = await browser._ask("POST", PATH, {"content-type": type, "origin": origin}, body, True)
    return found


async def test_a_package_is_put_in_read_and_taken_out(here: World) -> None:
    browser = await signed_in(here)
    assert "No guide is loaded." in (await browser.get(PATH)).text
    page = await uploaded(browser, packed(profile(), value_set(), parameter(), dependencies={"other.ig": "1.0.0"}))
    assert page.status == 200
    for text in ("<b>example.ig#1.0.0</b> is loaded: 4 resources new", "<li>Patient: tribe</li>", "other.ig#1.0.0"):
        assert text in page.text
    one = await browser.get(ONE)
    assert f'<td data-label="Canonical address" class="long">{PROFILE}</td>' in one.text
    assert ">1 element<" in one.text
    shown = await browser.get(f"{ONE}/example.ig-1.0.0-named-patient")
    assert shown.status == 200
    for text in ("<code>name.<wbr>family</code>", "<b>must</b>", '<td data-label="Cardinality">1..*</td>'):
        assert text in shown.text
    unsure = await post(browser, one, f"{ONE}/remove")
    assert (unsure.status, "Nothing is removed yet" in unsure.text) == (422, True)
    assert len(await guides.guides(here.site.door)) == 1
    gone = await post(browser, one, f"{ONE}/remove", sure="yes")
    assert (gone.path, "The guide is removed." in gone.text) == (f"{PATH}?removed=1", True)
    assert await guides.guides(here.site.door) == []
    assert told(here, "setting") == [{"guide": "example.ig#1.0.0"}, {"guide removed": "example.ig#1.0.0"}]


@pytest.mark.parametrize("content", [b"", b"not a package", packed(profile(), fhirVersions=["5.0.0"])])
async def test_what_is_no_package_for_r4_is_refused_on_the_page(here: World, content: bytes) -> None:
    page = await uploaded(await signed_in(here), content)
    assert page.status == 422
    assert "This is no package" in page.text or "this server is FHIR R4" in page.text


async def test_a_guide_that_is_required_stays_and_the_page_says_so(here: World) -> None:
    browser = await signed_in(here)
    await uploaded(browser, packed(profile()))
    door = here.site.door
    await require(door.store, await door.shelf.definitions(door.store, fresh=True), "Patient", PROFILE)
    assert "hilum ig require" in (await browser.get(PATH)).text
    one = await browser.get(ONE)
    assert "Named patient</a> <b>required</b>" in one.text
    assert "<b>Required</b>: every Patient" in (await browser.get(f"{ONE}/example.ig-1.0.0-named-patient")).text
    page = await post(browser, one, f"{ONE}/remove", sure="yes")
    assert (page.status, "is required of Patient" in page.text) == (422, True)


async def test_a_form_that_is_not_ours_changes_nothing(here: World) -> None:
    browser = await signed_in(here)
    content = packed(profile())
    assert (await uploaded(browser, content, csrf="x")).status == 403
    assert (await uploaded(browser, content, origin="https://evil.example.org")).status == 403
    assert await guides.guides(here.site.door) == []


async def test_who_is_no_administrator_is_refused_before_the_body_is_taken(here: World) -> None:
    for name in ("kim.doe", "hal", "olga"):
        browser = await signed_in(here, name)
        assert (await browser.get(PATH)).status == 403
        assert (await uploaded(browser, b"x" * 1000, csrf="x")).status == 403
    nobody = await uploaded(Browser(here.site), b"x" * 1000, csrf="x")
    assert nobody.path.startswith("/auth/sign-in")


async def test_an_old_sign_in_is_asked_for_again_before_a_guide_is_added(here: World) -> None:
    browser = await signed_in(here)
    await browser.get(PATH)
    here.move(60 * 60 * 24)
    assert (await uploaded(browser, packed(profile()), csrf="x")).path.startswith("/auth/sign-in")
    assert await guides.guides(here.site.door) == []


@pytest.mark.parametrize(
    ("path", "text", "link"),
    [
        (f"{PATH}/nothing", "No guide is loaded under this address", f'<a href="{ONE}">'),
        (f"{PATH}/nothing/at-all", "No guide is loaded under this address", f'<a href="{ONE}">'),
        (f"{ONE}/nothing", "The guide has no profile at this address", f"{ONE}/example.ig-1.0.0-named-patient"),
    ],
)
async def test_what_is_not_there_is_not_found_and_the_page_leads_to_what_is(
    here: World, path: str, text: str, link: str
) -> None:
    browser = await signed_in(here)
    await uploaded(browser, packed(profile()))
    page = await browser.get(path)
    assert (page.status, text in page.text, link in page.text) == (404, True, True)


async def test_what_a_package_says_is_text_and_no_markup(here: World) -> None:
    browser = await signed_in(here)
    evil = "<script>alert(1)</script>"
    element = {"id": "Patient.name", "path": "Patient.name", "short": evil, "mustSupport": True}
    page = await uploaded(browser, packed(profile("named-patient", "1.0.0", element, title=evil), title=evil))
    for path in (PATH, ONE, f"{ONE}/example.ig-1.0.0-named-patient"):
        text = (await browser.get(path)).text
        assert evil not in text and "&lt;script&gt;" in text
    assert evil not in page.text


def test_a_form_with_a_file_is_taken_apart() -> None:
    type, body = multipart({"csrf": "ü"}, {"package": b"\r\n--x\0\xff"})
    found = parsed(type, body)
    assert (found.form.pairs, found.files) == ([("csrf", "ü")], {"package": b"\r\n--x\0\xff"})
    assert parsed(
        'multipart/form-data; boundary="a b"', b'--a b\r\ncontent-disposition: form-data; name="n"\r\n\r\nv\r\n--a b--'
    ).form.pairs == [("n", "v")]


@pytest.mark.parametrize("end", [b"", b"\r\n\r\nv"], ids=["without content", "with content"])
def test_a_long_head_of_a_part_is_refused_before_it_is_searched(end: bytes) -> None:
    head = b"content-disposition: form-data;" * 8_000  # to search it takes more than ten seconds
    began = time.process_time()
    with pytest.raises(Malformed, match="no name"):
        parsed("multipart/form-data; boundary=x", b"--x\r\n" + head + end + b"\r\n--x--")
    assert time.process_time() - began < 2


def test_the_head_of_a_part_has_a_bound() -> None:
    head = b'content-disposition: form-data; name="n"; x="'
    for more, why in ((LONGEST_HEAD - len(head), False), (LONGEST_HEAD - len(head) + 1, True)):
        body = b"--x\r\n" + head + b"x" * (more - 2) + b"\r\n\r\nv\r\n--x--"
        if why:
            with pytest.raises(Malformed, match="no name"):
                parsed("multipart/form-data; boundary=x", body)
        else:
            assert parsed("multipart/form-data; boundary=x", body).form.pairs == [("n", "v")]


@pytest.mark.parametrize(
    ("type", "body"),
    [
        ("application/x-www-form-urlencoded", b"a=b"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nno name\r\n\r\n\r\n--x--"),
        ("multipart/form-data; boundary=x", b'--x\r\ncontent-disposition: form-data; name="n"\r\n\r\n\xff\r\n--x--'),
        multipart({f"n{n}": "v" for n in range(MOST_PARTS + 2)}, {}),
    ],
)
def test_a_form_that_is_not_whole_is_refused(type: str, body: bytes) -> None:
    with pytest.raises(Malformed):
        parsed(type, body)
