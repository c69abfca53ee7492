"""Where the authorization server is, and what of SMART it can do: said by discovery and by the CapabilityStatement.

https://hl7.org/fhir/smart-app-launch/conformance.html, https://hl7.org/fhir/smart-app-launch/STU1/conformance/
"""

from __future__ import annotations

from typing import Final

PATHS: Final = {
    "authorize": "/auth/authorize",
    "token": "/auth/token",
    "introspect": "/auth/introspect",
    "revoke": "/auth/revoke",
    "register": "/auth/register",
    "manage": "/my/apps",
}
"""By the names that the extension `oauth-uris` has for them; they follow the origin."""

CAPABILITIES: Final = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "context-standalone-encounter",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
    "smart-app-state",
)
"""https://hl7.org/fhir/smart-app-launch/conformance.html#capabilities"""
