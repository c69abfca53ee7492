"""Scripts as a whole: what is told, and the elements that each sentence came from."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.unit.video.records import NOW, Bodies, bodies, dose, resources, script, texts

from hilum.fhir import json
from hilum.video import templates
from hilum.video.phrases import Review, language
from hilum.video.script import Citation, Mark, read, written
from hilum.video.templates import ROLES
from hilum.video.writing import placeholders, write


def test_an_after_visit_guide_tells_when_why_what_to_do_when_to_call_and_whom() -> None:
    found = script()
    assert texts(found) == [
        "Hello, Amy.",
        "This is a short guide to your visit.",
        "You came to see us on Friday, November 20, 2026.",
        "You were at Bend Clinic.",
        "You saw Dr. Fiona Walsh.",
        "You came for this: Cough.",
        "Do what you and your care team agreed on at the visit.",
        "Here is how to take your medicines from this visit.",
        "Your medicine is Lisinopril 10 mg tablet.",
        "Take 1 tablet by mouth 2 times every day.",
        "Your next visit is on Tuesday, December 1, 2026, at 9:30 a.m.",
        "It is for: Surgery on the left knee.",
        "Call us if you feel worse.",
        "Call us if you have a new problem.",
        "If you can not breathe well or have bad chest pain, call your local emergency number right away.",
        "Call Bend Clinic.",
        "The phone number is +1-928-555-0110.",
        "Tell us in your own words: what will you do next?",
        "When will you call us?",
    ]
    assert (found.title, found.first_name, found.language, found.notice) == ("After your visit", "Amy", "en", "")
    assert found.exempt == ("Lisinopril",)
    assert found.made == "2026-11-23T12:00:00Z"


def test_a_procedure_guide_tells_what_is_done_on_which_side_and_how_to_get_ready() -> None:
    found = script(template="procedure")
    assert texts(found)[2:10] == [
        "You will have: Surgery on the left knee.",
        "Place on the body: Left knee.",
        "It is on Tuesday, December 1, 2026, at 9:30 a.m.",
        "Go to Bend Clinic.",
        "Your care team wrote this for you.",
        "Do not eat after midnight.",
        "Bring a friend.",
        "If you do not know what to do, call us before that day.",
    ]
    pictures = {one.id: one.picture for one in found.scenes}
    assert pictures["why"].marks == (Mark("left-knee"),)
    assert pictures["why"].text == "A body with a mark: left knee."
    assert pictures["when"].marks == (Mark("2026-12-01"),)


def test_a_sentence_cites_each_element_with_the_words_that_tell_it() -> None:
    dose = next(one for scene in script().scenes for one in scene.sentences if one.phrase == "dose")
    reference, at = "MedicationRequest/m1/_history/3", "MedicationRequest.dosageInstruction[0]"
    assert dose.cites == (
        Citation(reference, f"{at}.doseAndRate[0].dose", {"value": 1, "unit": "tablet"}, "1 tablet"),
        Citation(
            reference, f"{at}.route", {"coding": [{"system": "http://snomed.info/sct", "code": "26643006"}]}, "by mouth"
        ),
        Citation(reference, f"{at}.timing.repeat.frequency", 2, "2 times"),
        Citation(reference, f"{at}.timing.repeat.period", 1, "every day"),
        Citation(reference, f"{at}.timing.repeat.periodUnit", "d", "every day"),
    )


def test_the_sources_are_the_versions_that_are_cited() -> None:
    assert script().sources == (
        "Appointment/a1/_history/3",
        "Encounter/v1/_history/3",
        "Location/clinic/_history/3",
        "MedicationRequest/m1/_history/3",
        "Patient/p1/_history/3",
        "Practitioner/dr/_history/3",
    )


def test_a_day_is_told_as_the_data_has_it_though_it_is_another_elsewhere() -> None:
    """The visit began on the evening of the 20th, by then the 21st in UTC."""
    assert "You came to see us on Friday, November 20, 2026." in texts(script())


def test_a_time_in_utc_says_so() -> None:
    found = script(
        lambda record: record["appointment"].update(start="2026-12-01T16:30:00Z", end="2026-12-01T17:00:00Z")
    )
    assert "Your next visit is on Tuesday, December 1, 2026, at 4:30 p.m. UTC." in texts(found)


def test_a_day_in_utc_has_its_time_since_it_may_be_another_day_where_the_patient_is() -> None:
    found = script(lambda record: record["visit"].update(period={"start": "2026-11-21T06:30:00Z"}))
    assert "You came to see us on Saturday, November 21, 2026, at 6:30 a.m. UTC." in texts(found)


def test_a_day_without_a_time_gets_none() -> None:
    found = script(lambda record: record.pop("appointment"), "procedure")
    assert "It is on Tuesday, December 1, 2026." in texts(found)


def test_equal_records_in_any_order_give_equal_scripts() -> None:
    template, listed = templates.packaged()["after-visit"], resources(bodies())
    assert write(template, "en", listed, NOW) == write(template, "en", reversed(listed), NOW)


def test_each_template_tells_all_roles_in_each_language() -> None:
    for name, template in templates.packaged().items():
        for code in template.languages:
            assert {scene.role for scene in script(template=name, language=code).scenes} == set(ROLES)


def test_spanish_says_that_nobody_reviewed_it_until_somebody_signs_that_version() -> None:
    assert script(language="es").notice == "No revisado por un profesional clínico. Not reviewed by a clinician."
    template, listed = templates.packaged()["after-visit"], resources(bodies())
    signed = Review("es", language("es").version, "Dr. Ibarra", "2026-11-30")
    assert write(template, "es", listed, NOW, (signed,)).notice == ""
    older = Review("es", "2026-01-01", "Dr. Ibarra", "2026-01-30")
    another = Review("en", language("es").version, "Dr. Ibarra", "2026-01-30")
    assert write(template, "es", listed, NOW, (older, another)).notice != ""


def test_spanish_tells_the_side_in_spanish_beside_the_record_s_words() -> None:
    assert (
        texts(script(template="procedure", language="es"), "why")[1]
        == "Parte del cuerpo: rodilla izquierda (Left knee)."
    )


def test_how_to_get_ready_says_so_where_it_is_in_another_language() -> None:
    assert texts(script(template="procedure", language="es"), "ready")[:3] == [
        "Su equipo le dejó esta nota.",
        "La nota está en otro idioma. Pida ayuda si no la entiende.",
        "Do not eat after midnight.",
    ]

    def spanish(record: Bodies) -> None:
        record["order"]["patientInstruction"] = "No coma después de la medianoche."

    assert texts(script(spanish, "procedure", "es"), "ready")[1] == "No coma después de la medianoche."
    assert texts(script(spanish, "procedure"), "ready")[1].startswith("It is in another language.")


def test_spanish_tells_doses_and_dates_in_spanish() -> None:
    found = texts(script(language="es"))
    assert "Tome 1 tableta por la boca 2 veces cada día." in found
    assert "Usted vino el viernes 20 de noviembre de 2026." in found
    assert "Su próxima visita es el martes 1 de diciembre de 2026, a las 9:30 a. m." in found


def test_a_visit_without_a_reason_tells_its_kind() -> None:
    assert "It was this kind of visit: Check-up." in texts(script(lambda record: record["visit"].pop("reasonCode")))


def test_a_number_of_the_phone_is_said_digit_by_digit() -> None:
    found = next(one for scene in script().scenes for one in scene.sentences if one.phrase == "whom-phone")
    assert found.spoken == "The phone number is 1, 9 2 8, 5 5 5, 0 1 1 0."


def test_placeholders_have_texts_and_a_first_name_and_no_number_of_the_patient() -> None:
    found = placeholders(script())
    assert found["first_name"] == "Amy"
    assert found["scene_1_text"] == "Hello, Amy. This is a short guide to your visit."
    whole = " ".join((*found, *found.values()))
    for hidden in ("Quimby", "4711", "1980", "Patient/", "p1"):
        assert hidden not in whole


def test_what_a_voice_elsewhere_is_given_has_its_numbers_in_words() -> None:
    found = placeholders(script(dose(value=json.number("0.125"), unit="mg"), "medications", "es"))
    assert "Tome 0.125 mg " in found["scene_3_text"]
    assert "Tome 0 punto 1 2 5 miligramos " in found["scene_3_spoken"]


def test_a_visit_with_a_medicine_of_another_day_does_not_tell_it_whatever_it_lacks() -> None:
    def change(record: Bodies) -> None:
        del record["medicine"]["encounter"], record["medicine"]["dosageInstruction"]

    assert not any("Lisinopril" in text for text in texts(script(change)))


def test_the_tag_of_a_fully_specified_name_is_left_out() -> None:
    found = script(lambda record: record["visit"].update(reasonCode=[{"text": "Acute bronchitis (disorder)"}]))
    assert "You came for this: Acute bronchitis." in texts(found)


def test_what_is_made_is_told_in_utc() -> None:
    local = datetime.fromisoformat("2026-11-23T05:00:00-07:00")
    template, listed = templates.packaged()["after-visit"], resources(bodies())
    assert write(template, "en", listed, local).made == write(template, "en", listed, local.astimezone(UTC)).made


def test_a_script_as_json_keeps_the_digits_of_what_it_cites() -> None:
    def change(record: Bodies) -> None:
        dose = {"value": json.number("2.50"), "unit": "mg"}
        record["medicine"]["dosageInstruction"][0]["doseAndRate"] = [{"doseQuantity": dose}]

    found = script(change)
    assert b'"value":{"value":2.50,"unit":"mg"},"said":"2.50 mg"' in written(found)
    assert read(written(found)) == found
    assert written(read(written(found))) == written(found)
