"""A server with the guides' data, and what the oracle says must be found in it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import httpx
from tests.conformance.us_core import population
from tests.conformance.us_core.asking import Pairs, values
from tests.conformance.us_core.elements import Body
from tests.conformance.us_core.metadata import Case, own_parameters
from tests.journeys.server import FHIR_JSON, Server
from tests.oracle.criteria import Refused
from tests.oracle.definitions import Definitions, SearchParameter, r4
from tests.oracle.evaluator import Population
from tests.oracle.leaks.rights import BELONGS, DEFINED, SHARED
from tests.oracle.records import Found, Name, Permit, Policy

_DAY = 86_400_000_000
BATCH = 40


def definitions() -> Definitions:
    """R4's, and the parameters that US Core adds."""
    found = Definitions(r4().files)
    table = {base: dict(codes) for base, codes in r4().search_parameters.items()}
    for (base, code), body in own_parameters().items():
        table[base][code] = SearchParameter(code, (base,), body["type"], body["expression"], ())
    found.search_parameters = table
    return found


def name(body: Body) -> Name:
    """(type, id)"""
    return body["resourceType"], body["id"]


class Guide:
    """Started with flags of `hilum serve`; holds so many Synthea patients beside the guides' data."""

    def __init__(self, folder: Path, patients: int, *flags: str) -> None:
        self.server = Server(folder, "--no-integrity", *flags)
        self.client = self.server.client()
        self._clients: dict[str, httpx.Client] = {}
        self._policies: dict[str, Policy] = {}
        self._put(list(own_parameters().values()))
        stored = self._put(population.everything(patients))
        self._wait_for_the_parameters()
        self.bodies = {name(body): body for body in stored}
        self.population = Population(stored, base=self.server.base, definitions=definitions())

    def stop(self) -> None:
        for client in (self.client, *self._clients.values()):
            client.close()
        self.server.stop()

    def _wait_for_the_parameters(self) -> None:
        """A parameter answers when what was there before it is indexed, too."""
        until = time.monotonic() + 60
        for base, code in own_parameters():
            while self.client.get(f"{base}?{code}:missing=true&_count=0").status_code != 200:
                assert time.monotonic() < until, (base, code)
                time.sleep(0.1)

    def _put(self, bodies: list[Body]) -> list[Body]:
        """PUT them by batches, and answer with what the server made of them: the same but for two stamps."""
        stored = []
        for start in range(0, len(bodies), BATCH):
            group = bodies[start : start + BATCH]
            entries = [
                {"resource": body, "request": {"method": "PUT", "url": f"{body['resourceType']}/{body['id']}"}}
                for body in group
            ]
            bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
            headers = FHIR_JSON | {"prefer": "return=representation"}
            answer = self.client.post("", content=json.dumps(bundle), headers=headers)
            assert answer.status_code == 200, answer.text
            for body, entry in zip(group, answer.json()["entry"], strict=True):
                assert entry["response"]["status"].startswith("201"), (name(body), entry)
                made = entry["resource"]
                assert _unstamped(made) == _unstamped(body), name(body)
                stored.append(made)
        return stored

    # --- what to ask for ----------------------------------------------------------------------------------------------

    @cached_property
    def _noted(self) -> frozenset[Name]:
        """What some Provenance is about."""
        targets = (t["reference"] for (type, _), b in self.bodies.items() if type == "Provenance" for t in b["target"])
        return frozenset((type, id) for type, _, id in (text.rpartition("/") for text in targets))

    def of_type(self, type: str) -> list[Body]:
        return [item.body for item in self.population.by_type.get(type, ())]

    def subject(self, case: Case) -> Body:
        """A resource of the profile that has a value of every searched parameter, and about which much is known."""
        claiming = population.of_profile(tuple(self.of_type(case.profile.resource)), case.profile)
        fit = [
            body
            for body in claiming
            if _version(body) == case.profile.version and all(values(body, one) for one in case.parameters)
        ]
        assert fit, "the data has no resource of the profile with all searched elements"
        noted = [body for body in fit if name(body) in self._noted]
        made = [body for body in noted if body["id"].startswith(case.profile.key)]
        return Random(str(case)).choice(made or noted or fit)

    # --- asking -------------------------------------------------------------------------------------------------------

    def as_patient(self, id: str) -> tuple[httpx.Client, Policy]:
        """A client with a token bound to one patient, and what it may see."""
        if id not in self._clients:
            self._clients[id] = self.server.client("patient/*.rs", patient=id)
            permit = (Permit(owners=(("Patient", id),)),)
            types = self.population.definitions.resource_types
            looked = dict.fromkeys(types, permit)
            looked |= {type: (Permit(None, (("patient", f"Patient/{id}"),)),) for type in BELONGS if type in types}
            named = {type: (Permit(None, SHARED.get(type, ())),) for type in (*SHARED, *DEFINED) if type in types}
            self._policies[id] = Policy(looked, named, DEFINED)
        return self._clients[id], self._policies[id]

    def expected(self, type: str, pairs: Pairs, policy: Policy | None = None) -> Found | None:
        """None: it must be refused. `ap` depends on the day of asking."""
        self.population.now = time.time_ns() // 1000 // _DAY * _DAY  # the server takes the beginning of the day
        try:
            return self.population.search(type, pairs, policy)
        except Refused:
            return None

    def differences(
        self, type: str, pairs: Pairs, known: Found | None = None, *, patient: str | None = None, form: bool = False
    ) -> list[str]:
        """How the server's answer differs from what must be found; empty when it doesn't. `known`: what must be."""
        client, policy = (self.client, None) if patient is None else self.as_patient(patient)
        expected = known or self.expected(type, pairs, policy)
        request = f"{'POST _search ' if form else ''}{type}?{urlencode(pairs)}" + (f" as {patient}" if patient else "")
        if not any(code == "_count" for code, _ in pairs):
            pairs = [*pairs, ("_count", "1000")]
        if form:
            answer = client.post(f"{type}/_search", data=_form(pairs))
        else:
            answer = client.get(type, params=httpx.QueryParams(tuple(pairs)))
        if expected is None:
            return [] if answer.status_code in (400, 403) else [f"{request}: {answer.status_code}, expected a refusal"]
        matches, brought, problems = [], set(), []
        while True:
            if answer.status_code != 200:
                return [f"{request}: {answer.status_code} {answer.text[:300]}"]
            bundle = answer.json()
            if ("_total", "accurate") in pairs and bundle["total"] != expected.total:
                problems.append(f"{request}: total {bundle['total']}, expected {expected.total}")
            for entry in bundle.get("entry", ()):
                found = name(entry["resource"])
                if entry["resource"] != self.bodies.get(found):
                    problems.append(f"{request}: {found} is not as it was stored")
                if entry["search"]["mode"] == "match":
                    matches.append(found)
                else:
                    brought.add(found)
            following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
            if not following:
                break
            answer = client.get(following[0])
        if len(matches) != len(set(matches)):
            problems.append(f"{request}: a match came twice")
        for what, got, wanted in (
            ("match", set(matches), set(expected.matches)),
            ("include", brought, set(expected.included)),
        ):
            if got != wanted:
                missing, surplus = sorted(wanted - got)[:5], sorted(got - wanted)[:5]
                problems.append(
                    f"{request}: {what}: {len(got)} found, {len(wanted)} expected; missing {missing}, surplus {surplus}"
                )
        return problems


def _unstamped(body: Body) -> Body:
    stamps = ("versionId", "lastUpdated")
    meta = {key: value for key, value in body.get("meta", {}).items() if key not in stamps}
    return {key: value for key, value in body.items() if key != "meta"} | ({"meta": meta} if meta else {})


def _form(pairs: Pairs) -> Mapping[str, Any]:
    fields: dict[str, list[str]] = {}
    for code, text in pairs:
        fields.setdefault(code, []).append(text)
    return fields


def _version(body: Body) -> str:
    """Of the guide that an example or a variation comes from."""
    return "6.1.0" if body["id"].startswith(("six-", "6-")) else "7.0.0"
