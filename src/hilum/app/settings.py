"""The one Settings value: flags over environment variables (HILUM_*) over defaults, read once, frozen."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import parse_qs, urlsplit, urlunsplit

from hilum.app.entries import Entries
from hilum.app.forms import Entry
from hilum.devices.broker import Address
from hilum.problems import Misconfigured

EVERY_NETWORK = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings(Entries):
    """What is set: `hilum.app.entries`."""

    def __post_init__(self) -> None:
        """Refuse combinations that are unsafe. Raises Misconfigured."""
        if self.auth == "off" and self.environment == "production":
            raise Misconfigured("--auth off is refused in production. Use --auth smart, or --env sandbox.")
        if self.auth == "off" and not is_loopback(self.host):
            raise Misconfigured(
                f"--auth off is refused on {self.host}: everyone who can reach this address could read everything. "
                "Use --host 127.0.0.1, or --auth smart."
            )
        if self.registration == "open" and self.environment == "production":
            raise Misconfigured("--registration open is refused in production. Use --registration token, or off.")
        broker = Address.of(self.mqtt) if self.mqtt else None
        if broker and self.environment == "production" and not broker.tls and not is_loopback(broker.host):
            raise Misconfigured("--mqtt: production listens to a broker in clear on this machine only. Use mqtts://.")
        if self.base_url:
            url = urlsplit(self.base_url)
            if url.scheme not in ("http", "https") or not url.netloc or url.query or url.fragment:
                raise Misconfigured("base_url must look like https://fhir.example.org, with no query or fragment.")
        if self.store and self.store_kind not in ("sqlite", "postgresql"):
            raise Misconfigured(
                f"The store {self.store.split(':', 1)[0]}: is not known. Use sqlite:PATH or postgresql://user@host/database."
            )
        if self.store and not self.store.partition(":")[2]:
            raise Misconfigured(
                "The store names no file or database. Use sqlite:PATH or postgresql://user@host/database."
            )

    def __repr__(self) -> str:
        """Without the passwords of store and broker: settings end up in logs."""
        shown = {name: getattr(self, name) for name in ENTRIES} | {"store": self.store_shown, "mqtt": self.mqtt_shown}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def store_kind(self) -> str:
        """`sqlite` or `postgresql`."""
        scheme = self.store.split(":", 1)[0] if self.store else "sqlite"
        return "postgresql" if scheme == "postgres" else scheme

    @property
    def store_url(self) -> str:
        """The store with its default filled in: `sqlite:PATH` or the PostgreSQL URL (which may hold a password)."""
        return self.store or f"sqlite:{self.data / 'hilum.sqlite'}"

    @property
    def videos_folder(self) -> Path:
        """Where videos are rendered."""
        return Path(self.videos).expanduser() if self.videos else self.data / "videos"

    @property
    def sqlite_path(self) -> Path:
        """The SQLite file. Raises Misconfigured when the store is another."""
        if self.store_kind != "sqlite":
            raise Misconfigured("The store is not an SQLite file.")
        return Path(self.store_url.removeprefix("sqlite:")).expanduser()

    @property
    def store_shown(self) -> str:
        """The store for people and logs: without a password."""
        url = self.store_url
        if self.store_kind == "sqlite":
            return url
        parts = urlsplit(url)
        user = f"{parts.username}@" if parts.username else ""
        port = f":{parts.port}" if parts.port else ""
        return f"postgresql://{user}{parts.hostname or ''}{port}{parts.path}"

    @property
    def mqtt_shown(self) -> str:
        """The broker for people and logs: without a password."""
        parts = urlsplit(self.mqtt)
        return urlunsplit(parts._replace(netloc=re.sub(":[^@]*@", "@", parts.netloc)))

    @property
    def store_place(self) -> str:
        """Where a PostgreSQL server should be, for people: host and port, no user and no password."""
        parts = urlsplit(self.store_url)
        query = parse_qs(parts.query)
        host = parts.hostname or query.get("host", [""])[0] or "the local socket"
        return f"PostgreSQL at {host}, port {parts.port or query.get('port', ['5432'])[0]},"

    @property
    def origin(self) -> str:
        """Scheme, host and port as clients see them, no trailing slash."""
        if self.base_url:
            return self.base_url.rstrip("/")
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host)  # noqa: S104 - compared with, not bound to
        return f"http://{host or (f'[{self.host}]' if ':' in self.host else self.host)}:{self.port}"

    @property
    def base_unreachable(self) -> str:
        """Why clients on other machines can't follow links, and what to set; empty where they can."""
        if self.base_url or self.host not in EVERY_NETWORK:
            return ""
        return (
            f"--host {self.host} listens on every network, but links, Location headers and token audiences say "
            f"{self.origin}. Set --base-url to the address that clients use, such as https://fhir.example.org."
        )

    @property
    def base_in_clear(self) -> str:
        """Why tokens and records would cross a network unencrypted, and what to set; empty where they don't."""
        if urlsplit(self.origin).scheme == "https" or is_loopback(urlsplit(self.origin).hostname or ""):
            return ""
        return (
            f"Production is not served at {self.origin}: passwords, tokens and records would cross the network "
            "unencrypted. Put a proxy with TLS in front, and set --base-url to its address, such as "
            "https://fhir.example.org."
        )

    @property
    def fhir_base(self) -> str:
        """The FHIR service base URL, no trailing slash: `http://127.0.0.1:8080/fhir`."""
        return f"{self.origin}/fhir"

    @classmethod
    def read(cls, flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """Settings from flags (None: not given), then `environ` (os.environ when None), then defaults.

        Raises Misconfigured naming the flag or variable that does not hold; never its value, which may be a secret.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for name, entry in ENTRIES.items():
            where, text = entry.flag, (flags or {}).get(name)
            if text is None:
                where, text = entry.variable, environ.get(entry.variable) or None
            if text is not None:
                try:
                    values[name] = entry.form.read(_written(text))
                except ValueError:
                    raise Misconfigured(f"{where} must be {entry.form.expects}.") from None
        return cls(**values)

    def environ(self) -> dict[str, str]:
        """The variables that make `read` give this value again: how worker processes inherit it."""
        return {entry.variable: _written(getattr(self, name)) for name, entry in ENTRIES.items()}


def _written(value: Any) -> str:
    return ("off", "on")[value] if type(value) is bool else str(value)


_HINTS = get_type_hints(Settings, include_extras=True)
ENTRIES: dict[str, Entry] = {f.name: _HINTS[f.name].__metadata__[0] for f in fields(Settings)}
"""Every setting by field name, in the order of the class."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
