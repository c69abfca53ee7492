"""Each recorded answer of a vendor, put to the sandbox of that vendor: the facts of it hold there, too."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.journeys.sandboxes import Sandbox, next_of

from hilum import fhirpath
from hilum.sandbox.profile import profiles

SAMPLES = tomllib.loads((Path(__file__).parent / "sandbox_samples.toml").read_text("utf-8"))["sample"]
_TOLD = ("profile", "quirk", "recorded", "source", "date", "send", "accept", "token", "grant")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: f"{one['profile']}-{one['quirk']}")
def test_what_the_vendor_answered_the_sandbox_answers(request: pytest.FixtureRequest, sample: dict[str, Any]) -> None:
    sandbox: Sandbox = request.getfixturevalue(sample["profile"])
    answer = sent(sandbox, sample)
    assert answer.status_code == sample["status"], answer.text
    for name, expected in sample.items():
        if name not in (*_TOLD, "status"):
            CHECKS[name](answer, expected)


def sent(sandbox: Sandbox, sample: dict[str, Any]) -> httpx.Response:
    if "grant" in sample:
        return sandbox.grant(**sample["grant"])
    wanted = sample.get("token", "")
    token = wanted if wanted == "malformed" else sandbox.token(*([f"system/{wanted}.rs"] if wanted else []))
    with sandbox.client(token, accept=sample.get("accept", "application/fhir+json")) as client:
        return client.get(sample["send"].format(patient="demo-p001"))


def facts(answer: httpx.Response, expected: list[str]) -> None:
    body = answer.json()
    for fact in expected:
        assert fhirpath.compile(fact, body["resourceType"])(body) == [True], fact


def following(answer: httpx.Response, expected: str) -> None:
    assert re.search(expected + "$", next_of(answer.json()) or ""), next_of(answer.json())


def content_type(answer: httpx.Response, expected: str) -> None:
    assert answer.headers["content-type"].startswith(expected)


def body(answer: httpx.Response, expected: str) -> None:
    assert answer.text == expected


def challenge(answer: httpx.Response, expected: str) -> None:
    assert answer.headers["www-authenticate"].startswith(expected)


def members(answer: httpx.Response, expected: dict[str, str]) -> None:
    found = {name: "null" if value is None else str(value) for name, value in answer.json().items()}
    assert all(text in found[name] for name, text in expected.items()), found
    assert found.keys() - {"access_token"} == expected.keys()


CHECKS = {
    "facts": facts, "next": following, "content_type": content_type, "body": body, "challenge": challenge,
    "json": members,
}  # fmt: skip


def test_every_quirk_that_is_called_captured_has_a_sample_or_says_what_was_looked_at() -> None:
    replayed = {(one["profile"], one["quirk"]) for one in SAMPLES}
    captured = {
        (name, quirk.name)
        for name, profile in profiles().items()
        for quirk in profile.quirk
        if quirk.known == "captured" and "CapabilityStatement" not in " ".join(quirk.source)
    }
    assert captured - replayed == {("epic", "coding")}  # which is part of the others
