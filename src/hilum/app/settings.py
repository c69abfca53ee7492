"""The one Settings value: flags over environment variables (HILUM_*) over defaults, read once, frozen.

`docs/reference/settings.md` is generated from the entries below; `--help` shows the same sentences.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints
from urllib.parse import parse_qs, urlsplit

from hilum.problems import Misconfigured

ENVIRONMENTS = ("sandbox", "production")
AUTH = ("smart", "off")
AUDIT = ("strict", "grouped")
REGISTRATION = ("off", "token", "open")
METRICS = ("local", "open", "off")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("auto", "json", "text")
EVERY_NETWORK = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not bound to


class Form(NamedTuple):
    """How a setting's text becomes its value (`read` raises ValueError), and what it must look like, for messages."""

    expects: str
    read: Callable[[str], Any]


class Entry(NamedTuple):
    """One setting as it is documented: its flag, form and meaning."""

    flag: str
    form: Form
    help: str

    @property
    def variable(self) -> str:
        """The environment variable: `--max-body-bytes` is HILUM_MAX_BODY_BYTES."""
        return "HILUM_" + self.flag.split("/")[0].removeprefix("--").replace("-", "_").upper()


def _number(low: int, high: int) -> Form:
    def read(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError(number)
        return number

    return Form(f"a whole number from {low} to {high}", read)


def _one_of(*choices: str) -> Form:
    def read(text: str) -> str:
        return choices[choices.index(text.strip().lower())]

    return Form(" or ".join(choices), read)


def _switch(text: str) -> bool:
    return ("off", "false", "no", "0", "on", "true", "yes", "1").index(text.strip().lower()) >= 4


def _networks(text: str) -> str:
    for part in filter(None, text.split(",")):
        ipaddress.ip_network(part.strip())
    return text.strip()


TEXT = Form("text", str.strip)
NETWORKS = Form("networks such as 10.0.0.0/8, separated by commas", _networks)
SWITCH = Form("on or off", _switch)
FOLDER = Form("a folder", lambda text: Path(text).expanduser())


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """Everything that can be set. A field `port` is the flag `--port` and the variable `HILUM_PORT`."""

    host: Annotated[
        str, Entry("--host", TEXT, "The address to listen on. `0.0.0.0` is every network of this machine.")
    ] = "127.0.0.1"
    port: Annotated[int, Entry("--port", _number(0, 65535), "The TCP port. 0 takes any free one.")] = 8080
    data: Annotated[
        Path,
        Entry(
            "--data",
            FOLDER,
            "The data directory: keys, the SQLite file, what `hilum load` remembers. Made with mode 0700 when missing.",
        ),
    ] = Path("hilum-data")
    store: Annotated[
        str,
        Entry(
            "--store",
            TEXT,
            "Where resources live: `sqlite:PATH` or `postgresql://user@host/database`. "
            "Empty means `hilum.sqlite` in the data directory.",
        ),
    ] = ""
    blobs: Annotated[
        str,
        Entry(
            "--blobs",
            TEXT,
            "Where the content of large Binaries is kept: a folder, or `s3://bucket/prefix` (needs the extra "
            "`hilum[s3]`; credentials come from the environment). Processes on several machines need one that they "
            "share. Empty means `blobs` in the data directory.",
        ),
    ] = ""
    blob_bytes: Annotated[
        int,
        Entry(
            "--blob-bytes",
            _number(1024, 16 * 1024**2),
            "Content of a Binary with more bytes than that is kept outside of the store, under `--blobs`.",
        ),
    ] = 256 * 1024
    environment: Annotated[
        str,
        Entry(
            "--env",
            _one_of(*ENVIRONMENTS),
            "`sandbox` or `production`. A data directory and a store belong to one of them for ever; "
            "`production` refuses demo data, `--auth off` and tokens without a stated reason.",
        ),
    ] = "sandbox"
    auth: Annotated[
        str,
        Entry(
            "--auth",
            _one_of(*AUTH),
            "`smart`: a token is needed for everything but metadata, health, pages to sign in and what `hilum open` "
            "opened. "
            "`off`: no token at all, refused on anything but loopback and in production.",
        ),
    ] = "smart"
    audit: Annotated[
        str,
        Entry(
            "--audit",
            _one_of(*AUDIT),
            "`strict`: an answer waits until the audit trail has it on disk. `grouped`: it does not, a crash can lose "
            "what was shown in the last `--audit-window-ms`. Writes are audited in their own transaction either way.",
        ),
    ] = "strict"
    audit_window_ms: Annotated[
        int,
        Entry(
            "--audit-window-ms",
            _number(1, 60_000),
            "With `--audit grouped`: how many milliseconds of the audit trail are flushed together, which is what a "
            "crash can lose.",
        ),
    ] = 200
    audit_backlog_mb: Annotated[
        int,
        Entry(
            "--audit-backlog-mb",
            _number(16, 1 << 20),
            "How many megabytes of the audit trail may wait in the data directory while the store can't take them. "
            "Above that everything is refused (503), since what can't be audited isn't shown.",
        ),
    ] = 1024
    registration: Annotated[
        str,
        Entry(
            "--registration",
            _one_of(*REGISTRATION),
            "How apps may register themselves (RFC 7591): `token` with a token of `hilum clients invite`, `open` "
            "without any (refused in production), `off` not at all.",
        ),
    ] = "token"
    organization: Annotated[
        str, Entry("--organization", TEXT, "The name of who runs this server, as people read it on the sign-in pages.")
    ] = "hilum"
    tenant: Annotated[
        str,
        Entry(
            "--tenant",
            TEXT,
            "What apps that are launched from here are told as `tenant`: an opaque id of the healthcare organization. "
            "Empty means a UUID that follows from the address of the server.",
        ),
    ] = ""
    brand: Annotated[
        str,
        Entry(
            "--brand",
            TEXT,
            "Where several brands without a parent are published: the identifier of this server's own, as "
            "`urn:ietf:rfc:3986|https://example.org`.",
        ),
    ] = ""
    roles: Annotated[
        str,
        Entry(
            "--roles",
            TEXT,
            "A TOML file with roles of your own, beside those of hilum or in place of them: docs/reference/access.md.",
        ),
    ] = ""
    trusted_proxies: Annotated[
        str,
        Entry(
            "--trusted-proxies",
            NETWORKS,
            "Networks, such as `10.0.0.0/8,::1`, of proxies that are believed what their X-Forwarded-For says. "
            "Addresses of clients are audited and rate limited.",
        ),
    ] = ""
    allow_private_keys: Annotated[
        str,
        Entry(
            "--allow-private-keys",
            TEXT,
            "Hosts within your network, such as `ehr.internal`, from which key sets of apps may be fetched, and where "
            "EHRs and services may be reached. Others must have public addresses.",
        ),
    ] = ""
    videos: Annotated[
        str,
        Entry(
            "--videos",
            TEXT,
            "The folder in which videos are rendered, and in which `templates/*.toml` are templates of your own. Empty "
            "means `videos` in the data directory.",
        ),
    ] = ""
    renderer: Annotated[
        str,
        Entry(
            "--renderer",
            TEXT,
            "Who renders videos where nobody else is named: `local` is this machine, others are the services of "
            "`renderers.toml` in the data directory.",
        ),
    ] = "local"
    renders: Annotated[
        int,
        Entry(
            "--renders",
            _number(1, 64),
            "How many videos one process makes at the same time; others wait for their turn.",
        ),
    ] = 1
    ffmpeg: Annotated[
        str,
        Entry(
            "--ffmpeg",
            TEXT,
            "The program ffmpeg, by name or path. Empty means the one in PATH, or that of the package "
            "`imageio-ffmpeg`. hilum ships none.",
        ),
    ] = ""
    voices: Annotated[
        str,
        Entry(
            "--voices",
            TEXT,
            "Models of the speech engine piper, as `en=/voices/en.onnx,es=/voices/es.onnx`. For other languages "
            "espeak-ng speaks, where it is installed; without either a video has captions and no voice.",
        ),
    ] = ""
    redis: Annotated[
        str,
        Entry(
            "--redis",
            TEXT,
            "`redis://host:6379/0`: where browsers are remembered that sign in at EHRs (`hilum[redis]`). Without it, "
            "in the store.",
        ),
    ] = ""
    workers: Annotated[
        int,
        Entry(
            "--workers",
            _number(1, 256),
            "Server processes. They share the port and the store; one is enough for SQLite.",
        ),
    ] = 1
    base_url: Annotated[
        str,
        Entry(
            "--base-url",
            TEXT,
            "The address clients use, such as `https://fhir.example.org`, when a proxy stands in front. "
            "Links, Location headers and token audiences use it. Empty means `http://HOST:PORT`. In production it must "
            "be https, unless only this machine is served.",
        ),
    ] = ""
    integrity: Annotated[
        bool,
        Entry(
            "--integrity/--no-integrity",
            SWITCH,
            "Referential integrity: refuse references to resources that do not exist, "
            "and deleting what is referred to.",
        ),
    ] = False
    check_claimed_profiles: Annotated[
        bool,
        Entry(
            "--check-claimed-profiles/--no-check-claimed-profiles",
            SWITCH,
            "Refuse resources that do not conform to a profile that they claim in `meta.profile`, where a loaded guide "
            "has it (`hilum ig`). What `hilum ig require` requires is required in any case.",
        ),
    ] = True
    full_text: Annotated[
        bool,
        Entry(
            "--full-text/--no-full-text",
            SWITCH,
            "Keep an index of all words, for `_text` and `_content`: a tenth more disk and half more work per write. "
            "A store that was once used without it has none until `hilum migrate` makes it anew.",
        ),
    ] = True
    max_body_bytes: Annotated[
        int,
        Entry(
            "--max-body-bytes",
            _number(1024, 4 * 1024**3),
            "The largest request body, in bytes. Longer ones are refused with 413 before they are read whole.",
        ),
    ] = 64 * 1024 * 1024
    max_resource_bytes: Annotated[
        int,
        Entry(
            "--max-resource-bytes",
            _number(1024, 4 * 1024**3),
            "The largest body that is one resource, in bytes. Bundles may be as large as `--max-body-bytes`.",
        ),
    ] = 16 * 1024 * 1024
    max_binary_bytes: Annotated[
        int,
        Entry(
            "--max-binary-bytes",
            _number(1024, 1024**4),
            "The largest content of a Binary that is sent by itself (raw), in bytes. It is never held in memory. "
            "A Binary that comes as a resource is one like any other: `--max-resource-bytes`.",
        ),
    ] = 5 * 1024**3
    max_bodies_bytes: Annotated[
        int,
        Entry(
            "--max-bodies-bytes",
            _number(1024, 64 * 1024**3),
            "How many bytes of request bodies one process holds in memory at once; what comes above that is told to "
            "come again (503). At least one body of `--max-body-bytes` fits.",
        ),
    ] = 256 * 1024 * 1024
    link_seconds: Annotated[
        int,
        Entry(
            "--link-seconds",
            _number(1, 86_400),
            "How long a signed link to the content of a Binary may hold at most. It ends with the token that it was "
            "made with in any case.",
        ),
    ] = 3600
    connections: Annotated[
        int,
        Entry(
            "--connections",
            _number(1, 1_000_000),
            "How many connections one process has open at once; the next one is told to come again (503). Fewer where "
            "the limit of open files (`ulimit -Hn`) leaves no room for them.",
        ),
    ] = 4096
    head_seconds: Annotated[
        int,
        Entry(
            "--head-seconds",
            _number(1, 600),
            "How long request line and headers may take to arrive before the connection is closed (408).",
        ),
    ] = 15
    body_seconds: Annotated[
        int,
        Entry(
            "--body-seconds",
            _number(1, 3600),
            "How long a client may pause within a body before the connection is closed (408). After that time a body "
            "must also have come with 8 kB a second on the average.",
        ),
    ] = 30
    metrics: Annotated[
        str,
        Entry(
            "--metrics",
            _one_of(*METRICS),
            "Who may read `/metrics` (Prometheus): `local` this machine only and not through a proxy, "
            "`open` everyone, `off` nobody. It holds counts and durations, never ids.",
        ),
    ] = "local"
    log_level: Annotated[str, Entry("--log-level", _one_of(*LOG_LEVELS), "The least severe event that is logged.")] = (
        "info"
    )
    log_format: Annotated[
        str,
        Entry(
            "--log-format",
            _one_of(*LOG_FORMATS),
            "`json`: one object per line on standard error. `text`: the same, for reading. "
            "`auto`: `text` where standard error is a terminal, else `json`.",
        ),
    ] = "auto"
    otel_endpoint: Annotated[
        str,
        Entry(
            "--otel-endpoint",
            TEXT,
            "OTLP/HTTP endpoint for OpenTelemetry traces, such as `http://127.0.0.1:4318`. Empty is off. "
            "Needs the extra `hilum[otel]`.",
        ),
    ] = ""
    grace_seconds: Annotated[
        int,
        Entry(
            "--grace-seconds",
            _number(0, 600),
            "How long running requests may take to finish when the server is told to stop.",
        ),
    ] = 20

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
        """Without the store's password: settings end up in logs."""
        shown = {name: getattr(self, name) for name in ENTRIES} | {"store": self.store_shown}
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
