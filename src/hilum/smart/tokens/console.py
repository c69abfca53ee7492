"""A token for hilum's own pages at `/`: who is signed in looks at what they may see, and pastes nothing.

The browser's cookie counts here and nowhere at the FHIR API, so that no page of somebody else may come by such a token:
a header that only a script of our own origin can send (https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html#employing-custom-request-headers-for-ajaxapi),
a request that says it comes from there, a cookie that does not come along from other sites, and an answer that pages of
other origins can't read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hilum.access.tokens import CONSOLE, CONSOLE_SCOPE, CONSOLE_SECONDS
from hilum.oauth.errors import OAuthError
from hilum.problems import Forbidden
from hilum.smart.people import sessions, users
from hilum.smart.site import unknown
from hilum.web import message
from hilum.web.message import Answer, Asked
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site

HEADER: Final = b"x-csrf"


async def token(site: Site, asked: Asked) -> Answer:
    """POST /auth/console-token. Raises Forbidden where another page may ask, OAuthError `login_required`."""
    if not _ours(site, asked):
        raise Forbidden("Only hilum's own pages get a token here: they send the header X-CSRF from their own origin.")
    session = await sessions.opened(site, asked)
    account = await users.get(site.ledger, session.user) if session.user else None
    if account is None or account.user.disabled:
        raise OAuthError("login_required", "Nobody is signed in in this browser: see /auth/sign-in.", status=401)
    made, jti = site.issuer.console(account.id, session.key.hex(), session.factors)
    about = {"grant_type": "console", "scope": CONSOLE_SCOPE, "jti": jti}
    await site.trail.certain(unknown(CONSOLE, account.id), "token", 200, about)
    return message.json(
        {
            "access_token": made,
            "token_type": "Bearer",
            "expires_in": CONSOLE_SECONDS,
            "scope": CONSOLE_SCOPE,
            "name": account.user.display,
        }
    )


def _ours(site: Site, asked: Asked) -> bool:
    """Whether a page of ours asks: these pages may be reached under another name, of which a browser tells that it is
    the same. https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
    """
    same = asked.header(b"origin") == site.settings.origin or asked.header(b"sec-fetch-site") == "same-origin"
    return same and bool(asked.header(HEADER))


ROUTES: Final = (Route("POST", "/auth/console-token", token, "oauth"),)
