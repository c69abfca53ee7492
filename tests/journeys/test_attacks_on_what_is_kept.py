"""Who gets hold of the disk, the database, the logs, a backup or the audit's archive finds nothing to sign in with.

https://www.rfc-editor.org/rfc/rfc9700#section-4.11, https://www.rfc-editor.org/rfc/rfc6819#section-5.1.4.1.3
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
from tests.conformance.smart.ground import Ground, proof
from tests.conformance.smart.visitor import PASSWORD, Choices, Visitor, address
from tests.journeys.attacked import FLAGS
from tests.journeys.both import flags, place, told
from tests.journeys.cli import hilum, postgres_database
from tests.journeys.server import Server
from tests.journeys.test_attacks_at_once import backend
from tests.journeys.test_smart_backend import ASSERTION, assertion, new_key

from hilum.access.keys import load_or_create

__all__ = ["flags", "postgres_database"]

SCOPE = "openid fhirUser launch/patient patient/*.rs offline_access"
NEW_PASSWORD = "seven quiet lanterns hum"
WRONG = "a wrong password that was typed"


def cookie(visitor: Visitor) -> str:
    return str(visitor.http.cookies["hilum"])


def _enrolled(visitor: Visitor) -> tuple[str, list[str]]:
    """An authenticator app set up: its secret, and the recovery codes."""
    page = visitor.get("/auth/account/totp")
    found = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', page.text)
    assert found, page.text
    secret = found[1].replace(" ", "")
    (form,) = [one for one in page.forms if "csrf" in dict(one.fields) and dict(one.fields).get("what")]
    page = visitor.submit(form, code=pyotp.TOTP(secret).now())
    codes = re.findall(r"\b[2-9a-z]{5}-[2-9a-z]{5}\b", page.text)
    assert len(codes) == 10, page.text
    return secret, codes


def a_day(ground: Ground) -> dict[str, str]:
    """Everything that happens at an authorization server, once; all that is secret of it, by what it is."""
    found: dict[str, str] = {"password": PASSWORD, "wrong password": WRONG}
    app = ground.app(method="client_secret_basic")
    found["client secret"] = app.secret
    mine = proof()
    found["verifier"] = mine.verifier
    visitor = ground.visitor("ada.stone")
    page = visitor.get("/auth/sign-in")
    visitor.submit(page.forms[0], username=visitor.name, password=WRONG)
    found["wrong user name"] = "some.body.typed"
    visitor.submit(page.forms[0], username=found["wrong user name"], password=WRONG)
    page = ground.authorize(app, SCOPE, visitor, proof=mine)
    found["code"], found["cookie"] = page.back["code"], cookie(visitor)
    given = ground.exchange(app, found["code"], mine.verifier).json()
    found |= {name: given[name] for name in ("access_token", "id_token", "refresh_token")}
    again = ground.refresh(app, given["refresh_token"]).json()
    found |= {f"second {name}": again[name] for name in ("access_token", "refresh_token")}
    with ground.fhir(again) as fhir:
        assert fhir.get("Patient/p1").status_code == 200
        httpx.get(f"{ground.base}/Patient/p1?access_token={again['access_token']}")
    for path in ("/auth/introspect", "/auth/revoke"):
        for token in (again["access_token"], again["refresh_token"]):
            assert ground.ask(path, {"token": token}, app).status_code == 200
    ground.exchange(app, found["code"], mine.verifier)
    unused = ground.authorize(app, SCOPE, visitor, proof=mine)
    found["unused code"] = unused.back["code"]
    launch = ground.launch(app, "kim.doe", patient="p1")
    found["launch"] = launch
    ground.authorize(app, "launch patient/*.rs", ground.visitor("kim.doe"), launch=launch, proof=mine)
    staff = ground.visitor("adam.doe")
    found["authenticator secret"] = staff.totp
    assert staff.sign_in().status == 200
    found["cookie of staff"] = cookie(staff)
    person = ground.visitor("ben.stone")
    person.sign_in()
    found["enrolled secret"], codes = _enrolled(person)
    found |= {f"recovery code {number}": code for number, code in enumerate(codes)}
    page = person.get("/auth/account/password")
    form = next(one for one in page.forms if one.action.endswith("/password"))
    person.submit(form, current=PASSWORD, new=NEW_PASSWORD, again=NEW_PASSWORD)
    found["new password"] = NEW_PASSWORD
    found["invitation"] = ground.invitation()
    document = {"redirect_uris": ["https://x.example.org/cb"], "client_name": "Registered"}
    headers = address() | {"authorization": f"Bearer {found['invitation']}"}
    made = httpx.post(f"{ground.origin}/auth/register", json=document, headers=headers).json()
    found |= {name: made[name] for name in ("client_secret", "registration_access_token")}
    key = new_key("ES384")
    found["assertion"] = assertion(key, backend(ground, key), f"{ground.origin}/auth/token")
    form_ = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_assertion_type": ASSERTION,
             "client_assertion": found["assertion"]}  # fmt: skip
    answer = ground.ask("/auth/token", form_)
    assert answer.status_code == 200, answer.text
    found["backend's token"] = answer.json()["access_token"]
    assert ground.ask("/auth/token", form_).status_code == 401
    root = load_or_create(ground.server.data, "sandbox")
    found["root key"] = str(root.key.as_dict(private=True)["d"])
    choosing = ground.authorize(ground.app(), SCOPE, "par.ent", Choices(patient="p2"))
    found["last code"] = choosing.back["code"]
    return found


def pieces(secrets: dict[str, str]) -> dict[str, bytes]:
    """What is looked for: of tokens the signature, which is what makes them one."""
    return {
        name: (text.rpartition(".")[2] if text.count(".") == 2 else text).encode() for name, text in secrets.items()
    }


def found_in(where: str, content: bytes, secrets: dict[str, bytes]) -> Iterator[str]:
    for name, text in secrets.items():
        if text in content:
            yield f"{name} in {where}"


def test_nothing_that_is_kept_signs_anybody_in(tmp_path: Path, flags: tuple[str, ...]) -> None:
    running = Server(tmp_path, *FLAGS[:4], *flags)
    ground = Ground(running, flags)
    ground.fill()
    secrets = pieces(a_day(ground))
    assert len(secrets) > 30
    backup, archive = tmp_path / "backup", tmp_path / "archive"
    done = hilum("backup", backup, *place(running, flags))
    assert done.returncode == 0, done.stderr
    running.stop()
    done = hilum("audit", "export", "--to", archive, *place(running, flags))
    assert done.returncode == 0, done.stderr
    wrong: list[str] = []
    seen = 0
    for file in [*running.data.rglob("*"), *archive.rglob("*"), backup, tmp_path / "stderr", tmp_path / "stdout"]:
        if not file.is_file():
            continue
        content = file.read_bytes()
        if file.suffix == ".gz":
            content = gzip.decompress(content)
        seen += len(content)
        here = {name: text for name, text in secrets.items() if name != "root key"} if _is_key(file) else secrets
        wrong += found_in(str(file.relative_to(tmp_path)), content, here)
    ledger = told(running, flags, "SELECT kind, value FROM ledger")
    for kind, value in ledger:
        wrong += found_in(f"the ledger, kind {kind}", bytes(value), secrets)
    assert any(b"Growth Chart" in bytes(value) for _, value in ledger), "what is no secret is found so"
    for (segment,) in told(running, flags, "SELECT body FROM audit_segment"):
        wrong += found_in("a segment of the audit", zlib.decompress(bytes(segment)), secrets)
    for (detail,) in told(running, flags, "SELECT detail FROM audit"):
        wrong += found_in("a row of the audit", str(detail).encode(), secrets)
    assert wrong == []
    assert seen > 100_000
    assert b"Stone" not in (tmp_path / "stderr").read_bytes() + (tmp_path / "stdout").read_bytes()


def _is_key(file: Path) -> bool:
    return file.name.startswith("signing-key")


def test_what_is_kept_is_for_the_owner_alone(tmp_path: Path, flags: tuple[str, ...]) -> None:
    running = Server(tmp_path, *FLAGS[:2], *flags)
    running.stop()
    for file in (running.data, *running.data.rglob("*")):
        if file.is_dir() or _is_key(file) or "audit" in file.parts or not flags:
            assert file.stat().st_mode & 0o077 == 0 or running.data.stat().st_mode & 0o077 == 0, file
    assert running.data.stat().st_mode & 0o777 == 0o700
    (key,) = [file for file in running.data.iterdir() if _is_key(file)]
    assert key.stat().st_mode & 0o777 == 0o600


def test_errors_tell_nothing_that_was_sent(tmp_path: Path) -> None:
    """Neither what was sent nor where it went wrong: no values, no frames, no paths."""
    running = Server(tmp_path, *FLAGS[:2])
    ground = Ground(running)
    secret = "s3cr3t-that-was-sent"
    app = ground.app()
    forms: list[dict[str, Any]] = [
        {"grant_type": secret}, {"grant_type": "authorization_code", "code": secret, "code_verifier": secret},
        {"grant_type": "refresh_token", "refresh_token": secret}, {"client_secret": secret, "client_id": secret},
        {"grant_type": "client_credentials", "client_assertion": secret, "client_assertion_type": ASSERTION},
        {"grant_type": "authorization_code", "client_assertion": f"{secret}.{secret}.{secret}",
         "client_assertion_type": secret}, {"token": secret}, {"scope": secret, "grant_type": "refresh_token"},
    ]  # fmt: skip
    answers = [ground.ask(path, form, who) for path in ("/auth/token", "/auth/introspect", "/auth/revoke")
               for form in forms for who in (None, app)]  # fmt: skip
    answers.append(httpx.post(f"{ground.origin}/auth/register", content=secret, headers=address()))
    answers.append(httpx.get(f"{ground.origin}/auth/{secret}", headers=address()))
    answers.append(httpx.get(f"{ground.origin}/auth/authorize", params={"client_id": secret}, headers=address()))
    answers.append(httpx.get(f"{ground.origin}/auth/flow/{secret}", headers=address()))
    answers.append(httpx.get(f"{ground.origin}/my/apps/{secret}/revoke", headers=address()))
    for answer in answers:
        assert answer.status_code < 500
        place = answer.headers.get("location", "")
        assert secret not in answer.text
        assert secret not in json.dumps(parse_qs(urlsplit(place).query)) or place.startswith(
            "/auth/sign-in?next=/my/apps/"
        )
        assert "Traceback" not in answer.text
        assert ".py" not in answer.text
    running.stop()
    assert secret not in running.log
