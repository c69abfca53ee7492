"""The PyPI `fhirclient`, unchanged, which reads nothing but /metadata: sign-in, the record, a new token.

https://github.com/smart-on-fhir/client-py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fhirclient import client as smart
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from tests.journeys.apps import Person, launched, people, record, registered
from tests.journeys.server import Server

BACK = "http://127.0.0.1:4711/back"
SCOPE = "openid fhirUser offline_access launch/patient patient/Patient.rs patient/Observation.rs"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("pypi-fhirclient")
    running = Server(folder)
    record(running)
    people(running, folder)
    yield running
    running.stop()


def client(server: Server, *way: str, **settings: Any) -> smart.FHIRClient:
    said = registered(server, "Python", "--redirect", BACK, "--scopes", SCOPE + " launch", *way)
    given = {"app_id": said["client_id"], "app_secret": said.get("client_secret"), "api_base": server.base,
             "redirect_uri": BACK, "scope": SCOPE} | settings  # fmt: skip
    return smart.FHIRClient(settings=given)


@pytest.mark.parametrize("way", ["--public", "--secret"])
def test_a_patient_signs_in_and_the_app_reads_by_what_metadata_says(served: Server, way: str) -> None:
    app = client(served, way)
    assert not app.ready
    assert app.prepare() is False  # which means that a user has to authorize it
    app.handle_callback(Person("ada.stone", BACK).allows(app.authorize_url))
    assert app.ready
    assert app.patient_id == "ada"
    assert app.human_name(app.patient.name[0]) == "Ada Stone"
    found = Observation.where(struct={"category": "laboratory"}).perform_resources_iter(app.server)
    assert [(one.id, one.valueQuantity.value) for one in found] == [("o3", 140)]
    before = app.server.auth.access_token, app.server.auth.refresh_token
    assert app.reauthorize() is True
    after = app.server.auth.access_token, app.server.auth.refresh_token
    assert not set(before) & set(after)
    assert Patient.read("ada", app.server).birthDate.isostring == "1980-12-31"


def test_staff_open_a_record_and_the_app_is_about_it(served: Server) -> None:
    app = client(served, scope=SCOPE.replace("launch/patient", "launch"))
    token = launched(served, app.app_id, "kim.doe", patient="ben")
    app = smart.FHIRClient(settings={"app_id": app.app_id, "api_base": served.base, "redirect_uri": BACK,
                                     "scope": SCOPE.replace("launch/patient", "launch"),
                                     "launch_token": token})  # fmt: skip
    app.handle_callback(Person("kim.doe", BACK).allows(app.authorize_url))
    assert (app.patient_id, app.human_name(app.patient.name[0])) == ("ben", "Ben Stone")
    assert list(Observation.where(struct={}).perform_resources_iter(app.server)) == []


def test_staff_choose_the_record_that_the_app_is_about(served: Server) -> None:
    app = client(served)
    app.handle_callback(Person("kim.doe", BACK).allows(app.authorize_url, q="stone", patient="ada"))
    assert app.human_name(app.patient.name[0]) == "Ada Stone"


def test_an_answer_to_another_question_is_no_sign_in(served: Server) -> None:
    app = client(served)
    back = Person("ada.stone", BACK).allows(app.authorize_url)
    app.handle_callback(back)
    app.reset_patient()
    with pytest.raises(Exception, match="400"):
        app.handle_callback(back)  # the code a second time
