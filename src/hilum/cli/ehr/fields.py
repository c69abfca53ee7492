"""What a connection is, as options of the commands that write one; what is given there, as its fields."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import typer

BASE: Final = typer.Option("--base", help="The FHIR base URL (R4) of the EHR.", metavar="URL")
CLIENT_ID: Final = typer.Option("--client-id", help="What the EHR knows hilum by, in this environment.", metavar="ID")
VENDOR: Final = typer.Option("--vendor", help="`epic`, `oracle`, `meditech`, or `plain` for others.", metavar="VENDOR")
SCOPES: Final = typer.Option(
    "--scopes", help="What to ask for where nobody is present (Backend Services).", metavar="SCOPES"
)
USER_SCOPES: Final = typer.Option(
    "--user-scopes", help="What to ask for where a person signs in (App Launch).", metavar="SCOPES"
)
PUBLIC: Final = typer.Option("--public", help="The EHR has registered hilum without key and secret (App Launch only).")
SECRET_FILE: Final = typer.Option(
    "--secret-file",
    help="The EHR has given hilum a secret, which stands in this file; `-` is standard input. It is sealed.",
    metavar="FILE",
)
SECRET_POST: Final = typer.Option("--secret-post", help="The secret is sent in the form, not by HTTP Basic.")
ALG: Final = typer.Option("--alg", help="The algorithm of the client key that signs: RS384 or ES384.", metavar="ALG")
ISSUER: Final = typer.Option(
    "--issuer", help="What the EHR sends as `iss` in a launch, where it is not its base.", metavar="URL"
)
MRN_SYSTEM: Final = typer.Option(
    "--mrn-system", help="The system of the identifiers that patients are looked for by.", metavar="URI"
)
RECIPE: Final = typer.Option(
    "--recipe",
    help="A recipe that may be used with it. Give it again for more; `*`, as it is without any, is all.",
    metavar="NAME",
)
TITLE: Final = typer.Option("--title", help="What people read on the pages.", metavar="TEXT")


def asked(scopes: str, user_scopes: str) -> dict[str, Any]:
    """The scopes, and the grants that they are asked for by. Raises Invalid where nothing is asked for."""
    from hilum.broker import rules
    from hilum.problems import Invalid

    wishes = ((rules.BACKEND, scopes), (rules.LAUNCH, user_scopes))
    grants = tuple(grant for grant, wish in wishes if wish.split())
    if not grants:
        text = "Say what to ask for: --scopes where nobody is present, --user-scopes where a person signs in, or both."
        raise Invalid(f"{text} Such as --scopes 'system/Patient.rs'.")
    return {
        "grants": grants,
        "system_scopes": " ".join(scopes.split()),
        "user_scopes": " ".join(user_scopes.split()),
    }


def secret(file: str) -> str:
    """What the file says, "" for none. Raises Invalid, Misconfigured."""
    from hilum.problems import Invalid, Misconfigured

    if not file:
        return ""
    try:
        text = sys.stdin.readline() if file == "-" else Path(file).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(f"The secret {file} can't be read.") from None
    if not text.strip():
        raise Invalid(f"There is no secret in {'the standard input' if file == '-' else file}.")
    return text.strip()
