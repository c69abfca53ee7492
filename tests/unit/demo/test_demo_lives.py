"""The lives make sense: time runs forward, bodies obey arithmetic, treatment helps, nobody is given what harms them."""

from __future__ import annotations

from base64 import b64decode
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from hashlib import sha1
from itertools import pairwise
from math import floor
from statistics import mean
from typing import Any

from tests.unit.demo.chartreading import Chart, leaves

from hilum.demo import TODAY

_DATES = (
    "start", "end", "effectiveDateTime", "issued", "onsetDateTime", "abatementDateTime", "recordedDate", "authoredOn",
    "whenPrepared", "whenHandedOver", "occurrenceDateTime", "performedPeriod", "date", "dateAsserted", "startDate",
    "created", "creation", "deceasedDateTime", "manufactureDate",
)  # fmt: skip
_AHEAD = ("dispenseRequest.validityPeriod", "target.dueDate", "expirationDate")

DIABETES, HYPERTENSION, CHOLESTEROL, PREGNANCY, PENICILLIN = "44054006", "59621000", "55822004", "72892002", "91936005"
STREP, OTITIS = "43878008", "65363002"
HBA1C, LDL, HDL, TOTAL, TRIGLYCERIDES = "4548-4", "13457-7", "2085-9", "2093-3", "2571-8"
HEIGHT, WEIGHT, BMI, CREATININE, EGFR = "8302-2", "29463-7", "39156-5", "2160-0", "98979-8"
SYSTOLIC, DIASTOLIC = "8480-6", "8462-4"


def moments(chart: Chart) -> list[tuple[str, str]]:
    """(type and path, date) of everything that has happened: what lies ahead by its nature is left out."""
    return [
        (f"{r['resourceType']}.{path}", value)
        for r in chart.resources
        if r["resourceType"] not in ("Appointment", "Patient", "Coverage")
        for path, value in leaves(r)
        if path.rsplit(".", 1)[-1] in _DATES and not path.startswith(_AHEAD)
    ]


def test_everything_happens_between_birth_and_today_or_death(people: list[Chart]) -> None:
    wrong = []
    for chart in people:
        born = chart.patient["birthDate"]
        last = chart.patient.get("deceasedDateTime", TODAY.isoformat())[:10]
        wrong += [(what, when) for what, when in moments(chart) if not born <= when[:10] <= last]
    assert wrong == []


def test_some_have_died_and_have_no_appointment(people: list[Chart]) -> None:
    dead = [chart for chart in people if "deceasedDateTime" in chart.patient]
    assert 3 <= len(dead) <= 15
    assert all(chart.of("Appointment") == [] for chart in dead)
    assert all(chart.patient["active"] is False for chart in dead)
    for chart in dead:
        last = max(chart.of("Encounter"), key=lambda e: e["period"]["start"])
        assert last["hospitalization"]["dischargeDisposition"]["coding"][0]["code"] == "exp"
        assert last["period"]["end"] == chart.patient["deceasedDateTime"]


def test_appointments_lie_ahead_on_weekdays(people: list[Chart]) -> None:
    booked = [r for chart in people for r in chart.of("Appointment")]
    assert len(booked) > 60
    for appointment in booked:
        start, end = (datetime.fromisoformat(appointment[key]) for key in ("start", "end"))
        assert start.date() > TODAY
        assert start.weekday() < 5
        assert (end - start).seconds == appointment["minutesDuration"] * 60
        assert appointment["created"][:10] <= TODAY.isoformat()


def test_periods_begin_before_they_end(people: list[Chart]) -> None:
    def periods(value: Any) -> list[tuple[str, str]]:
        if isinstance(value, dict):
            own = [(value["start"], value["end"])] if "start" in value and "end" in value else []
            return own + [p for item in value.values() for p in periods(item)]
        return [p for item in value for p in periods(item)] if isinstance(value, list) else []

    assert [p for chart in people for p in periods(chart.resources) if p[0] > p[1]] == []


def test_times_carry_the_towns_offset(people: list[Chart]) -> None:
    times = {
        value[19:]
        for chart in people
        for path, value in leaves(chart.resources)
        if "T" in str(value)[10:11] and str(value)[:2] in ("19", "20")
    }
    assert times == {"-07:00"}


def test_conditions_are_noticed_after_they_begin_and_resolved_only_with_an_end(people: list[Chart]) -> None:
    for chart in people:
        for condition in chart.of("Condition"):
            status = condition["clinicalStatus"]["coding"][0]["code"]
            assert condition["onsetDateTime"] <= condition["recordedDate"]
            assert (status == "resolved") == ("abatementDateTime" in condition)
            assert condition["onsetDateTime"] <= condition.get("abatementDateTime", "9999")


def test_what_belongs_to_an_encounter_happens_around_it(people: list[Chart]) -> None:
    for chart in people:
        stays = {f"Encounter/{e['id']}": e["period"] for e in chart.of("Encounter")}
        for r in chart.of("Observation", "Immunization", "Procedure", "MedicationRequest"):
            if "encounter" in r:
                period = stays[r["encounter"]["reference"]]
                at = next(
                    r[k] for k in ("effectiveDateTime", "occurrenceDateTime", "authoredOn", "performedPeriod") if k in r
                )
                at = at["start"] if isinstance(at, dict) else at
                assert period["start"] <= at, (r["id"], at, period)
                assert at[:10] <= period["end"][:10]


def test_visits_of_one_person_do_not_overlap(many: list[Chart]) -> None:
    for chart in many:
        periods = sorted((e["period"]["start"], e["period"]["end"]) for e in chart.of("Encounter"))
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(periods)), chart.patient["id"]


def test_body_mass_index_is_what_weight_and_height_of_the_same_moment_make(people: list[Chart]) -> None:
    checked = 0
    for chart in people:
        heights, weights = dict(chart.observed(HEIGHT)), dict(chart.observed(WEIGHT))
        for at, index in chart.observed(BMI):
            metres = Decimal(heights[at]) / 100
            assert index == (Decimal(weights[at]) / metres**2).quantize(Decimal("0.1"), ROUND_HALF_UP)
            assert 12 < index < 55
            checked += 1
    assert checked > 300


def test_children_grow_and_grown_ups_do_not(people: list[Chart]) -> None:
    for chart in people:
        heights = chart.observed(HEIGHT)
        for (earlier, first), (later, second) in pairwise(heights):
            years = float(chart.age(later) - chart.age(earlier))
            if chart.age(later) <= 12 and years:
                assert second > first, chart.patient["id"]
            elif chart.age(earlier) >= 19:
                assert abs(second - first) < 1 + Decimal("0.15") * int(years), chart.patient["id"]


def test_cholesterol_values_add_up(people: list[Chart]) -> None:
    checked = 0
    for chart in people:
        hdl, fats, total = (dict(chart.observed(code)) for code in (HDL, TRIGLYCERIDES, TOTAL))
        for at, ldl in chart.observed(LDL):
            assert abs(ldl - (total[at] - hdl[at] - Decimal(fats[at]) / 5)) <= Decimal("0.5")
            checked += 1
    assert checked > 100


def test_estimated_gfr_is_ckd_epi_2021_of_the_creatinine(people: list[Chart]) -> None:
    checked = 0
    for chart in people:
        creatinine = dict(chart.observed(CREATININE))
        female = chart.patient["gender"] == "female"
        for at, gfr in chart.observed(EGFR):
            k, a, factor = (0.7, -0.241, 1.012) if female else (0.9, -0.302, 1.0)
            scr = float(creatinine[at]) / k
            expected = 142 * min(scr, 1) ** a * max(scr, 1) ** -1.200 * 0.9938 ** chart.age(at) * factor
            assert abs(float(gfr) - expected) <= 0.51
            checked += 1
    assert checked > 100


def test_values_outside_the_reference_range_are_flagged(people: list[Chart]) -> None:
    flags = set()
    for chart in people:
        for r in chart.of("Observation"):
            if "interpretation" in r:
                value = r["valueQuantity"]["value"]
                limits = r["referenceRange"][0]
                low = limits["low"]["value"] if "low" in limits else value
                high = limits["high"]["value"] if "high" in limits else value
                expected = "L" if value < low else "H" if value > high else "N"
                assert r["interpretation"][0]["coding"][0]["code"] == expected
                flags.add(expected)
    assert flags == {"L", "H", "N"}


def test_blood_pressure_is_plausible(people: list[Chart]) -> None:
    for chart in people:
        lower = dict(chart.component(DIASTOLIC))
        for at, upper in chart.component(SYSTOLIC):
            assert 70 <= upper <= 200
            assert 15 <= upper - lower[at] <= 100


def _change(chart: Chart, series: list[tuple[str, Any]], start: str) -> float | None:
    """Mean from 90 days after `start` on, less the mean of the 30 days around the start; None if either is missing."""
    begin = datetime.fromisoformat(start)
    days = [((datetime.fromisoformat(at) - begin).days, float(value)) for at, value in series]
    before = [value for day, value in days if -30 <= day <= 0]
    after = [value for day, value in days if 85 <= day <= 800]
    return mean(after) - mean(before) if before and after else None


def test_hba1c_falls_after_metformin_in_every_diabetic(people: list[Chart]) -> None:
    changes = {}
    for chart in people:
        starts = chart.prescribed("metformin")
        change = _change(chart, chart.observed(HBA1C), starts[0]) if starts else None
        if change is not None:
            changes[chart.patient["id"]] = change
    assert len(changes) >= 10
    assert all(change < -0.4 for change in changes.values()), changes
    assert mean(changes.values()) < -0.9


def test_blood_pressure_falls_after_lisinopril_on_average(people: list[Chart]) -> None:
    changes = [
        change
        for chart in people
        if (starts := chart.prescribed("lisinopril"))
        and (change := _change(chart, chart.component(SYSTOLIC), starts[0])) is not None
    ]
    assert len(changes) >= 15
    assert mean(changes) < -8


def test_ldl_falls_after_a_statin_on_average(people: list[Chart]) -> None:
    changes = [
        change
        for chart in people
        if (starts := chart.prescribed("atorvastatin"))
        and (change := _change(chart, chart.observed(LDL), starts[0])) is not None
    ]
    assert len(changes) >= 10
    assert mean(changes) < -25


def test_only_women_of_childbearing_age_are_pregnant_and_men_keep_their_prostate(people: list[Chart]) -> None:
    pregnancies = [(c, r) for c in people for r in c.of("Condition") if r["code"]["coding"][0]["code"] == PREGNANCY]
    assert len(pregnancies) >= 5
    for chart, condition in pregnancies:
        assert chart.patient["gender"] == "female"
        assert 18 <= chart.age(condition["onsetDateTime"]) <= 45
    for code, gender in {"266569009": "male", "38822007": "female", "64859006": "female", "87522002": "female"}.items():
        genders = {c.patient["gender"] for c in people if code in c.conditions()}
        assert genders <= {gender}, code


def test_a_pregnancy_takes_about_forty_weeks_and_ends_in_hospital(people: list[Chart]) -> None:
    ended = 0
    for chart in people:
        for condition in chart.of("Condition"):
            if condition["code"]["coding"][0]["code"] == PREGNANCY and "abatementDateTime" in condition:
                began, born = (date.fromisoformat(condition[k]) for k in ("onsetDateTime", "abatementDateTime"))
                assert 37 * 7 <= (born - began).days <= 42 * 7
                births = [
                    p for p in chart.of("Procedure") if p["code"]["coding"][0]["code"] in ("177184002", "11466000")
                ]
                assert born.isoformat() in {p["performedPeriod"]["start"][:10] for p in births} | {
                    e["period"]["start"][:10] for e in chart.of("Encounter") if e["class"]["code"] == "IMP"
                }
                ended += 1
    assert ended >= 4


def test_nobody_allergic_to_penicillin_is_given_one(many: list[Chart]) -> None:
    allergic = [
        chart
        for chart in many
        if PENICILLIN in {a["code"]["coding"][0]["code"] for a in chart.of("AllergyIntolerance")}
    ]
    treated = [chart for chart in allergic if {STREP, OTITIS} & set(chart.conditions())]
    assert len(treated) >= 3
    assert [chart.patient["id"] for chart in allergic if chart.prescribed("cillin")] == []
    assert all(chart.prescribed("azithromycin") for chart in treated)


def test_medicines_are_handed_out_after_they_are_prescribed(many: list[Chart]) -> None:
    for chart in many:
        written = {f"MedicationRequest/{r['id']}": r["authoredOn"] for r in chart.of("MedicationRequest")}
        for dispense in chart.of("MedicationDispense"):
            prescribed = written[dispense["authorizingPrescription"][0]["reference"]]
            assert prescribed <= dispense["whenPrepared"] < dispense["whenHandedOver"]


def test_nobody_with_heart_or_kidney_trouble_is_given_painkillers_that_harm(people: list[Chart]) -> None:
    trouble = {"433144002", "49436004", "53741008"}
    endangered = [chart for chart in people if trouble & set(chart.conditions())]
    assert len(endangered) >= 5
    assert [c.patient["id"] for c in endangered if c.prescribed("ibuprofen") or c.prescribed("naproxen")] == []


def test_vaccine_doses_count_up_in_time(people: list[Chart]) -> None:
    doses = 0
    for chart in people:
        series: dict[str, list[tuple[str, int]]] = {}
        for shot in chart.of("Immunization"):
            if "protocolApplied" in shot:
                number = shot["protocolApplied"][0]["doseNumberPositiveInt"]
                series.setdefault(shot["vaccineCode"]["coding"][0]["code"], []).append(
                    (shot["occurrenceDateTime"], number)
                )
        for given in series.values():
            assert [number for _, number in sorted(given)] == list(range(1, len(given) + 1))
            doses += len(given)
    assert doses > 400


def test_active_prescriptions_were_handed_out_lately(people: list[Chart]) -> None:
    for chart in people:
        handed = {d["authorizingPrescription"][0]["reference"] for d in chart.of("MedicationDispense")}
        for request in chart.of("MedicationRequest"):
            if request["status"] == "active":
                assert f"MedicationRequest/{request['id']}" in handed


def test_notes_hold_their_text_and_its_fingerprint(people: list[Chart]) -> None:
    notes = [(chart, r) for chart in people for r in chart.of("DocumentReference")]
    assert len(notes) > 100
    for chart, note in notes:
        attachment = note["content"][0]["attachment"]
        text = b64decode(attachment["data"])
        assert len(text) == attachment["size"]
        assert sha1(text).digest() == b64decode(attachment["hash"])
        assert chart.patient["name"][0]["text"] in text.decode()


def test_a_glucose_meter_reports_the_last_mornings(people: list[Chart]) -> None:
    meters = [d for chart in people for d in chart.of("Device") if d["type"]["text"] == "Blood glucose meter"]
    assert len(meters) >= 5
    for chart in people:
        for device in chart.of("Device"):
            if device["type"]["text"] == "Blood glucose meter":
                readings = [
                    r
                    for r in chart.of("Observation")
                    if r.get("device", {}).get("reference") == f"Device/{device['id']}"
                ]
                assert len(readings) == 6
                assert {floor(float(r["valueQuantity"]["value"])) > 60 for r in readings} == {True}
