"""A real HTTP server on this machine that answers with the bytes it was given, and certificates that it can show."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Answers = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
"""Given the head of a request (and its body, as far as it came at once), writes what it likes."""


@dataclass
class Loopback:
    """A server. `seen`: what came, one request each."""

    port: int
    seen: list[bytes] = field(default_factory=list)

    def url(self, path: str = "/jwks.json", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


def response(body: bytes = b"{}", *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer of HTTP/1.1 with its length."""
    lines = [b"HTTP/1.1 " + status, b"content-length: %d" % len(body), b"content-type: application/json", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def always(raw: bytes) -> Answers:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)

    return answer


@asynccontextmanager
async def serving(
    answer: Answers, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Loopback]:
    """Serve until the block ends. Connections that are still open then are cut."""
    here = Loopback(0)
    open_: set[asyncio.StreamWriter] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_.add(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            here.seen.append(head + await _body(head, reader))
            await answer(here.seen[-1], writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            open_.discard(writer)
            writer.close()

    server = await asyncio.start_server(handle, host, port, ssl=tls)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()
        for writer in tuple(open_):
            writer.transport.abort()


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return await reader.readexactly(int(line.partition(b":")[2]))
    return b""


def certificate(folder: Path, *names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server that can show a certificate for these names, and of a client that trusts its maker."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hilum tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(public, private)
    return server, ssl.create_default_context(cafile=str(public))
