"""The options that several commands share. Their help is the documentation of the settings themselves."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from hilum.app.settings import ENTRIES


def setting(name: str, metavar: str | None = None) -> Any:
    """A typer option for the setting `name`: its flag, its documented meaning and its environment variable.

    Never required and without a default here: `Settings.read` fills in environment variables and defaults.
    """
    entry = ENTRIES[name]
    return typer.Option(entry.flag, help=f"{entry.help} [{entry.variable}]", metavar=metavar, show_default=False)


Data = Annotated[str | None, setting("data", "DIR")]
Store = Annotated[str | None, setting("store", "STORE")]
Environment = Annotated[str | None, setting("environment", "sandbox|production")]
Host = Annotated[str | None, setting("host", "ADDRESS")]
Port = Annotated[str | None, setting("port", "PORT")]
Workers = Annotated[str | None, setting("workers", "N")]
Auth = Annotated[str | None, setting("auth", "smart|off")]
Audit = Annotated[str | None, setting("audit", "strict|grouped")]
AuditWindowMs = Annotated[str | None, setting("audit_window_ms", "MS")]
AuditBacklogMb = Annotated[str | None, setting("audit_backlog_mb", "MB")]
Registration = Annotated[str | None, setting("registration", "off|token|open")]
Organization = Annotated[str | None, setting("organization", "TEXT")]
Tenant = Annotated[str | None, setting("tenant", "TEXT")]
Brand = Annotated[str | None, setting("brand", "SYSTEM|VALUE")]
Roles = Annotated[str | None, setting("roles", "FILE")]
TrustedProxies = Annotated[str | None, setting("trusted_proxies", "NETWORKS")]
AllowPrivateKeys = Annotated[str | None, setting("allow_private_keys", "HOSTS")]
Videos = Annotated[str | None, setting("videos", "DIR")]
Renderer = Annotated[str | None, setting("renderer", "NAME")]
Renders = Annotated[str | None, setting("renders", "N")]
Ffmpeg = Annotated[str | None, setting("ffmpeg", "FILE")]
Voices = Annotated[str | None, setting("voices", "MODELS")]
Mqtt = Annotated[str | None, setting("mqtt", "URL")]
Redis = Annotated[str | None, setting("redis", "URL")]
BaseUrl = Annotated[str | None, setting("base_url", "URL")]
Integrity = Annotated[bool | None, setting("integrity")]
CheckClaimedProfiles = Annotated[bool | None, setting("check_claimed_profiles")]
FullText = Annotated[bool | None, setting("full_text")]
MaxBodyBytes = Annotated[str | None, setting("max_body_bytes", "BYTES")]
MaxResourceBytes = Annotated[str | None, setting("max_resource_bytes", "BYTES")]
MaxBodiesBytes = Annotated[str | None, setting("max_bodies_bytes", "BYTES")]
MaxBinaryBytes = Annotated[str | None, setting("max_binary_bytes", "BYTES")]
Blobs = Annotated[str | None, setting("blobs", "PLACE")]
BlobBytes = Annotated[str | None, setting("blob_bytes", "BYTES")]
LinkSeconds = Annotated[str | None, setting("link_seconds", "SECONDS")]
Connections = Annotated[str | None, setting("connections", "N")]
HeadSeconds = Annotated[str | None, setting("head_seconds", "SECONDS")]
BodySeconds = Annotated[str | None, setting("body_seconds", "SECONDS")]
Metrics = Annotated[str | None, setting("metrics", "local|open|off")]
LogLevel = Annotated[str | None, setting("log_level", "LEVEL")]
LogFormat = Annotated[str | None, setting("log_format", "auto|json|text")]
OtelEndpoint = Annotated[str | None, setting("otel_endpoint", "URL")]
GraceSeconds = Annotated[str | None, setting("grace_seconds", "SECONDS")]
Today = Annotated[
    datetime | None,
    typer.Option(
        "--today",
        formats=["%Y-%m-%d"],
        help="The day around which the dates of all patients are laid, as in 2026-11-23. Without it, the day on which "
        "they are first made here. Given again later, it moves the dates of what is there.",
        metavar="DAY",
        show_default=False,
    ),
]
"""Of patients who are made."""
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
Paths = Annotated[list[Path], typer.Argument(metavar="PATH…", help="Files or folders.", show_default=False)]
