"""What pages say: of steps and failures to staff, and everything to patients, in the language of their video.

The patients' words are data (`words.toml`): by a language, then by what is said.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from hilum.video.refusals import REFUSALS

STEPS: Final[Mapping[str, str]] = {
    "requested": "Waiting to begin",
    "gathering": "Gathering the record from the EHR",
    "writing": "Writing the script",
    "rendering": "Rendering the video",
    "waiting": "Waiting for its turn",
    "awaiting-approval": "Awaiting approval",
    "approved": "Approved",
    "rejected": "Rejected",
    "failed": "It could not be made",
    "cancelled": "Cancelled",
}
"""Codes of `urn:hilum:video-step`."""
TONES: Final[Mapping[str, str]] = {"approved": "good", "failed": "bad", "rejected": "bad", "cancelled": "bad"}

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "es": "Spanish"}
SHAPES: Final[Mapping[str, str]] = {"wide": "wide, 16:9", "tall": "tall, 9:16, for phones"}
PROOFS: Final[Mapping[str, str]] = {"birth-date": "birth date", "sign-in": "sign-in"}
EXPIRIES: Final[Mapping[int, str]] = {
    3_600: "1 hour", 86_400: "1 day", 3 * 86_400: "3 days", 7 * 86_400: "1 week", 30 * 86_400: "30 days",
    90 * 86_400: "90 days",
}  # fmt: skip
"""Seconds that a link holds, and how they are called."""

_ASK_OTHERWISE: Final = "Ask for the video again, with another template or language."
_CORRECT: Final = (
    "Nothing was guessed. Correct the record at the place above, or have it gathered again, and then ask for the "
    "video again."
)
_AT_EHR: Final = "See whether the EHR answers and has the whole record, and then ask for the video again."
_TELL: Final = "Tell the people who run this server, with the code below; then ask for the video again."
TODO: Final[Mapping[str, str]] = {
    "template-unknown": _ASK_OTHERWISE,
    "language-unknown": _ASK_OTHERWISE,
    "patient-deceased": "The record says that the patient has died. No video is made.",
    "outdated": "The record has changed while the video was made. Ask for the video again.",
    "stale": "What would be told is too old. See the patient first, or gather a newer record, and ask again.",
    "grade": "The words of the record are too hard to read for a patient. Ask with another template.",
    "break-the-glass": "Open the patient's record in the EHR, give the reason there, and ask for the video again.",
    "limit": "There is more in the record than is taken at once. Tell the people who run this server.",
    "ambiguous": "It is not clear which patient is meant. Ask again with the id that the EHR has for the patient.",
    **dict.fromkeys(
        (
            "gather",
            "incomplete",
            "unreachable",
            "unauthorized",
            "forbidden",
            "absent",
            "refused",
            "throttled",
            "broken",
            "gone",
            "partial",
        ),
        _AT_EHR,
    ),
}
"""What to do about a failure, where it is not the record that is to be corrected."""


def todo(code: str) -> str:
    """What to do about a failure of this code."""
    return TODO.get(code) or (_CORRECT if code in REFUSALS else _TELL)


@cache
def words() -> Mapping[str, Mapping[str, Any]]:
    """The patients' words."""
    return tomllib.loads((files(__package__) / "words.toml").read_text("utf-8"))


def spoken_to(language: str) -> tuple[str, Mapping[str, Any]]:
    """The language in which somebody is spoken to, and its words. `language`: of a script, or an Accept-Language."""
    for part in re.split(r"\s*,\s*", language):
        name = part.split(";")[0].split("-")[0].strip().lower()
        if name in words():
            return name, words()[name]
    return "en", words()["en"]
