"""Everything that can be set: each with its flag, its form, what it means, and its default.

`docs/reference/settings.md` is generated from these entries; `--help` shows the same sentences.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from hilum.app.forms import FOLDER, NETWORKS, SWITCH, TEXT, Entry, number, one_of

ENVIRONMENTS = ("sandbox", "production")
AUTH = ("smart", "off")
AUDIT = ("strict", "grouped")
REGISTRATION = ("off", "token", "open")
METRICS = ("local", "open", "off")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("auto", "json", "text")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Entries:
    """A field `port` is the flag `--port` and the variable `HILUM_PORT`."""

    host: Annotated[
        str, Entry("--host", TEXT, "The address to listen on. `0.0.0.0` is every network of this machine.")
    ] = "127.0.0.1"
    port: Annotated[int, Entry("--port", number(0, 65535), "The TCP port. 0 takes any free one.")] = 8080
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
            number(1024, 16 * 1024**2),
            "Content of a Binary with more bytes than that is kept outside of the store, under `--blobs`.",
        ),
    ] = 256 * 1024
    environment: Annotated[
        str,
        Entry(
            "--env",
            one_of(*ENVIRONMENTS),
            "`sandbox` or `production`. A data directory and a store belong to one of them for ever; "
            "`production` refuses demo data, `--auth off` and tokens without a stated reason.",
        ),
    ] = "sandbox"
    auth: Annotated[
        str,
        Entry(
            "--auth",
            one_of(*AUTH),
            "`smart`: a token is needed for everything but metadata, health, pages to sign in and what `hilum open` "
            "opened. "
            "`off`: no token at all, refused on anything but loopback and in production.",
        ),
    ] = "smart"
    audit: Annotated[
        str,
        Entry(
            "--audit",
            one_of(*AUDIT),
            "`strict`: an answer waits until the audit trail has it on disk. `grouped`: it does not, a crash can lose "
            "what was shown in the last `--audit-window-ms`. Writes are audited in their own transaction either way.",
        ),
    ] = "strict"
    audit_window_ms: Annotated[
        int,
        Entry(
            "--audit-window-ms",
            number(1, 60_000),
            "With `--audit grouped`: how many milliseconds of the audit trail are flushed together, which is what a "
            "crash can lose.",
        ),
    ] = 200
    audit_backlog_mb: Annotated[
        int,
        Entry(
            "--audit-backlog-mb",
            number(16, 1 << 20),
            "How many megabytes of the audit trail may wait in the data directory while the store can't take them. "
            "Above that everything is refused (503), since what can't be audited isn't shown.",
        ),
    ] = 1024
    registration: Annotated[
        str,
        Entry(
            "--registration",
            one_of(*REGISTRATION),
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
            number(1, 64),
            "How many videos one process renders on its own machine at the same time; others wait for their turn.",
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
    mqtt: Annotated[
        str,
        Entry(
            "--mqtt",
            TEXT,
            "`mqtts://user@host:8883/PREFIX`: also take readings from a broker (`hilum[mqtt]`), from the topics "
            "`PREFIX/CLIENT/bundles` and `PREFIX/CLIENT/hl7v2`; answers go to `PREFIX/CLIENT/receipts`. CLIENT is the "
            "client id of an enrolled agent: **the broker's access list has to let only that agent publish there**, "
            "for nothing else proves who it is. `?password-file=PATH` has the password, `&ca=PATH` names certificates "
            "that alone are trusted. A password may stand in `HILUM_MQTT` instead, as `user:password@`.",
        ),
    ] = ""
    workers: Annotated[
        int,
        Entry(
            "--workers",
            number(1, 256),
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
            number(1024, 4 * 1024**3),
            "The largest request body, in bytes. Longer ones are refused with 413 before they are read whole.",
        ),
    ] = 64 * 1024 * 1024
    max_resource_bytes: Annotated[
        int,
        Entry(
            "--max-resource-bytes",
            number(1024, 4 * 1024**3),
            "The largest body that is one resource, in bytes. Bundles may be as large as `--max-body-bytes`.",
        ),
    ] = 16 * 1024 * 1024
    max_binary_bytes: Annotated[
        int,
        Entry(
            "--max-binary-bytes",
            number(1024, 1024**4),
            "The largest content of a Binary that is sent by itself (raw), in bytes. It is never held in memory. "
            "A Binary that comes as a resource is one like any other: `--max-resource-bytes`.",
        ),
    ] = 5 * 1024**3
    max_bodies_bytes: Annotated[
        int,
        Entry(
            "--max-bodies-bytes",
            number(1024, 64 * 1024**3),
            "How many bytes of request bodies one process holds in memory at once; what comes above that is told to "
            "come again (503). At least one body of `--max-body-bytes` fits.",
        ),
    ] = 256 * 1024 * 1024
    link_seconds: Annotated[
        int,
        Entry(
            "--link-seconds",
            number(1, 86_400),
            "How long a signed link to the content of a Binary may hold at most. It ends with the token that it was "
            "made with in any case.",
        ),
    ] = 3600
    connections: Annotated[
        int,
        Entry(
            "--connections",
            number(1, 1_000_000),
            "How many connections one process has open at once; the next one is told to come again (503). Fewer where "
            "the limit of open files (`ulimit -Hn`) leaves no room for them.",
        ),
    ] = 4096
    head_seconds: Annotated[
        int,
        Entry(
            "--head-seconds",
            number(1, 600),
            "How long request line and headers may take to arrive before the connection is closed (408).",
        ),
    ] = 15
    body_seconds: Annotated[
        int,
        Entry(
            "--body-seconds",
            number(1, 3600),
            "How long a client may pause within a body before the connection is closed (408). After that time a body "
            "must also have come with 8 kB a second on the average.",
        ),
    ] = 30
    metrics: Annotated[
        str,
        Entry(
            "--metrics",
            one_of(*METRICS),
            "Who may read `/metrics` (Prometheus): `local` this machine only and not through a proxy, "
            "`open` everyone, `off` nobody. It holds counts and durations, never ids.",
        ),
    ] = "local"
    log_level: Annotated[str, Entry("--log-level", one_of(*LOG_LEVELS), "The least severe event that is logged.")] = (
        "info"
    )
    log_format: Annotated[
        str,
        Entry(
            "--log-format",
            one_of(*LOG_FORMATS),
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
            number(0, 600),
            "How long running requests may take to finish when the server is told to stop.",
        ),
    ] = 20
