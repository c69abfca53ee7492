"""What every page and asset says to browsers: https://owasp.org/www-project-secure-headers/."""

from __future__ import annotations

from hilum.web.fields import Header


def security(images: str = "'self'") -> tuple[Header, ...]:
    """Nothing from elsewhere, nothing inline, in no frame. `images`: where they may come from, as CSP writes it."""
    return (
        (
            b"content-security-policy",
            b"default-src 'none'; script-src 'self'; style-src 'self'; img-src %b; connect-src 'self'; "
            b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'" % images.encode(),
        ),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    )
