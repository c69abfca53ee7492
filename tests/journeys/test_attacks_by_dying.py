"""The server is killed (SIGKILL) at each step of giving out a code and tokens: what was told holds, what was not is
nowhere half there, and a client that asks again is served or told to begin anew.

https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2 (a code is used once), https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.conformance.smart.ground import USUAL, App, Ground
from tests.journeys import server as servers
from tests.journeys.attacked import FLAGS, STORES
from tests.journeys.cli import database
from tests.journeys.server import Server
from tests.journeys.test_attacks_at_once import backend, grants, line, redemption, refreshing
from tests.journeys.test_smart_backend import ASSERTION, assertion, new_key

from hilum.oauth.ledger import CODE, FRESH, GRANT, JTI, REFRESH, Row

SCOPE = "launch/patient patient/*.rs offline_access"
ROOT = Path(__file__).resolve().parents[2]


class Mortal:
    """A server that can be told where to die, and is started again on the same port and data."""

    def __init__(self, folder: Path, flags: tuple[str, ...], patch: pytest.MonkeyPatch) -> None:
        self.folder, self.place = folder, folder / "dies"
        (folder / "path").mkdir()
        (folder / "path" / "sitecustomize.py").write_text("from tests.journeys.dying import install\n\ninstall()\n")
        port = servers.free_port()
        patch.setattr(servers, "free_port", lambda: port)
        self._flags = (*FLAGS[:4], *flags)
        self.ground = Ground(self._started(), flags)
        self.ground.fill()
        self.app = self.ground.app()
        self.kept = self.ground.tokens(self.app, SCOPE, "ben.stone")

    def _started(self) -> Server:
        path = os.pathsep.join((str(self.folder / "path"), str(ROOT)))
        environment = {"PYTHONPATH": path, "DIES_AT": str(self.place)}
        return Server(self.folder, *self._flags, environment=environment)

    def dies(self, step: str) -> None:
        """At this step, from now on."""
        self.place.write_text(step)

    def again(self) -> None:
        """It has died; it is started again."""
        assert self.ground.server.process.wait(30) == -9
        assert not self.place.exists()
        self.ground.server = self._started()

    def holds(self) -> None:
        """What was told before is there: the other app's tokens, and their refresh."""
        with self.ground.fhir(self.kept) as fhir:
            assert fhir.get("Patient/p2").status_code == 200
        answer = self.ground.refresh(self.app, self.kept["refresh_token"])
        assert answer.status_code == 200, answer.text
        self.kept = answer.json()

    def rows(self, kind: int, app: App) -> list[Row]:
        """The records of a kind of an app that are fresh."""

        async def look(ledger: Any) -> list[Row]:
            return [row for row in await ledger.of(kind, peer=app.id.encode()) if row.state == FRESH]

        return self.ground.run(look)

    def unanswered(self, path: str, form: dict[str, str]) -> None:
        with pytest.raises(httpx.TransportError):
            httpx.post(self.ground.origin + path, data=form, timeout=30)


@pytest.fixture(scope="module", params=STORES)
def mortal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        flags: tuple[str, ...] = ()
        if request.param != "sqlite":
            flags = ("--store", stack.enter_context(database(request.getfixturevalue("postgres_url"))))
        made = Mortal(tmp_path_factory.mktemp("mortal"), flags, patch)
        yield made
        made.ground.server.stop()


def test_dying_while_a_code_is_redeemed(mortal: Mortal) -> None:
    ground = mortal.ground
    for step, served in (
        (f"before take {CODE}", True),
        (f"after take {CODE}", False),
        (f"after many {GRANT}", False),
        ("after certain token", False),
    ):
        app = ground.app()
        code = ground.authorize(app, SCOPE).back["code"]
        mortal.dies(step)
        mortal.unanswered("/auth/token", redemption(app, code))
        mortal.again()
        answer = ground.exchange(app, code)
        assert (answer.status_code == 200) is served, (step, answer.text)
        if served:
            with ground.fhir(answer.json()) as fhir:
                assert fhir.get("Patient/p1").status_code == 200
        else:  # it may be a thief who asks again: what nobody got ends
            assert answer.json()["error"] == "invalid_grant"
            assert mortal.rows(REFRESH, app) == []
            assert mortal.rows(GRANT, app) == []
            assert grants(ground, app) == []
        again = ground.authorize(app, SCOPE)
        assert ground.exchange(app, again.back["code"]).status_code == 200, "beginning anew works"
        mortal.holds()


def test_dying_while_tokens_are_refreshed(mortal: Mortal) -> None:
    ground = mortal.ground
    for step in (f"before many {REFRESH}", f"after many {REFRESH}", "after certain refresh"):
        app = ground.app()
        given = ground.tokens(app, SCOPE)
        (grant,) = grants(ground, app)
        mortal.dies(step)
        mortal.unanswered("/auth/token", refreshing(app, given["refresh_token"]))
        mortal.again()
        answer = ground.refresh(app, given["refresh_token"])
        assert answer.status_code == 200, (step, answer.text)
        assert len(line(ground, grant)) == 1
        assert ground.refresh(app, answer.json()["refresh_token"]).status_code == 200
        assert len(line(ground, grant)) == 1
        mortal.holds()


def test_dying_while_an_app_gives_its_tokens_back(mortal: Mortal) -> None:
    """The Consent and what it stands for end in one commit."""
    ground = mortal.ground
    app = ground.app()
    given = ground.tokens(app, SCOPE)
    (grant,) = grants(ground, app)
    mortal.dies("before certain revoke")
    mortal.unanswered("/auth/revoke", {"token": given["refresh_token"], "client_id": app.id})
    mortal.again()
    assert line(ground, grant) == []
    assert grants(ground, app) == []
    assert ground.refresh(app, given["refresh_token"]).json()["error"] == "invalid_grant"
    with ground.fhir(given) as fhir:
        assert fhir.get("Patient/p1").status_code == 401
    mortal.holds()


def test_dying_while_somebody_allows_an_app(mortal: Mortal) -> None:
    ground = mortal.ground
    for step in (
        f"before many {GRANT}",
        f"after many {GRANT}",
        f"before add {CODE}",
        f"after add {CODE}",
    ):
        app = ground.app()
        visitor = ground.seated("ada.stone")
        page = visitor.get("/auth/authorize", **ground.request(app, SCOPE, USUAL))
        if page.forms[0].step == "sign-in":
            page = visitor.submit(page.forms[0], username=visitor.name, password=visitor.password)
        assert page.forms[0].step == "consent"
        mortal.dies(step)
        with pytest.raises(httpx.TransportError):
            visitor.submit(page.forms[0])
        mortal.again()
        assert mortal.rows(REFRESH, app) == []
        there = visitor.get(urlsplit(page.url).path)
        if step.startswith("before many"):  # nothing had happened: the page is still there
            back = visitor.submit(there.forms[0]).back
            assert ground.exchange(app, back["code"]).status_code == 200
        else:  # it happened, and nobody was told: no code is given a second time
            assert there.status == 404
            assert "hac_" not in there.text
        page = ground.authorize(app, SCOPE)
        assert ground.exchange(app, page.back["code"]).status_code == 200
        mortal.holds()


def test_dying_while_a_backend_signs_in_uses_its_assertion_up_or_not_at_all(mortal: Mortal) -> None:
    ground = mortal.ground
    key = new_key("ES384")
    id = backend(ground, key)
    for step, status in ((f"before add {JTI}", 200), (f"after add {JTI}", 401)):
        made = assertion(key, id, f"{ground.origin}/auth/token")
        form = {"grant_type": "client_credentials", "scope": "system/*.rs",
                "client_assertion_type": ASSERTION, "client_assertion": made}  # fmt: skip
        mortal.dies(step)
        mortal.unanswered("/auth/token", form)
        mortal.again()
        assert ground.ask("/auth/token", form).status_code == status, step
    mortal.holds()
