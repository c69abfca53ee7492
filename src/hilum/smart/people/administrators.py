"""Who lets people in: one account at least has to stay that opens the page of users, and all that anybody opens.

Of two changes that would each leave one, and together none, the second loses: both write the same record.
"""

from __future__ import annotations

from typing import Final

from hilum.access.ledger import Ledger
from hilum.access.roles import Roles
from hilum.oauth.ledger import SETTING, Put, User
from hilum.problems import Conflict
from hilum.smart.people import users
from hilum.smart.people.users import Account

PAGE: Final = "users"
"""The page (`Role.console`) that makes somebody one of them."""
_KEY: Final = b"administrators"


def opens(user: User, roles: Roles) -> frozenset[str]:
    """The pages that the account, as it stands, opens."""
    if user.disabled:
        return frozenset()
    return frozenset[str]().union(*(roles[name].console for name in user.roles if name in roles))


async def kept(ledger: Ledger, account: Account, user: User, roles: Roles) -> tuple[Put, ...]:
    """What is to be written along with this change of an account (`users.change`, `also`).

    Raises Conflict when the account lets people in, and nobody would be left who does and opens as many pages: nobody
    gives others what they have not.
    """
    before = opens(account.user, roles)
    if PAGE not in before or before <= opens(user, roles):
        return ()
    row = await ledger.get(SETTING, _KEY)
    async for other in users.every(ledger):
        if other.id != account.id and before <= opens(other.user, roles):
            return (Put(SETTING, _KEY, b"{}", version=None if row is None else row.version),)
    raise Conflict(
        f"{account.user.name} is the last one who may do as much with this server: nobody could be given that again. "
        "Give it to somebody else first, with `hilum users add NAME --role admin` for example."
    )
