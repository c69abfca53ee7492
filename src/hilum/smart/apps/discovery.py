"""What clients read first: where everything is, and what can be asked for.

https://hl7.org/fhir/smart-app-launch/conformance.html#using-well-known,
https://openid.net/specs/openid-connect-discovery-1_0.html, https://www.rfc-editor.org/rfc/rfc8414
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hilum.oauth.endpoints import CAPABILITIES, PATHS
from hilum.oauth.keyset import KEY_TYPE
from hilum.problems import Busy, Unprocessable
from hilum.smart.apps import brands, clients
from hilum.web import message
from hilum.web.message import Answer, Asked
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site, SiteSettings

SECONDS: Final = 60
KEYS_SECONDS: Final = 300
"""How long a copy may be kept; a new signing key is published longer than that before it signs."""

USCDI: Final = (
    "AllergyIntolerance", "CarePlan", "CareTeam", "Condition", "Coverage", "Device", "DiagnosticReport",
    "DocumentReference", "Encounter", "Goal", "Immunization", "MedicationDispense", "MedicationRequest", "Observation",
    "Patient", "Procedure", "Provenance", "QuestionnaireResponse", "RelatedPerson", "ServiceRequest", "Specimen",
)  # fmt: skip
"""Types of the US Core profiles of patients' data: those whose scopes are listed one by one.
https://hl7.org/fhir/us/core/STU6.1/scopes.html
"""
_OBSERVATION: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_US_CORE: Final = "http://hl7.org/fhir/us/core/CodeSystem"
GRANULAR: Final = (
    "Condition.rs?category=http://terminology.hl7.org/CodeSystem/condition-category|encounter-diagnosis",
    "Condition.rs?category=http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item",
    f"Condition.rs?category={_US_CORE}/condition-category|health-concern",
    f"Observation.rs?category={_US_CORE}/us-core-category|sdoh",
    f"Observation.rs?category={_OBSERVATION}|social-history",
    f"Observation.rs?category={_OBSERVATION}|laboratory",
    f"Observation.rs?category={_OBSERVATION}|survey",
    f"Observation.rs?category={_OBSERVATION}|vital-signs",
)
WORDS: Final = (
    "openid", "fhirUser", "launch", "launch/patient", "launch/encounter", "offline_access", "online_access",
)  # fmt: skip


def scopes_supported() -> list[str]:
    """What can be asked for; more is possible (every type, every combination of letters, more search parameters)."""
    wide = [f"{level}/*.{letters}" for level in ("patient", "user", "system") for letters in ("rs", "cruds")]
    first = [f"{level}/*.read" for level in ("patient", "user")]
    typed = [f"{level}/{type}.rs" for level in ("patient", "user", "system") for type in USCDI]
    granular = [f"{level}/{rest}" for level in ("patient", "user", "system") for rest in GRANULAR]
    return [*WORDS, *wide, *first, *typed, *granular]


def endpoints(settings: SiteSettings) -> dict[str, str]:
    """Where everything is."""
    origin = settings.origin
    found = {
        "issuer": origin,
        "jwks_uri": f"{origin}/.well-known/jwks.json",
        "authorization_endpoint": origin + PATHS["authorize"],
        "token_endpoint": origin + PATHS["token"],
        "introspection_endpoint": origin + PATHS["introspect"],
        "revocation_endpoint": origin + PATHS["revoke"],
        "management_endpoint": origin + PATHS["manage"],
    }
    if settings.registration != "off":
        found["registration_endpoint"] = origin + PATHS["register"]
    return found


def smart(settings: SiteSettings) -> dict[str, Any]:
    """smart-configuration, but for what it says of brands."""
    return {
        **endpoints(settings),
        **_server(),
        "capabilities": list(CAPABILITIES),
    }


def openid(settings: SiteSettings) -> dict[str, Any]:
    """openid-configuration, and RFC 8414's document."""
    return {
        **endpoints(settings),
        **_server(),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "at_hash", "fhirUser", "profile",
        ],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "claims_parameter_supported": False,
    }  # fmt: skip


def _server() -> dict[str, Any]:
    methods, algorithms = list(clients.METHODS), list(KEY_TYPE)
    return {
        "grant_types_supported": list(clients.GRANTS),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": scopes_supported(),
    }


async def smart_configuration(site: Site, asked: Asked) -> Answer:
    """GET /fhir/.well-known/smart-configuration: JSON, whatever the Accept header says."""
    try:
        members = await brands.members(site)
    except (Busy, Unprocessable):  # what clients can't do without needs no store
        members = {}
    return message.document(smart(site.settings) | members, SECONDS)


async def openid_configuration(site: Site, asked: Asked) -> Answer:
    """GET /.well-known/openid-configuration and /.well-known/oauth-authorization-server."""
    return message.document(openid(site.settings), SECONDS)


async def jwks(site: Site, asked: Asked) -> Answer:
    """GET /.well-known/jwks.json: public keys of access and id tokens."""
    return message.document(site.ring.jwks(), KEYS_SECONDS)


ROUTES: Final = (
    Route("GET", "/fhir/.well-known/smart-configuration", smart_configuration, "document"),
    Route("GET", "/.well-known/openid-configuration", openid_configuration, "document"),
    Route("GET", "/.well-known/oauth-authorization-server", openid_configuration, "document"),
    Route("GET", "/.well-known/jwks.json", jwks, "document"),
)
