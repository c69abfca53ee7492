"""A small FHIR server for the agent to send to: what it can do, and when it breaks, is the test's choice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.unit.agent.sending.far_sides import Reply, Request

Body = dict[str, Any]


@dataclass
class FhirServer:
    """`cuts`: numbers of those POSTs, from 1 on, that are done and not answered. `refuses`: values that it does not
    take. `speaks`: whether it says where it put something.
    """

    transactions: bool = True
    conditional: bool = True
    searches: bool = True
    creates: tuple[str, ...] = ("Device", "Observation", "Patient")
    version: str = "4.0.1"
    cuts: set[int] = field(default_factory=set)
    refuses: set[float] = field(default_factory=set)
    speaks: bool = True
    heeds: bool = True
    """Whether its searches pay heed to the identifier."""
    stored: list[Body] = field(default_factory=list)
    posts: int = 0

    def of(self, type_: str) -> list[Body]:
        return [one for one in self.stored if one["resourceType"] == type_]

    def values(self) -> list[float]:
        return sorted(one["valueQuantity"]["value"] for one in self.of("Observation") if "valueQuantity" in one)

    def __call__(self, asked: Request) -> Reply:
        if asked.path.endswith("/metadata"):
            return Reply(200, self._says())
        if asked.method == "GET" and "identifier" not in asked.query:
            return Reply(200, {"resourceType": "Patient", "id": asked.path.rpartition("/")[2]})
        if asked.method == "GET":
            type_ = asked.path.rpartition("/")[2]
            found = self.of(type_) if not self.heeds else self._found(type_, asked.query["identifier"][0])
            entries = [{"resource": one} for one in found[:5]]
            return Reply(200, {"resourceType": "Bundle", "type": "searchset", "entry": entries})
        self.posts += 1
        if asked.path == "/r4":
            reply = self._transaction(asked.json) if self.transactions else Reply(404)
        else:
            reply = self._create(asked.json, asked.headers.get("if-none-exist", ""))
        return Reply(cut=True) if self.posts in self.cuts else reply

    def _says(self) -> Body:
        search = [{"name": "identifier", "type": "token"}] if self.searches else []
        resources = [
            {
                "type": type_,
                "interaction": [{"code": "create"}, {"code": "search-type"}],
                "searchParam": search,
                "conditionalCreate": self.conditional,
            }
            for type_ in self.creates
        ]
        whole = [{"code": "transaction"}] if self.transactions else []
        rest = [{"mode": "server", "resource": resources, "interaction": whole}]
        return {"resourceType": "CapabilityStatement", "fhirVersion": self.version, "rest": rest}

    def _found(self, type_: str, token: str) -> list[Body]:
        system, _, value = token.rpartition("|")
        return [
            one
            for one in self.of(type_)
            if any((each.get("system", ""), each["value"]) == (system, value) for each in one.get("identifier", []))
        ]

    def _create(self, body: Body, condition: str) -> Reply:
        if body.get("valueQuantity", {}).get("value") in self.refuses:
            return Reply(422)
        type_ = body["resourceType"]
        found = self._found(type_, parse_qs(condition)["identifier"][0]) if condition and self.conditional else []
        if len(found) > 1:
            return Reply(412)
        if not found:
            self.stored.append(body | {"id": str(len(self.stored))})
        where = f"https://x/r4/{type_}/{(found or self.stored[-1:])[0]['id']}/_history/1"
        return Reply(200 if found else 201, headers={"Location": where} if self.speaks else {})

    def _transaction(self, bundle: Body) -> Reply:
        before = list(self.stored)
        replies = [self._create(one["resource"], one["request"].get("ifNoneExist", "")) for one in bundle["entry"]]
        worst = max(one.status for one in replies)
        if worst >= 400:
            self.stored = before
            return Reply(worst)
        entries = [
            {"response": {"status": str(one.status), "location": one.headers.get("Location", "")}} for one in replies
        ]
        return Reply(200, {"resourceType": "Bundle", "type": "transaction-response", "entry": entries})
