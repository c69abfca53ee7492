"""An app that is shut out for good: its tokens are void, and the Consents that people gave it end.

https://hl7.org/fhir/R4/consent.html, https://www.rfc-editor.org/rfc/rfc7592#section-2.3
"""

from __future__ import annotations

import httpx
import pytest
from tests.conformance.smart.ground import REDIRECT, App, Ground, claims
from tests.journeys.cli import hilum

SCOPE = "openid launch/patient patient/Observation.rs"


@pytest.mark.parametrize("way", ["by the command beside the server", "by the app itself"])
def test_the_consents_of_an_app_that_is_shut_out_end_within_seconds(both: Ground, way: str) -> None:
    metadata = {
        "client_name": "Growth Chart",
        "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "none",
        "scope": SCOPE,
    }
    headers = {"authorization": f"Bearer {both.invitation(SCOPE)}"}
    made = httpx.post(both.said["registration_endpoint"], json=metadata, headers=headers)
    assert made.status_code == 201, made.text
    app = App(made.json()["client_id"])
    consent = f"Consent/{claims(both.tokens(app, SCOPE, 'ada.stone')['access_token'])['grant']}"
    with both.server.client() as fhir:
        assert fhir.get(consent).json()["status"] == "active"
        if way == "by the app itself":
            own = {"authorization": f"Bearer {made.json()['registration_access_token']}"}
            assert httpx.delete(made.json()["registration_client_uri"], headers=own).status_code == 204
        else:
            done = hilum("clients", "revoke", app.id, "--data", both.server.data, *both.flags)
            assert done.returncode == 0, done.stderr
        both.until(lambda: fhir.get(consent).json()["status"] == "inactive")
