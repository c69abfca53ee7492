"""piper, as far as its command line goes, in the two kinds that there are: each notes what it was asked once it has
read its model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit.video.local.programs import program

_BOTH = """
def noted(model, lines):
    with open(model, "rb") as file:
        file.read()
    if not os.path.exists(model + ".json"):
        sys.exit("no config")
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "asked.ndjson"), "a") as file:
        json.dump({"arguments": sys.argv[1:], "lines": lines, "names": sorted(os.environ)}, file)
        file.write("\\n")

def wav(text):
    tone = b"".join(struct.pack("<h", 0 if letter == "," else 6000 if n % 2 else -6000)
                    for letter in text for n in range(480))
    sound = bytes(1600) + tone + bytes(3200)
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(sound), b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16,
                       b"data", len(sound))
    return head + sound

def written(folder, number, text):
    with open(os.path.join(folder, f"{number}.wav"), "wb") as file:
        file.write(wav(text))
"""
PIPER1 = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("-m", "--model", required=True)
parser.add_argument("-d", "--output-dir", "--output_dir")
parser.add_argument("--length-scale", "--length_scale", type=float)
args, unknown = parser.parse_known_args()
lines = [line.strip() for line in ([" ".join(unknown)] if unknown else sys.stdin) if line.strip()]
noted(args.model, lines)
os.makedirs(args.output_dir, exist_ok=True)
for line in lines:
    written(args.output_dir, time.monotonic_ns(), line)
    print("INFO:__main__:Wrote", args.output_dir, file=sys.stderr)
"""
"""piper1-gpl: what it does not know it takes for the text; it says nothing on its output."""
RHASSPY = """
given, folder, at = {}, ".", 0
argv = sys.argv[1:]
while argv:
    name = argv.pop(0)
    if name in ("-m", "--model", "-d", "--output_dir", "--length_scale", "--length-scale"):
        given[name] = argv.pop(0)
folder = given.get("--output_dir", ".")
lines = [line.rstrip("\\n") for line in sys.stdin]
noted(given["--model"], lines)
for line in lines:
    number = time.time_ns()
    written(folder, number, line)
    print(os.path.join(folder, f"{number}.wav"), flush=True)
"""
"""The C++ one before it: what it does not know it passes over, `--output-dir` too; a line without words is one."""


def piper(folder: Path, kind: str) -> Path:
    """The program."""
    return program(folder, "piper", _BOTH + kind)


def asked(folder: Path) -> list[dict[str, Any]]:
    """Of each run: its arguments, the lines it was to say, and what its surroundings name."""
    return [json.loads(line) for line in (folder / "asked.ndjson").read_text().splitlines()]


def model(folder: Path, name: str = "es") -> Path:
    """A voice."""
    (folder / f"{name}.onnx").write_bytes(b"model")
    (folder / f"{name}.onnx.json").write_text(json.dumps({"audio": {"sample_rate": 8000}}))
    return folder / f"{name}.onnx"
