"""A service that hilum delivers to: it verifies each delivery, does it once, and prints what it got.

    python examples/receiver.py --port 9010 --secret-file video.secret
    hilum destination add video http://127.0.0.1:9010/hilum --secret-file video.secret

Python alone is needed. The secret is made where its file is missing. What is done already is remembered in a file
beside it (`video.seen`), so that a delivery which comes again after a restart is answered with 200 and not done twice.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

PREFIX = "whsec_"
MINUTES = 5
MOST_BYTES = 1 << 21


def secret(file: Path) -> bytes:
    """The key of the signatures."""
    if not file.exists():
        made = PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
            new.write(made + "\n")
    return base64.b64decode(file.read_text().strip().removeprefix(PREFIX))


def signed(key: bytes, id: str, at: str, body: bytes, signatures: str, now: float) -> bool:
    """Whether one of the signatures is of this id, time and body, and the time is now."""
    if not at.isascii() or not at.isdigit() or abs(now - int(at)) > MINUTES * 60:
        return False
    digest = hmac.new(key, b".".join((id.encode(), at.encode(), body)), hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(digest)
    return any(hmac.compare_digest(expected, one.encode()) for one in signatures.split())


class Seen:
    """Keys of what was done, with the digest of its body: a line each, on disk before hilum is told that it is done."""

    def __init__(self, file: Path) -> None:
        lines = file.read_text().splitlines() if file.exists() else []
        self.keys = dict(line.split(" ", 1) for line in lines)
        self.lock = Lock()
        self._file = file

    def add(self, key: str, digest: str) -> None:
        """It is done."""
        with self._file.open("a") as file:
            file.write(f"{key} {digest}\n")
            file.flush()
            os.fsync(file.fileno())
        self.keys[key] = digest


class Receiver(BaseHTTPRequestHandler):
    """POST alone. Answers: 200 done (now or before), 401 not signed by hilum, 422 another body under a key."""

    server: Serving
    timeout = 30

    def do_POST(self) -> None:
        """One delivery."""
        size = self.headers.get("content-length", "")
        if not size.isascii() or not size.isdigit() or int(size) > MOST_BYTES:
            self.answer(413)
            return
        body = self.rfile.read(int(size))
        said = [self.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")]
        if not signed(self.server.key, said[0], said[1], body, said[2], time.time()):
            self.answer(401)
            return
        key = self.headers.get("idempotency-key", "").strip('"')
        if key != said[0]:  # the id is what was signed
            self.answer(400)
            return
        self.answer(self.done(key, body))

    def done(self, key: str, body: bytes) -> int:
        """Do it unless it was done; the status that tells so."""
        seen, digest = self.server.seen, hashlib.sha256(body).hexdigest()
        with seen.lock:
            if key in seen.keys:
                print(f"{key} again: nothing is done", flush=True)
                return 200 if seen.keys[key] == digest else 422
            use(key, json.loads(body))
            seen.add(key, digest)
        return 200

    def answer(self, status: int) -> None:
        """Nothing but the status is read."""
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *values: Any) -> None:
        """What is delivered is printed, and nothing else."""


def use(key: str, delivery: dict[str, Any]) -> None:
    """What the service is there for: here it prints. Whatever it does, `key` lets it be done once."""
    whole = "" if delivery["complete"] else ", parts of which are missing"
    print(f"{key} {delivery['type']} from {delivery['ehr']} by {delivery['recipe']}{whole}")
    print(json.dumps(delivery["data"], indent=2, ensure_ascii=False), flush=True)


class Serving(ThreadingHTTPServer):
    """The service on this machine."""

    def __init__(self, port: int, key: bytes, seen: Seen) -> None:
        super().__init__(("127.0.0.1", port), Receiver)
        self.key, self.seen = key, seen


def main() -> None:
    """Serve until Ctrl-C."""
    asked = argparse.ArgumentParser(description="A service that hilum delivers to.")
    asked.add_argument("--port", type=int, default=9010)
    asked.add_argument("--secret-file", type=Path, default=Path("video.secret"))
    given = asked.parse_args()
    key = secret(given.secret_file)
    serving = Serving(given.port, key, Seen(given.secret_file.with_suffix(".seen")))
    print(f"Receiving at http://127.0.0.1:{serving.server_port}/hilum, secret in {given.secret_file}", flush=True)
    try:
        serving.serve_forever()
    except KeyboardInterrupt:
        serving.server_close()


if __name__ == "__main__":
    main()
