"""A storyboard video service to try `hilum.video.remote` with: small, strict, and with faults on demand.

    python examples/storyboard_service.py --port 9020 --secret-file studio.secret

Python alone is needed. Videos are rendered with ffmpeg where it is found (in PATH, or the package imageio-ffmpeg); else
each is the same two seconds of one colour. Secrets are made where their files are missing. It forgets all when it ends.

| request | answer |
|---|---|
| `GET /` | this text |
| `GET /storyboards/{id}` | `id`, `placeholders`: those that it must be given, and those that it may |
| `POST /jobs` | 202 `{"id", "status"}`; with an `Idempotency-Key` that was used already 200 and that job |
| `GET /jobs/{id}` | `status` queued, rendering, done, failed, cancelled; `progress` 0 to 1; `result` when done |
| `DELETE /jobs/{id}` | 204: it is cancelled, and its result deleted |
| `GET /files/{secret}/{name}` | the result, without a token: its address is known to who may have it |

All but the first and the last need `Authorization: Bearer` (or Basic) with the secret. An order is

    {"storyboard_id": "visit-en-wide", "data": {"first_name": "Amy", "title": "...", "language": "en",
     "scene_1_heading": "...", "scene_1_text": "..."}, "callback_url": "https://...",
     "output": {"width": 1280, "height": 720, "format": "webm", "codec": "vp9", "language": "en"}}

400 what is not well formed or not known, 401 no secret, 404 nothing there, 415 no JSON, 422 `error.placeholders` are
lacking or unknown, an output that can't be made, or another order under a key. When a job is over, `callback_url` gets
a POST `{"job", "status"}`, signed with the secret of `--callback-secret-file` as Standard Webhooks has it.

With `--faults`, `PUT /faults` takes a list of what goes wrong next, one a time: `429`, `500`, `lost` (the job is taken,
and the answer is not sent), `look-429`, `look-500` (at the next look), `slow`, `stuck`, `failed`, `truncated`, `cut`,
`gone`, `big`, `text` (the result), `forged` (the callback). `GET /faults` says what has happened.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import struct
import subprocess
import tempfile
import textwrap
import threading
import time
import urllib.error
import urllib.request
import zlib
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PREFIX = "whsec_"
MOST_BYTES = 1 << 18
MUST = ("first_name", "title", "language", "scene_1_heading", "scene_1_text")
MAY = re.compile(r"notice|scene_([1-9]|[1-3][0-9]|40)_(heading|text|spoken)")
ENCODERS = {
    "vp9": ["libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "0", "-crf", "40"],
    "av1": ["libsvtav1", "-preset", "12"],
    "h264": ["libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"],
}
FORMATS = {"vp9": "webm", "av1": "webm", "h264": "mp4"}
MEDIA = {"webm": "video/webm", "mp4": "video/mp4", "vtt": "text/vtt", "png": "image/png"}
COLOURS = ("0x1f5f6b", "0x4a3f6b", "0x2f5d3a", "0x6b3f2f")
FONTS = ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "/System/Library/Fonts/Helvetica.ttc")
PREPARED = base64.b64decode(
    "GkXfo59ChoEBQveBAULygQRC84EIQoKEd2VibUKHgQJChYECGFOAZwEAAAAAAAHaEU2bdLpNu4tTq4QVSalmU6yBoU27i1OrhBZU"
    "rmtTrIHGTbuMU6uEElTDZ1OsggEiTbuMU6uEHFO7a1OsggHE7AEAAAAAAABZAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAVSalmoCrXsYMPQkBNgIRM"
    "YXZmV0GETGF2ZkSJiECfQAAAAAAAFlSua9euAQAAAAAAAE7XgQFzxYgAAAAAAAAAAZyBACK1nIN1bmSIgQCGhVZfVlA5g4EBI+OD"
    "hDuaygDgkLCBQLqBJJqBAlWwhFW5gQFV7oEA7AEAAAAAAAACAAASVMNn1HNz0WPAi2PFiAAAAAAAAAABZ8icRaOHRU5DT0RFUkSH"
    "j0xhdmMgbGlidnB4LXZwOWfIoUWjiERVUkFUSU9ORIeTMDA6MDA6MDIuMDAwMDAwMDAwAB9DtnXE54EAo6qBAACAgkmDQgAD8AI2"
    "ADgkHBj2AAAwYAAAWEv/+sZgf//pwX///hEJAACjk4ED6ACGAECSHABZAAADYAAAVHAcU7trkbuPs4EAt4r3gQHxggF78IED"
)
"""Two seconds of one colour, VP9 in WebM: for where there is no ffmpeg."""


class Refused(Exception):
    """An answer that is none of 2xx."""

    def __init__(self, status: int, text: str, placeholders: list[str] | None = None, wait: int = 0) -> None:
        super().__init__(text)
        self.status, self.wait = status, wait
        self.body = {"error": {"text": text} | ({"placeholders": placeholders} if placeholders else {})}


class Job:
    """One order and what comes of it."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.id, self.order = secrets.token_hex(12), order
        self.status, self.progress = "queued", 0.0
        self.token = secrets.token_urlsafe(24)
        self.files: dict[str, bytes] = {}
        self.fault = ""

    def shown(self, origin: str) -> dict[str, Any]:
        """As it is told."""
        shown: dict[str, Any] = {"id": self.id, "status": self.status, "progress": self.progress}
        if self.status == "done":
            files = {name.partition(".")[0]: f"{origin}/files/{self.token}/{name}" for name in self.files}
            shown["result"] = {"video": files.get("video", f"{origin}/files/{self.token}/gone"), **files}
        return shown


class Service:
    """All that there is of it, but for HTTP."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.secret = secret(given.secret_file, secrets.token_urlsafe(32))
        made = PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
        self.signing = base64.b64decode(secret(given.callback_secret_file, made).removeprefix(PREFIX))
        self.storyboards, self.seconds, self.open_to_faults = given.storyboard, given.seconds, given.faults
        self.ffmpeg = found(given.ffmpeg)
        self.font = next((one for one in (given.font, *FONTS) if one and Path(one).exists()), "")
        self.jobs: dict[str, Job] = {}
        self.keys: dict[str, tuple[str, Job]] = {}
        self.faults: list[str] = []
        self.orders, self.cancelled = 0, 0
        self.callbacks: list[int] = []
        self.lock = threading.Lock()

    def fault(self, *names: str) -> str:
        """The fault that comes next, if it is one of these."""
        if self.faults and self.faults[0] in names:
            return self.faults.pop(0)
        return ""

    def ordered(self, key: str, raw: bytes, origin: str) -> tuple[int, Job, bool]:
        """The status, the job, and whether the answer is to be lost."""
        if not key or len(key) > 255:
            raise Refused(400, "An Idempotency-Key is needed.")
        order = json.loads(raw)
        self.judge(order)
        digest = hashlib.sha256(raw).hexdigest()
        with self.lock:
            fault = self.fault("429", "500", "lost")
            if fault == "429":
                raise Refused(429, "Later.", wait=1)
            if fault == "500":
                raise Refused(500, "A fault.")
            if key in self.keys:
                before, job = self.keys[key]
                if before != digest:
                    raise Refused(422, "This key was used for another order.")
                return 200, job, False
            job = Job(order)
            job.fault = self.fault("slow", "stuck", "failed", "truncated", "cut", "gone", "big", "text", "forged")
            self.keys[key], self.jobs[job.id] = (digest, job), job
            self.orders += 1
        threading.Thread(target=self.work, args=(job,), daemon=True).start()
        return 202, job, fault == "lost"

    def judge(self, order: Any) -> None:
        """Raises Refused for what is no order."""
        known = {"storyboard_id": str, "data": dict, "output": dict, "callback_url": str}
        if type(order) is not dict or any(type(value) is not known.get(key) for key, value in order.items()):
            raise Refused(400, f"An order has {', '.join(known)}, and nothing else.")
        if not {"storyboard_id", "data", "output"} <= order.keys():
            raise Refused(400, "An order needs storyboard_id, data, output.")
        if order["storyboard_id"] not in self.storyboards:
            raise Refused(404, "There is no such storyboard.")
        data, output = order["data"], order["output"]
        wrong = [name for name in MUST if name not in data]
        wrong += [
            name for name, text in data.items() if type(text) is not str or not (name in MUST or MAY.fullmatch(name))
        ]
        if wrong:
            raise Refused(422, "Placeholders are lacking or unknown.", wrong)
        if output.keys() != {"width", "height", "format", "codec", "language"}:
            raise Refused(400, "An output has width, height, format, codec, language.")
        sizes = (output["width"], output["height"])
        if not all(type(size) is int and 64 <= size <= 1920 and size % 2 == 0 for size in sizes):
            raise Refused(422, "Width and height must be even numbers from 64 to 1920.")
        if FORMATS.get(output["codec"]) != output["format"] or not (self.ffmpeg or output["codec"] == "vp9"):
            raise Refused(422, "This codec or format can't be made here.")

    def work(self, job: Job) -> None:
        """Make what was ordered, and tell who wants to know."""
        job.status, job.progress = "rendering", 0.1
        if job.fault in ("slow", "stuck"):
            ends = time.monotonic() + (1 if job.fault == "slow" else 3600)
            while time.monotonic() < ends and job.status != "cancelled":
                time.sleep(0.05)
        files = {}
        with suppress(OSError, subprocess.SubprocessError):
            files = self.rendered(job)
        if job.fault == "truncated":
            files["video.webm"] = files["video.webm"][:-100]
        elif job.fault == "big":
            files["video.webm"] = files["video.webm"] + bytes(2 << 20)
        elif job.fault == "text":
            files["video.webm"] = b"<!doctype html><title>Not found</title>"
        with self.lock:
            if job.status == "cancelled":
                return
            job.files = {} if job.fault == "gone" else files
            job.progress, job.status = 1.0, "failed" if job.fault == "failed" or not files else "done"
        if "callback_url" in job.order:
            self.call(job)

    def rendered(self, job: Job) -> dict[str, bytes]:
        """The video, and captions where there is something to be read in it."""
        output, data = job.order["output"], job.order["data"]
        name = f"video.{output['format']}"
        if not self.ffmpeg:
            return {name: PREPARED, "poster.png": picture()}
        scenes = [n for n in range(1, 41) if f"scene_{n}_text" in data]
        width, height = output["width"], output["height"]
        size = min(width, height) // 18
        columns = int(0.9 * width / (0.6 * size))
        parts, cues = [], ["WEBVTT"]
        with tempfile.TemporaryDirectory() as folder:
            command = [self.ffmpeg, "-nostdin", "-loglevel", "error", "-y"]
            for place, n in enumerate(scenes):
                colour = f"color=c={COLOURS[place % 4]}:s={width}x{height}:r=5:d={self.seconds}"
                command += ["-f", "lavfi", "-i", colour]
                file = Path(folder, f"{n}.txt")
                said = (data.get(f"scene_{n}_heading", ""), data[f"scene_{n}_text"], data.get("notice", ""))
                file.write_text("\n\n".join(textwrap.fill(text, columns) for text in said if text))
                drawn = f"fontcolor=white:fontsize={size}:line_spacing={size // 4}:x=w/20:y=h/12"
                drawn = f"drawtext=fontfile={self.font}:textfile={file}:expansion=none:{drawn}" if self.font else "null"
                parts.append(f"[{place}:v]{drawn}[s{place}]")
                start, end = place * self.seconds, (place + 1) * self.seconds
                cues.append(f"{clock(start)} --> {clock(end)}\n{data[f'scene_{n}_text']}")
            joined = "".join(f"[s{place}]" for place in range(len(scenes)))
            graph = f"{';'.join(parts)};{joined}concat=n={len(scenes)}:v=1:a=0[v]"
            command += ["-filter_complex", graph, "-map", "[v]", "-c:v", *ENCODERS[output["codec"]], f"{folder}/{name}"]
            subprocess.run(command, check=True, capture_output=True, timeout=120)
            return {name: Path(folder, name).read_bytes(), "captions.vtt": ("\n\n".join(cues) + "\n").encode()}

    def call(self, job: Job) -> None:
        """Three times at most, until somebody has taken it."""
        body = json.dumps({"job": job.id, "status": job.status}).encode()
        id = f"msg_{secrets.token_hex(8)}"
        for _ in range(3):
            at = str(int(time.time()))
            key = b"forged" * 5 if job.fault == "forged" else self.signing
            digest = hmac.new(key, b".".join((id.encode(), at.encode(), body)), hashlib.sha256).digest()
            headers = {
                "content-type": "application/json", "webhook-id": id, "webhook-timestamp": at,
                "webhook-signature": "v1," + base64.b64encode(digest).decode(),
            }  # fmt: skip
            asked = urllib.request.Request(job.order["callback_url"], body, headers, method="POST")
            try:
                with urllib.request.urlopen(asked, timeout=10) as answer:
                    self.callbacks.append(answer.status)
                return
            except urllib.error.HTTPError as refused:
                self.callbacks.append(refused.code)
                return
            except OSError:
                time.sleep(0.5)

    def cancel(self, job: Job) -> None:
        """Nothing more is done of it."""
        with self.lock:
            self.cancelled += 1
            job.status, job.files = "cancelled", {}


class Answers(BaseHTTPRequestHandler):
    """HTTP."""

    server: Serving
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """A page, a storyboard, a job or a file."""
        self.answered("GET")

    def do_POST(self) -> None:
        """An order."""
        self.answered("POST")

    def do_PUT(self) -> None:
        """What goes wrong next."""
        self.answered("PUT")

    def do_DELETE(self) -> None:
        """A job that nobody wants any more."""
        self.answered("DELETE")

    def answered(self, method: str) -> None:
        """Whatever it is."""
        try:
            self.route(method)
        except Refused as refused:
            self.said(refused.status, refused.body, {"retry-after": str(refused.wait)} if refused.wait else {})
        except (ValueError, RecursionError):
            self.said(400, {"error": {"text": "This is no JSON."}})

    def route(self, method: str) -> None:
        """By method and path."""
        service, raw = self.server.service, self.body()
        parts = self.path.split("?")[0].strip("/").split("/")
        if method == "GET" and parts == [""]:
            self.sent(200, (__doc__ or "").encode(), "text/plain; charset=utf-8")
            return
        if method == "GET" and parts[0] == "files" and len(parts) == 3:
            self.file(parts[1], parts[2])
            return
        if parts == ["faults"] and service.open_to_faults:
            if method == "PUT":
                service.faults[:] = json.loads(raw)
            told = {"orders": service.orders, "cancelled": service.cancelled, "callbacks": service.callbacks}
            self.said(
                200, told | {"faults": service.faults, "data": [job.order["data"] for job in service.jobs.values()]}
            )
            return
        self.let_in()
        if method == "POST" and parts == ["jobs"]:
            self.order(raw)
        elif parts[0] == "jobs" and len(parts) == 2 and method in ("GET", "DELETE"):
            job = service.jobs.get(parts[1])
            if job is None:
                raise Refused(404, "There is no such job.")
            if method == "DELETE":
                service.cancel(job)
                self.sent(204, b"", "")
                return
            fault = service.fault("look-429", "look-500")
            if fault:
                raise Refused(int(fault[5:]), "Later.", wait=1 if fault == "look-429" else 0)
            self.said(200, job.shown(self.origin))
        elif method == "GET" and parts[0] == "storyboards" and len(parts) == 2 and parts[1] in service.storyboards:
            self.said(200, {"id": parts[1], "placeholders": {"must": MUST, "may": MAY.pattern}})
        else:
            raise Refused(404, "There is nothing here.")

    def order(self, raw: bytes) -> None:
        """A new one, or one that was given before."""
        if self.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise Refused(415, "An order is application/json.")
        key = self.headers.get("idempotency-key", "").strip('"')
        status, job, lost = self.server.service.ordered(key, raw, self.origin)
        if lost:
            self.close_connection = True
            self.connection.close()
            return
        self.said(status, {"id": job.id, "status": job.status})

    def file(self, token: str, name: str) -> None:
        """A result, to who knows its address."""
        job = next((one for one in self.server.service.jobs.values() if hmac.compare_digest(one.token, token)), None)
        content = job.files.get(name) if job else None
        if job is None or content is None:
            raise Refused(410 if job else 404, "It is not there.")
        cut = job.fault == "cut" and name.startswith("video")
        job.fault = "" if cut else job.fault
        self.sent(200, content, MEDIA[name.rpartition(".")[2]], cut=cut)

    def let_in(self) -> None:
        """Raises Refused without the secret, as a token or as the password of any account."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        given = value
        if scheme.lower() == "basic":
            with suppress(ValueError):
                given = base64.b64decode(value).decode("utf-8", "replace").partition(":")[2]
        if not hmac.compare_digest(given.encode(), self.server.service.secret.encode()):
            raise Refused(401, "The secret is missing, or another one.")

    def body(self) -> bytes:
        """What was sent."""
        size = self.headers.get("content-length", "0")
        if not size.isascii() or not size.isdigit() or int(size) > MOST_BYTES:
            self.close_connection = True
            raise Refused(413, "Too long.")
        return self.rfile.read(int(size))

    @property
    def origin(self) -> str:
        """Where this service is."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def said(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        """JSON."""
        self.sent(status, json.dumps(value).encode(), "application/json", headers)

    def sent(
        self, status: int, content: bytes, kind: str, headers: dict[str, str] | None = None, cut: bool = False
    ) -> None:
        """An answer; half of it, where it is to be cut."""
        self.send_response(status)
        for name, value in {"content-type": kind, **(headers or {})}.items():
            if value:
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.close_connection = True

    def log_message(self, format: str, *values: Any) -> None:
        """Nothing: orders are about people."""


class Serving(ThreadingHTTPServer):
    """The service on this machine."""

    daemon_threads = True

    def __init__(self, port: int, service: Service) -> None:
        super().__init__(("127.0.0.1", port), Answers)
        self.service = service


def secret(file: Path, made: str) -> str:
    """What stands in the file, which is made where it is missing."""
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
            new.write(made + "\n")
    return file.read_text().strip()


def found(ffmpeg: str) -> str:
    """The program, or "" where there is none, or `none` is asked for."""
    if ffmpeg:
        return "" if ffmpeg == "none" else ffmpeg
    with suppress(ImportError, RuntimeError):
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    return shutil.which("ffmpeg") or ""


def picture() -> bytes:
    """A PNG of one colour, as the prepared video is."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 64, 36, 8, 2, 0, 0, 0))]
    parts += [(b"IDAT", zlib.compress((b"\0" + b"\x1f\x5f\x6b" * 64) * 36)), (b"IEND", b"")]
    made = [
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part)) for kind, part in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


def clock(seconds: float) -> str:
    """`00:01:02.345`."""
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d}.{whole % 1000:03d}"


def main() -> None:
    """Serve until Ctrl-C."""
    asked = argparse.ArgumentParser(description="A storyboard video service to try hilum with.")
    asked.add_argument("--port", type=int, default=9020, help="0 for any that is free")
    asked.add_argument("--secret-file", type=Path, default=Path("studio.secret"))
    asked.add_argument("--callback-secret-file", type=Path, default=Path("studio.callback.secret"))
    asked.add_argument("--storyboard", action="append", metavar="ID", help="one that there is; again for more")
    asked.add_argument("--ffmpeg", default="", help="the program; `none` for a prepared video")
    asked.add_argument("--font", default="", help="a font to write with")
    asked.add_argument("--seconds", type=float, default=4.0, help="of each scene")
    asked.add_argument("--faults", action="store_true", help="let PUT /faults say what goes wrong next")
    given = asked.parse_args()
    given.storyboard = given.storyboard or ["visit-en-wide"]
    serving = Serving(given.port, Service(given))
    print(f"Storyboards at http://127.0.0.1:{serving.server_port}, secret in {given.secret_file}", flush=True)
    try:
        serving.serve_forever()
    except KeyboardInterrupt:
        serving.server_close()


if __name__ == "__main__":
    main()
