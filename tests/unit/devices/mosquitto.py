"""A real broker: Debian's mosquitto on a free port, with a password and an access list for each test."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

BINARY = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
USERS = {"hilum": "gate", "meter": "m", "other": "o"}
ACCESS = """
user hilum
topic read home/+/bundles
topic read home/+/hl7v2
topic write home/+/receipts

pattern write home/%u/bundles
pattern write home/%u/hl7v2
pattern read home/%u/receipts
"""


class Mosquitto:
    def __init__(self, folder: Path, more: str = "") -> None:
        if not Path(BINARY).exists():
            pytest.skip("mosquitto is not installed")
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        passwords = folder / "passwords"
        passwords.write_text("".join(f"{user}:{password}\n" for user, password in USERS.items()))
        passwords.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
        (folder / "access").write_text(ACCESS)
        (folder / "access").chmod(0o600)
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nuser root\nallow_anonymous false\npassword_file {passwords}\n"
            f"acl_file {folder / 'access'}\npersistence true\npersistence_location {folder}/\n"
            f"autosave_interval 1\nautosave_on_changes true\n{more}"
        )

    def start(self) -> None:
        self._process = subprocess.Popen(
            [BINARY, "-c", str(self.folder / "mosquitto.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(500):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise AssertionError("mosquitto did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
