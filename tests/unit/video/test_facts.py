"""Which of several elements a fact is taken from: names, visits, people to call, plans, allergies, sides."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.video.records import Bodies, Change, refusal, script, texts

from hilum.video.script import Mark

OTHER = {"reference": "Patient/p1"}


def names(*listed: dict[str, Any]) -> Change:
    return lambda record: record["patient"].update(name=list(listed))


@pytest.mark.parametrize(
    ("listed", "first"),
    [
        ([{"use": "official", "given": ["Amelia"]}, {"use": "usual", "given": ["Amy"]}], "Amy"),
        ([{"use": "nickname", "given": ["Mimi"]}, {"use": "official", "given": ["Amelia", "Lou"]}], "Amelia"),
        ([{"given": ["Amy"]}, {"use": "maiden", "given": ["Eve"]}], "Amy"),
        ([{"use": "usual", "given": ["Old"], "period": {"end": "2020"}}, {"use": "official", "given": ["New"]}], ""),
        (
            [
                {"use": "usual", "given": ["Old"], "period": {"end": "2020-01-01"}},
                {"use": "official", "given": ["New"]},
            ],
            "New",
        ),
    ],
)
def test_the_first_given_name_is_the_usual_one_that_is_in_use(listed: list[dict[str, Any]], first: str) -> None:
    if first:
        assert script(names(*listed)).first_name == first
    else:
        assert refusal(names(*listed)).code == "date-vague"


def test_the_latest_visit_that_is_over_is_told() -> None:
    def change(record: Bodies) -> None:
        for number, (day, status) in enumerate((("2026-10-01", "finished"), ("2026-11-22", "in-progress"))):
            period = {"start": f"{day}T10:00:00-07:00"}
            record[f"v{number}"] = {**record["visit"], "id": f"x{number}", "status": status, "period": period}

    assert texts(script(change), "why")[0] == "You came to see us on Friday, November 20, 2026."


def test_a_long_stay_is_as_fresh_as_its_end() -> None:
    found = script(lambda record: record["visit"].update(period={"start": "2026-06-01", "end": "2026-11-20"}))
    assert texts(found, "why")[0] == "You came to see us on Monday, June 1, 2026."


def test_the_clinician_is_the_one_who_was_responsible() -> None:
    def change(record: Bodies) -> None:
        record["nurse"] = {
            "resourceType": "Practitioner",
            "id": "n",
            "name": [{"family": "Tate", "given": ["Darnell"]}],
        }
        record["visit"]["participant"] = [
            {"individual": {"reference": "Practitioner/n"}},
            {"type": [{"coding": [{"code": "ATND"}]}], "individual": {"reference": "Practitioner/dr"}},
        ]

    assert "You saw Dr. Fiona Walsh." in texts(script(change))


def test_a_clinician_who_was_not_gathered_has_the_name_that_is_displayed() -> None:
    def change(record: Bodies) -> None:
        del record["doctor"]
        record["visit"]["participant"] = [{"individual": {"reference": "Practitioner/dr", "display": "Dr. F. Walsh"}}]

    assert "You saw Dr. F. Walsh." in texts(script(change))


def test_a_video_visit_was_nowhere() -> None:
    found = script(lambda record: record["visit"].update({"class": {"code": "VR"}}))
    assert not any(text.startswith("You were at") for text in texts(found))


def test_what_was_found_is_the_reason_where_none_was_said() -> None:
    def change(record: Bodies) -> None:
        del record["visit"]["reasonCode"]
        record["visit"]["diagnosis"] = [{"condition": {"reference": "Condition/c1"}}]
        record["found"] = {"resourceType": "Condition", "id": "c1", "subject": OTHER, "code": {"text": "Bronchitis"}}

    assert "You came for this: Bronchitis." in texts(script(change))


def test_what_was_done_at_the_visit_is_told_with_its_side() -> None:
    def change(record: Bodies) -> None:
        done = {
            "resourceType": "Procedure",
            "status": "completed",
            "subject": OTHER,
            "encounter": {"reference": "Encounter/v1"},
        }
        record["done"] = {**done, "id": "d1", "code": {"text": "Suture"}, "bodySite": [{"text": "Right hand"}]}
        record["not"] = {**done, "id": "d2", "status": "not-done", "code": {"text": "X-ray"}}

    found = script(change)
    assert texts(found, "done") == ["At this visit you had: Suture.", "Place on the body: Right hand."]
    assert next(one.picture.marks for one in found.scenes if one.id == "done-1") == (Mark("right-hand"),)


@pytest.mark.parametrize(
    ("telecom", "number"),
    [
        ([{"system": "phone", "value": "1", "rank": 2}, {"system": "phone", "value": "2", "rank": 1}], "2"),
        ([{"system": "phone", "value": "1", "use": "home"}, {"system": "phone", "value": "2", "use": "work"}], "2"),
        ([{"system": "email", "value": "a@b"}], "55"),
    ],
)
def test_whom_to_call_is_the_nearest_who_has_a_number_at_work(telecom: list[dict[str, Any]], number: str) -> None:
    def change(record: Bodies) -> None:
        record["place"]["telecom"] = telecom
        phone = [{"system": "phone", "value": "55"}]
        record["org"] = {"resourceType": "Organization", "id": "org", "name": "Bend Health", "telecom": phone}

    found = texts(script(change), "whom")
    assert found == [f"Call {'Bend Health' if number == '55' else 'Bend Clinic'}.", f"The phone number is {number}."]


def test_the_next_procedure_is_the_soonest() -> None:
    def change(record: Bodies) -> None:
        record["later"] = {**record["order"], "id": "s2", "occurrenceDateTime": "2027-01-05", "code": {"text": "X-ray"}}
        record["done"] = {**record["order"], "id": "s3", "occurrenceDateTime": "2026-01-05", "code": {"text": "ECG"}}

    assert texts(script(change, "procedure"), "why")[0] == "You will have: Surgery on the left knee."


def test_several_sites_are_all_told() -> None:
    def change(record: Bodies) -> None:
        record["order"]["bodySite"] = [{"text": "Left knee"}, {"text": "Left hip"}]

    assert "Place on the body: Left knee and Left hip." in texts(script(change, "procedure"))


def test_an_instruction_about_another_part_of_the_body_is_no_conflict() -> None:
    def change(record: Bodies) -> None:
        record["order"]["patientInstruction"] = "Lie on your right side. Use your right hand."

    assert "Lie on your right side." in texts(script(change, "procedure"))


def allergy(text: str, **elements: Any) -> Change:
    def change(record: Bodies) -> None:
        record["medicine"]["medicationCodeableConcept"] = {"text": "Amoxicillin 500 mg capsule"}
        body = {"resourceType": "AllergyIntolerance", "id": "al", "patient": OTHER, "code": {"text": text}}
        record["allergy"] = {**body, **elements}

    return change


@pytest.mark.parametrize(
    "text", ["Amoxicillin", "Allergy to penicillin", "Penicillins", "amoxicillin trihydrate allergy"]
)
def test_an_allergy_to_a_drug_or_its_class_refuses(text: str) -> None:
    assert refusal(allergy(text), "medications").code == "allergy"


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("No known allergy", {}),
        ("Allergy to peanut", {}),
        ("Allergy to penicillin", {"verificationStatus": {"coding": [{"code": "refuted"}]}}),
        ("Allergy to penicillin", {"clinicalStatus": {"coding": [{"code": "resolved"}]}}),
        ("Allergy to penicillin", {"verificationStatus": {"coding": [{"code": "entered-in-error"}]}}),
    ],
)
def test_other_allergies_do_not(text: str, elements: dict[str, Any]) -> None:
    assert "Your medicine is Amoxicillin 500 mg capsule." in texts(script(allergy(text, **elements), "medications"))


def test_a_resource_that_was_entered_in_error_is_not_there() -> None:
    def change(record: Bodies) -> None:
        record["wrong"] = {**record["medicine"], "id": "m9", "status": "entered-in-error"}

    assert sum("Lisinopril" in text for text in texts(script(change))) == 1


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("Left knee", ["left-knee"]),
        ("R knee", ["right-knee"]),
        ("Both knees", ["left-knee", "right-knee"]),
        ("Structure of right eye", ["right-eye"]),
        ("Mano izquierda", ["left-hand"]),
        ("Bilateral feet", ["left-foot", "right-foot"]),
        ("Abdomen", ["belly"]),
        ("Nose", []),
    ],
)
def test_a_site_is_marked_on_the_body(text: str, marks: list[str]) -> None:
    def change(record: Bodies) -> None:
        record["order"].update(code={"text": "Surgery"}, bodySite=[{"text": text}])
        del record["appointment"]

    found = script(change, "procedure")
    assert [one.at for one in found.scenes[1].picture.marks] == marks
    assert f"Place on the body: {text}." in texts(found)


def test_a_paired_part_in_the_plural_needs_its_sides_too() -> None:
    def change(record: Bodies) -> None:
        record["order"].update(code={"text": "Surgery"}, bodySite=[{"text": "Knees"}])
        del record["appointment"]

    assert refusal(change, "procedure").code == "side-missing"


def test_a_reason_that_was_not_gathered_is_told_as_displayed_and_a_medicine_s_may_be_missing() -> None:
    def displayed(record: Bodies) -> None:
        del record["visit"]["reasonCode"]
        record["visit"]["reasonReference"] = [{"reference": "Condition/c9", "display": "Cough"}]

    assert "You came for this: Cough." in texts(script(displayed))

    def missing(record: Bodies) -> None:
        record["medicine"]["reasonReference"] = [{"reference": "Condition/c9"}]

    assert texts(script(missing)) == texts(script())


def test_a_letter_for_a_side_is_told_as_a_word_in_spanish() -> None:
    def change(record: Bodies) -> None:
        record["order"].update(code={"text": "Surgery"}, bodySite=[{"text": "R knee"}])
        del record["appointment"]

    assert "Parte del cuerpo: rodilla derecha (R knee)." in texts(script(change, "procedure", "es"))


def test_an_appointment_that_was_kept_is_no_conflict_though_it_is_still_booked() -> None:
    def change(record: Bodies) -> None:
        start = {"start": "2026-11-20T23:20:00-07:00", "end": "2026-11-20T23:40:00-07:00"}
        record["kept"] = {**record["appointment"], **start, "id": "a0", "basedOn": []}
        record["visit"]["appointment"] = [{"reference": "Appointment/a0"}]

    assert texts(script(change)) == texts(script())


def test_a_procedure_today_is_still_to_come_where_no_time_is_said() -> None:
    """It is noon of that day in UTC."""

    def change(record: Bodies) -> None:
        del record["appointment"]
        record["order"]["occurrenceDateTime"] = "2026-11-23"

    assert "It is on Monday, November 23, 2026." in texts(script(change, "procedure"))


@pytest.mark.parametrize(
    ("time", "told"),
    [("00:00", "12:00 a.m."), ("00:05", "12:05 a.m."), ("12:00", "12:00 p.m."), ("23:59", "11:59 p.m.")],
)
def test_noon_and_midnight_are_told_by_twelve_hours(time: str, told: str) -> None:
    def change(record: Bodies) -> None:
        record["appointment"].update(start=f"2026-12-01T{time}:00-07:00", end="2026-12-02T00:00:00-07:00")

    assert f"It is on Tuesday, December 1, 2026, at {told}" in texts(script(change, "procedure"))


def test_more_medicines_than_fit_are_refused_and_none_is_left_out() -> None:
    def change(record: Bodies) -> None:
        for letter in "abcdefghijklm":
            drug = {"text": f"Drug{letter * 4} 10 mg"}
            record[letter] = {**record["medicine"], "id": letter, "medicationCodeableConcept": drug}

    assert refusal(change, "medications").code == "too-long"


def test_a_voice_says_the_record_s_words_where_they_tell_a_side_and_else_the_language_s() -> None:
    def knee(text: str) -> Change:
        coding = {"system": "http://snomed.info/sct", "code": "309431009"}
        return lambda record: record["order"].update(code={"coding": [coding], "text": text})

    def said(change: Change) -> str:
        scene = next(one for one in script(change, "procedure", "es").scenes if one.id == "why")
        return scene.sentences[0].spoken or scene.sentences[0].text

    left = "Le van a hacer: operación de rodilla con cámara (Arthroscopy of left knee)."
    assert said(knee("Arthroscopy of left knee")) == left
    assert said(knee("Arthroscopy")) == "Le van a hacer: operación de rodilla con cámara."
