"""An EHR that hilum signs in to, as it is registered there and here.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
"""

from __future__ import annotations

from typing import Final

from hilum.oauth.ledger import Record

ENVIRONMENTS: Final = ("sandbox", "production")
METHODS: Final = ("none", "client_secret_basic", "client_secret_post", "private_key_jwt")
GRANTS: Final = ("client_credentials", "authorization_code")
EVERY: Final = "*"
"""Among `recipes`: all that there are, and that there will be."""


class Connection(Record, frozen=True, omit_defaults=True):
    """A record of kind EHR; its key is its name.

    `environment`: `sandbox` or `production`; nothing of one is ever used for the other. `vendor`: a row of the table of
    vendors. `base`: the FHIR base URL, without a slash at its end. `issuer`: what the EHR calls itself in a launch
    (`iss`) where that is not its base to the letter. `method`: how hilum proves who it is at the token endpoint.
    `secret`: sealed for (EHR, name). `alg`: RS384 or ES384. `system_scopes` are asked for by Backend Services,
    `user_scopes` by App Launch. `recipes`: names of those that may be used with it, `*` for all. `mrn_system`: of
    the identifiers that its patients are looked for by. `origin`: `file` for what stands in the data directory's file,
    else who added it, or changed it last.
    """

    name: str
    environment: str
    vendor: str
    base: str
    client_id: str
    method: str
    grants: tuple[str, ...] = ("client_credentials",)
    system_scopes: str = ""
    user_scopes: str = ""
    recipes: tuple[str, ...] = (EVERY,)
    issuer: str = ""
    title: str = ""
    secret: str = ""
    alg: str = "RS384"
    mrn_system: str = ""
    origin: str = ""
    created: int = 0
    disabled: bool = False

    def allows(self, recipe: str) -> bool:
        """Whether that recipe may be used with it."""
        return EVERY in self.recipes or recipe in self.recipes
