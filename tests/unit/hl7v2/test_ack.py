"""Acknowledgements: who is told what."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hilum.hl7v2.ack import Stage, acknowledge, acknowledged, wanted
from hilum.hl7v2.message import parse
from hilum.hl7v2.refused import Condition, Place, Refused

NOW = datetime(2026, 7, 13, 9, 0, 30, tzinfo=UTC)


def oru(accept: str = "NE", application: str = "AL") -> bytes:
    return f"MSH|^~\\&|A^1^EUI-64|B|C|D|20260713||ORU^R01^ORU_R01|M|7|P|2.6|||{accept}|{application}\r".replace(
        "|M|7", "|M7"
    ).encode()


def test_what_was_taken_is_answered_to_its_sender() -> None:
    answer = acknowledge(parse(oru()), at=NOW, control_id="a1").write()
    assert answer == (
        b"MSH|^~\\&|C|D|A^1^EUI-64|B|20260713090030+0000||ACK^R01^ACK|a1|P|2.6||||||UNICODE UTF-8\rMSA|AA|M7\r"
    ).replace(b"UNICODE UTF-8", b"")


@pytest.mark.parametrize(
    ("condition", "code"),
    [(Condition.REQUIRED_FIELD, "AE"), (Condition.UNSUPPORTED_VERSION, "AR"), (Condition.INTERNAL, "AE")],
)
def test_what_was_refused_is_answered_with_where_and_why(condition: Condition, code: str) -> None:
    error = Refused(condition, "expected a unit", Place("OBX", 2, 6, 1, 1))
    answer = parse(acknowledge(parse(oru()), [error], at=NOW, control_id="a1").write())
    assert acknowledged(answer) == (code, "M7", ((condition, Place("OBX", 2, 6, 1, 1)),))
    assert (answer["ERR"][4], answer["ERR"][7], answer["ERR"][3, 3]) == ("E", "expected a unit", "HL70357")


def test_what_could_not_be_read_is_rejected() -> None:
    with pytest.raises(Refused) as refused:
        parse(b"nothing")
    answer = acknowledge(None, [refused.value], at=NOW, control_id="a1")
    assert acknowledged(parse(answer.write()))[0] == "AR"


def test_an_answer_keeps_the_delimiters_of_what_it_answers() -> None:
    asked = parse(oru().replace(b"|", b"#").replace(b"^~\\&", b"*!%@").replace(b"^", b"*"))
    assert acknowledge(asked, at=NOW, control_id="a1").write().startswith(b"MSH#*!%@#C#D#A*1*EUI-64#B#")


@pytest.mark.parametrize(
    ("accept", "application", "stage", "refused", "told"),
    [
        ("", "", Stage.COMMIT, False, False),
        ("", "", Stage.APPLICATION, False, True),
        ("AL", "NE", Stage.COMMIT, False, True),
        ("AL", "NE", Stage.APPLICATION, True, False),
        ("ER", "SU", Stage.COMMIT, False, False),
        ("ER", "SU", Stage.COMMIT, True, True),
        ("ER", "SU", Stage.APPLICATION, False, True),
        ("ER", "SU", Stage.APPLICATION, True, False),
    ],
)
def test_the_sender_says_which_answers_it_wants(
    accept: str, application: str, stage: Stage, refused: bool, told: bool
) -> None:
    assert wanted(parse(oru(accept, application)), stage, refused) is told


def test_the_first_answer_of_enhanced_mode_says_that_the_message_is_safe() -> None:
    assert acknowledge(parse(oru()), at=NOW, control_id="a", stage=Stage.COMMIT)["MSA"][1] == "CA"


def test_an_answer_that_is_none_is_refused() -> None:
    with pytest.raises(Refused):
        acknowledged(parse(oru()))
