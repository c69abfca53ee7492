"""`hilum serve`."""

from __future__ import annotations

from hilum.cli import options


def serve(
    host: options.Host = None,
    port: options.Port = None,
    store: options.Store = None,
    workers: options.Workers = None,
    auth: options.Auth = None,
    audit: options.Audit = None,
    audit_window_ms: options.AuditWindowMs = None,
    audit_backlog_mb: options.AuditBacklogMb = None,
    registration: options.Registration = None,
    organization: options.Organization = None,
    tenant: options.Tenant = None,
    brand: options.Brand = None,
    roles: options.Roles = None,
    trusted_proxies: options.TrustedProxies = None,
    allow_private_keys: options.AllowPrivateKeys = None,
    videos: options.Videos = None,
    renderer: options.Renderer = None,
    renders: options.Renders = None,
    ffmpeg: options.Ffmpeg = None,
    voices: options.Voices = None,
    redis: options.Redis = None,
    mqtt: options.Mqtt = None,
    data: options.Data = None,
    blobs: options.Blobs = None,
    blob_bytes: options.BlobBytes = None,
    environment: options.Environment = None,
    base_url: options.BaseUrl = None,
    integrity: options.Integrity = None,
    check_claimed_profiles: options.CheckClaimedProfiles = None,
    full_text: options.FullText = None,
    max_body_bytes: options.MaxBodyBytes = None,
    max_resource_bytes: options.MaxResourceBytes = None,
    max_binary_bytes: options.MaxBinaryBytes = None,
    max_bodies_bytes: options.MaxBodiesBytes = None,
    link_seconds: options.LinkSeconds = None,
    connections: options.Connections = None,
    head_seconds: options.HeadSeconds = None,
    body_seconds: options.BodySeconds = None,
    metrics: options.Metrics = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
    otel_endpoint: options.OtelEndpoint = None,
    grace_seconds: options.GraceSeconds = None,
) -> None:
    """Serve FHIR R4 at `/fhir` and pages for people at `/`.

    Prints a short-lived token, a link and three curl lines. Stop it with Ctrl-C: running requests finish first,
    and whatever was acknowledged is on disk.

    Examples:

    - `hilum serve` keeps everything in `./hilum-data`.

    - `hilum serve --port 9000 --auth off` asks for no token; on this machine only.

    - `hilum serve --store postgresql://hilum@db/hilum --workers 4 --env production --base-url https://fhir.example.org`
    """
    from hilum.app.settings import Settings
    from hilum.cli.serving import run

    run(
        Settings.read(
            {
                "host": host,
                "port": port,
                "store": store,
                "workers": workers,
                "auth": auth,
                "audit": audit,
                "audit_window_ms": audit_window_ms,
                "audit_backlog_mb": audit_backlog_mb,
                "registration": registration,
                "organization": organization,
                "tenant": tenant,
                "brand": brand,
                "roles": roles,
                "trusted_proxies": trusted_proxies,
                "allow_private_keys": allow_private_keys,
                "videos": videos,
                "renderer": renderer,
                "renders": renders,
                "ffmpeg": ffmpeg,
                "voices": voices,
                "redis": redis,
                "mqtt": mqtt,
                "data": data,
                "blobs": blobs,
                "blob_bytes": blob_bytes,
                "environment": environment,
                "base_url": base_url,
                "integrity": integrity,
                "check_claimed_profiles": check_claimed_profiles,
                "full_text": full_text,
                "max_body_bytes": max_body_bytes,
                "max_resource_bytes": max_resource_bytes,
                "max_binary_bytes": max_binary_bytes,
                "max_bodies_bytes": max_bodies_bytes,
                "link_seconds": link_seconds,
                "connections": connections,
                "head_seconds": head_seconds,
                "body_seconds": body_seconds,
                "metrics": metrics,
                "log_level": log_level,
                "log_format": log_format,
                "otel_endpoint": otel_endpoint,
                "grace_seconds": grace_seconds,
            }
        )
    )
