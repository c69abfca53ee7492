"""A person at a browser without script: reads the pages' forms, fills them in, and stops where an app takes over.

Every request comes through a proxy, from an address of its own, so that what one test does a lot of does not limit the
next one (the server has to be started with `--trusted-proxies`).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx
import pyotp

PASSWORD = "four green tractors sing"
_addresses = itertools.count(1)


def address() -> dict[str, str]:
    """Headers of a proxy that was asked from an address that was not seen before."""
    n = next(_addresses)
    return {"x-forwarded-for": f"198.{18 + n // 65536}.{n // 256 % 256}.{n % 256}"}


def _elsewhere(request: httpx.Request) -> None:
    request.headers.update(address())


@dataclass
class Form:
    """A form as the browser would send it untouched. `boxes`, `radios`: (name, value), ticked or not."""

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[tuple[str, str]] = field(default_factory=list)
    ticked: list[tuple[str, str]] = field(default_factory=list)
    radios: list[tuple[str, str]] = field(default_factory=list)

    @property
    def step(self) -> str:
        return urlsplit(self.action).path.rpartition("/")[2]

    def values(self, name: str) -> list[str]:
        """Of its check boxes or radio buttons with this name."""
        return [value for one, value in (*self.boxes, *self.radios) if one == name]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
        elif tag in ("input", "textarea") and self.forms and given.get("name"):
            form, pair = self.forms[-1], (given["name"], given.get("value", ""))
            if given.get("type") == "checkbox":
                form.boxes.append(pair)
                form.ticked += [pair] * ("checked" in given)
            elif given.get("type") == "radio":
                form.radios.append(pair)
            else:
                form.fields.append(pair)


@dataclass
class Page:
    """Where the browser is. `url`: of the page, or of the app to which it was sent."""

    url: str
    answer: httpx.Response

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def text(self) -> str:
        return self.answer.text

    @property
    def forms(self) -> list[Form]:
        read = _Forms()
        read.feed(self.text)
        return read.forms

    @property
    def left(self) -> bool:
        """Whether the browser was sent away from the server."""
        return self.answer.is_redirect

    @property
    def back(self) -> dict[str, str]:
        """The parameters that an app got; fails when none got any."""
        assert self.left, f"{self.status} at {self.url}: {self.text}"
        query = parse_qs(urlsplit(self.url).query, keep_blank_values=True, strict_parsing=True)
        assert all(len(values) == 1 for values in query.values()), self.url
        return {name: values[0] for name, values in query.items()}


@dataclass(frozen=True)
class Choices:
    """What a person does on the pages of a flow. `untick`: what is not allowed, by its value or by a rule.

    `patient`: the record to choose, by its id (staff look for it by its number, which is its id); `encounter`: the
    visit; `allow` False: the button beside.
    """

    patient: str = ""
    encounter: str = "none"
    untick: Collection[str] | Callable[[str], bool] = ()
    allow: bool = True

    def kept(self, box: tuple[str, str]) -> bool:
        if callable(self.untick):
            return not self.untick(box[1])
        return box[1] not in self.untick


@dataclass
class Visitor:
    """A browser, and who sits there. `totp`: the secret of the authenticator app.

    `pages`: what was shown on the way, by step.
    """

    origin: str
    name: str = ""
    password: str = PASSWORD
    totp: str = ""
    pages: dict[str, Page] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.http = httpx.Client(timeout=30, verify=False, event_hooks={"request": [_elsewhere]})

    def get(self, url: str, **parameters: str) -> Page:
        """The page there, redirects within the server followed."""
        url = urljoin(self.origin, url)
        return self._followed(url, self.http.get(url, params=parameters or None))

    def post(self, url: str, form: Mapping[str, str] | list[tuple[str, str]], **headers: str) -> Page:
        """Send a form, as a page of this server would."""
        url = urljoin(self.origin, url)
        sent = {"content-type": "application/x-www-form-urlencoded", "origin": self.origin} | headers
        return self._followed(url, self.http.post(url, content=urlencode(form), headers=sent))

    def submit(self, form: Form, *, untick: Callable[[tuple[str, str]], bool] | None = None, **values: str) -> Page:
        """Send a form of a page, with these values in place of, or beside, those that it has."""
        pairs = [(name, value) for name, value in form.fields if name not in values]
        pairs += [box for box in form.ticked if untick is None or not untick(box)]
        return self.post(form.action, [*pairs, *values.items()])

    def through(self, page: Page, choices: Choices | None = None) -> Page:
        """All pages of a flow, to where the app gets its answer, or to what can't be gone on from."""
        choices = choices or Choices()
        for _ in range(12):
            if page.left or page.status != 200 or not page.forms:
                return page
            page = self._one(page, choices)
        raise AssertionError(f"the pages go round in circles: {page.url}")

    def sign_in(self, onward: str = "/my/apps") -> Page:
        """Without an app."""
        return self.through(self.get("/auth/sign-in", next=onward))

    def _one(self, page: Page, choices: Choices) -> Page:
        form = page.forms[0]
        self.pages[form.step] = page
        if form.step == "sign-in":
            return self.submit(form, username=self.name, password=self.password)
        if form.step in ("second", "code"):
            return self._second(form)
        if form.step == "patient":
            return self._patient(page, choices.patient)
        if form.step == "encounter":
            return self.submit(form, encounter=choices.encounter)
        if form.step == "consent":
            if not choices.allow:
                return self.submit(next(one for one in page.forms if one.step == "cancel"))
            return self.submit(form, untick=lambda box: not choices.kept(box))
        return Page(page.url, httpx.Response(418, text=f"no way on from {form.action}: {page.text}"))

    def _second(self, form: Form) -> Page:
        """A code holds once: who has used that of now waits for the next one, which is taken a little before."""
        code = pyotp.TOTP(self.totp)
        page = self.submit(form, code=code.now())
        return (
            page if page.status != 422 else self.submit(page.forms[0], code=code.at(int(time.time()) + code.interval))
        )

    def _patient(self, page: Page, id: str) -> Page:
        (form,) = [one for one in page.forms if one.step == "patient"]
        if not form.values("patient"):  # staff look for the record
            page = self.submit(form, q=id)
            form = page.forms[-1] if page.forms[-1].values("patient") else page.forms[1]
        assert id in form.values("patient"), f"{id!r} can't be chosen: {page.text}"
        return self.submit(form, patient=id)

    def _followed(self, url: str, answer: httpx.Response) -> Page:
        for _ in range(12):
            if not answer.is_redirect:
                return Page(url, answer)
            url = urljoin(url, answer.headers["location"])
            if not url.startswith(self.origin + "/"):
                return Page(url, answer)
            answer = self.http.get(url)
        raise AssertionError(f"the server redirects in circles: {url}")
