"""`hilum users`: the people who sign in here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hilum.cli import options

if TYPE_CHECKING:
    from hilum.app.settings import Settings
    from hilum.oauth.ledger import User
    from hilum.smart.people.users import Account
    from hilum.store.interface import Store

users = typer.Typer(
    name="users",
    help="Add, list, shut out and let in the people who sign in here, and give them new passwords.\n\n"
    "What changes holds under a running `hilum serve` within five seconds.\n\n"
    "Examples:\n\n"
    "- `hilum users add kim.doe --role practitioner --display 'Kim Doe' --stands-for Practitioner/17`\n\n"
    "- `hilum users reset kim.doe`",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.", show_default=False)]
PasswordFile = Annotated[
    str | None,
    typer.Option(
        "--password-file",
        help="Take the password from the first line of a file; `-` is standard input. Without it one is made and "
        "printed, to be changed at the next sign-in.",
        metavar="FILE",
    ),
]


@users.command()
def add(
    name: Name,
    role: Annotated[
        list[str],
        typer.Option(
            "--role",
            help="practitioner, patient, auditor, admin, or one of your own. Give it again for more.",
            metavar="ROLE",
        ),
    ],
    display: Annotated[
        str, typer.Option("--display", help="The name that pages show, where it is another.", metavar="TEXT")
    ] = "",
    stands_for: Annotated[
        str,
        typer.Option(
            "--stands-for",
            help="The resource that is this person (`fhirUser`), such as Practitioner/17. A patient with one record is "
            "its Patient.",
            metavar="REFERENCE",
        ),
    ] = "",
    patient: Annotated[
        list[str] | None,
        typer.Option(
            "--patient",
            help="The id of a Patient whose record is this person's own, or in their care. Give it again for more.",
            metavar="ID",
        ),
    ] = None,
    to_come: Annotated[
        bool,
        typer.Option("--to-come", help="The records that are named may be missing here as yet; else they may not."),
    ] = False,
    password_file: PasswordFile = None,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    roles: options.Roles = None,
    json: options.Json = False,
) -> None:
    """Add a user.

    Examples:

    - `hilum users add kim.doe --role practitioner --display 'Kim Doe' --stands-for Practitioner/17`

    - `hilum users add pat --role patient --patient 0190a3c2-6a5b-7000-8000-000000000001 --password-file pat.txt`
    """
    import time

    from hilum.app.roles import table
    from hilum.cli.records import done, tell
    from hilum.oauth.ledger import User
    from hilum.smart.people import users as accounts

    patients = tuple(dict.fromkeys(patient or ()))
    if not stands_for and len(patients) == 1 and role == ["patient"]:
        stands_for = f"Patient/{patients[0]}"
    user = User(name, display or name, tuple(dict.fromkeys(role)), stands_for, patients, created=int(time.time()))
    password, made = _password(password_file, name)

    async def work(opened: Store, settings: Settings) -> Account:
        known = table(settings)
        accounts.check(user, known)
        if await accounts.find(opened.ledger, name) is not None:
            raise accounts.taken(name)
        if not to_come:
            await accounts.check_records(opened, user, "say --to-come")
        full, id = await _with_password(user, password, must_change=made), accounts.new_id()
        about = {"added": id, "name": name, "roles": " ".join(user.roles)}
        stands = {"fhirUser": stands_for, "patients": " ".join(patients)}
        await tell(opened, settings, "user", about | {key: text for key, text in stands.items() if text})
        return await accounts.add(opened.ledger, full, known, id)

    flags = {"store": store, "data": data, "environment": environment, "roles": roles}
    _tell(done(flags, work), password if made else "", json)


@users.command("list")
def list_(
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """List the users: name, roles, what they stand for, and what they sign in with.

    Example:

    - `hilum users list --json`
    """
    from hilum.cli.records import done
    from hilum.cli.terminal import listed
    from hilum.smart.people import users as accounts

    async def work(opened: Store, settings: Settings) -> list[Account]:
        return [account async for account in accounts.every(opened.ledger)]

    found = done({"store": store, "data": data, "environment": environment}, work)
    columns: dict[str, Callable[[Account], str]] = {
        "name": lambda one: one.user.name,
        "roles": lambda one: " ".join(one.user.roles),
        "stands for": lambda one: one.user.fhir_user or " ".join(f"Patient/{id}" for id in one.user.patients),
        "signs in with": lambda one: (
            "disabled" if one.user.disabled else "two factors" if one.user.totp else "password"
        ),
    }
    listed("users", found, columns, lambda one: f"{one.id} {one.user.name}", _shown, json=json)


@users.command()
def disable(
    name: Name,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    roles: options.Roles = None,
    json: options.Json = False,
) -> None:
    """Shut a user out: no sign-in, all sessions and all tokens of apps void. What was allowed to apps is kept.

    The last administrator stays.

    Example:

    - `hilum users disable kim.doe`
    """
    from msgspec.structs import replace

    async def shut_out(user: User) -> User:
        return replace(user, disabled=True)

    _tell(_changed(store, data, environment, name, "disabled", shut_out, roles=roles), "", json)


@users.command()
def enable(
    name: Name,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Let a user in again who was shut out.

    Example:

    - `hilum users enable kim.doe`
    """
    from msgspec.structs import replace

    async def let_in(user: User) -> User:
        return replace(user, disabled=False)

    _tell(_changed(store, data, environment, name, "enabled", let_in), "", json)


@users.command()
def reset(
    name: Name,
    second_factor: Annotated[
        bool,
        typer.Option("--second-factor", help="Forget the authenticator app, the recovery codes and all passkeys, too."),
    ] = False,
    password_file: PasswordFile = None,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Give a user another password, and end what is signed in with the old one.

    Examples:

    - `hilum users reset kim.doe`

    - `hilum users reset kim.doe --second-factor --password-file new.txt`
    """
    from msgspec.structs import replace

    password, made = _password(password_file, name)

    async def with_another(user: User) -> User:
        if second_factor:
            user = replace(user, totp="", totp_step=0, recovery=())
        return await _with_password(user, password, must_change=made)

    what = "password and second factor" if second_factor else "password"
    account = _changed(store, data, environment, name, what, with_another, passkeys=second_factor)
    _tell(account, password if made else "", json)


def _changed(
    store: str | None,
    data: str | None,
    environment: str | None,
    name: str,
    what: str,
    change: Callable[[User], Awaitable[User]],
    *,
    passkeys: bool = False,
    roles: str | None = None,
) -> Account:
    """The account of that name with what `change` makes of it; sessions and tokens end. `what`: for the audit.
    `passkeys`: forget them.
    """
    import time

    from hilum.app.roles import table
    from hilum.cli.records import done, tell
    from hilum.problems import NotFound
    from hilum.smart.people import administrators
    from hilum.smart.people import passkeys as keys
    from hilum.smart.people import users as accounts

    async def work(opened: Store, settings: Settings) -> Account:
        ledger = opened.ledger
        account = await accounts.find(ledger, name)
        if account is None:
            raise NotFound(f"There is no user {name!r}. `hilum users list` shows those that there are.")
        user = await change(account.user)
        also = [*await administrators.kept(ledger, account, user, table(settings))]
        if passkeys:
            also += await keys.forgotten(ledger, account)
        await tell(opened, settings, "user", {"user": account.id, "name": account.user.name, "changed": what})
        return await accounts.change(ledger, account, user, time.time(), out=True, also=also)

    return done({"store": store, "data": data, "environment": environment, "roles": roles}, work)


def _password(file: str | None, name: str) -> tuple[str, bool]:
    """The password, and whether it was made here. Raises Invalid, and Misconfigured when the file can't be read."""
    import sys
    from pathlib import Path

    from hilum.problems import Invalid, Misconfigured
    from hilum.smart.people import passwords

    if file is None:
        return passwords.made(), True
    try:
        text = sys.stdin.readline() if file == "-" else Path(file).read_text("utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(f"The password can't be read from {file}.") from None
    password = text.strip("\r\n")
    if fault := passwords.fault(password, name):
        raise Invalid(fault)
    return password, False


async def _with_password(user: User, password: str, *, must_change: bool) -> User:
    from msgspec.structs import replace

    from hilum.smart.people.passwords import Passwords

    made = Passwords()
    try:
        return replace(user, password=await made.hashed(password), must_change=must_change)
    finally:
        made.close()


def _shown(account: Account) -> dict[str, Any]:
    """What may be told of an account."""
    user = account.user
    return {
        "id": account.id,
        "name": user.name,
        "display": user.display,
        "roles": user.roles,
        "fhirUser": user.fhir_user or None,
        "patients": user.patients,
        "disabled": user.disabled,
        "second_factor": bool(user.totp),
        "must_change": user.must_change,
    }


def _tell(account: Account, password: str, json: bool) -> None:
    """Print an account; and the password that was made for it, this once."""
    from hilum.cli.terminal import json_out, out, say

    if json:
        json_out(_shown(account) | ({"password": password} if password else {}))
        return
    out(account.id)
    if password:
        say(f"The password of {account.user.name} until the next sign-in, shown this once: {password}")
