"""Vaccines: who gets which one when, and the Immunization. https://hl7.org/fhir/R4/immunization.html

CVX codes of the CDC. Schedule simplified from the CDC's for children and adults (2024); a dose is given at the first
visit after it is due, and missed when there is none for two years.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from hilum.demo.chart import Chart
from hilum.demo.codes import CVX, Concept, day, hl7, when
from hilum.demo.life import Visit
from hilum.demo.town import location, organization, practitioner


class Vaccine(NamedTuple):
    """A vaccine: months of age at each dose, route, and the years (from, to) in which it was used.

    `catch_up`: those who are older already when it comes into use get it then.
    """

    code: Concept
    months: tuple[float, ...]
    route: str = "IM"
    years: tuple[int, int] = (1995, 9998)
    catch_up: bool = False


def _cvx(code: str, display: str, text: str) -> Concept:
    return Concept(CVX, code, display, text)


SCHEDULE = (
    Vaccine(_cvx("08", "Hep B, adolescent or pediatric", "Hepatitis B"), (0.1, 2, 6)),
    Vaccine(_cvx("119", "rotavirus, monovalent", "Rotavirus"), (2, 4), "PO", (2008, 9998)),
    Vaccine(_cvx("20", "DTaP", "Diphtheria, tetanus, whooping cough"), (2, 4, 6, 15, 48)),
    Vaccine(_cvx("49", "Hib (PRP-OMP)", "Haemophilus influenzae b"), (2, 4, 12)),
    Vaccine(_cvx("133", "Pneumococcal conjugate PCV 13", "Pneumococcus"), (2, 4, 6, 12), "IM", (2010, 9998)),
    Vaccine(_cvx("10", "IPV", "Polio"), (2, 4, 15, 48)),
    Vaccine(_cvx("03", "MMR", "Measles, mumps, rubella"), (12, 48), "SQ"),
    Vaccine(_cvx("21", "varicella", "Chickenpox"), (12, 48), "SQ"),
    Vaccine(_cvx("83", "Hep A, ped/adol, 2 dose", "Hepatitis A"), (12, 18), "IM", (2006, 9998)),
    Vaccine(_cvx("115", "Tdap", "Tetanus, diphtheria, whooping cough"), (132,), "IM", (2005, 9998)),
    Vaccine(_cvx("114", "meningococcal MCV4P", "Meningococcus"), (132, 192), "IM", (2005, 9998)),
    Vaccine(_cvx("165", "HPV9", "Human papillomavirus"), (132, 156), "IM", (2016, 9998)),
    Vaccine(_cvx("113", "Td (adult) preservative free", "Tetanus and diphtheria"), (300, 420, 540, 660, 780)),
    Vaccine(_cvx("187", "zoster recombinant", "Shingles"), (600, 604), "IM", (2018, 9998), True),
    Vaccine(_cvx("33", "pneumococcal polysaccharide vaccine, 23 valent", "Pneumococcus"), (780,)),
    Vaccine(
        _cvx("208", "SARS-COV-2 (COVID-19) vaccine, mRNA, spike protein, LNP, preservative free, 30 mcg/0.3mL dose",
             "COVID-19"),
        (144, 145), "IM", (2021, 2022), True),
)  # fmt: skip
FLU = _cvx("140", "Influenza, seasonal, injectable, preservative free", "Influenza")

_ROUTES = {"IM": "Injection, intramuscular", "SQ": "Injection, subcutaneous", "PO": "Swallow, oral"}
_LEFT_ARM = hl7("v3-ActSite", "LA", "Left arm")
_LEFT_THIGH = hl7("v3-ActSite", "LT", "left thigh")
_ADMINISTERING = hl7("v2-0443", "AP", "Administering Provider")
_NURSE = "demo-nurse-tate"
_VISITS = ("child", "checkup", "followup")
_MAXIMUM = timedelta(days=2 * 365)
_FLU_MONTHS = (9, 10, 11, 12, 1)


def immunizations(chart: Chart) -> None:
    """Write every dose of this life."""
    visits = [visit for visit in chart.life.visits if visit.kind in _VISITS]
    for vaccine in SCHEDULE:
        _series(chart, vaccine, visits)
    latest = date.min
    for visit in visits:
        old_enough = (visit.day - chart.life.person.birth).days > 200
        in_season = visit.day.month in _FLU_MONTHS and (visit.day - latest).days > 250
        if old_enough and in_season and chart.dice.chance(0.7):
            latest = visit.day
            _give(chart, visit, FLU, "IM", None)


def _series(chart: Chart, vaccine: Vaccine, visits: list[Visit]) -> None:
    """The doses of one vaccine, each at its own visit, three weeks apart at least."""
    life = chart.life
    opens, closes = date(vaccine.years[0], 1, 1), date(vaccine.years[1], 12, 31)
    first = max(opens, life.begins - timedelta(days=5))
    after = date.min
    number = 0
    for months in vaccine.months:
        due = life.person.birth + timedelta(days=int(months * 30.4375) - 4)
        if vaccine.catch_up:
            due = max(due, opens)
        visit = next((v for v in visits if v.day >= due and v.day > after), None)
        if due < first or visit is None or visit.day - due > _MAXIMUM or visit.day > closes:
            continue
        number += 1
        after = visit.day + timedelta(days=20)
        _give(chart, visit, vaccine.code, vaccine.route, number)


def _give(chart: Chart, visit: Visit, code: Concept, route: str, number: int | None) -> None:
    baby = chart.life.person.age(visit.day) < 2
    by_mouth = route == "PO"
    chart.add(
        "Immunization",
        status="completed",
        vaccineCode=code.concept(),
        patient=chart.subject,
        encounter=chart.encounter(visit),
        occurrenceDateTime=when(visit.start + timedelta(minutes=12)),
        primarySource=True,
        location=location("clinic"),
        lotNumber=f"SB{chart.dice.number(10000, 99999)}",
        expirationDate=day(visit.day + timedelta(days=chart.dice.number(60, 500))),
        site=None if by_mouth else (_LEFT_THIGH if baby else _LEFT_ARM).concept(),
        route=hl7("v3-RouteOfAdministration", route, _ROUTES[route]).concept(),
        performer=[{"function": _ADMINISTERING.concept(), "actor": practitioner(_NURSE)}],
        protocolApplied=[{"authority": organization("clinic"), "doseNumberPositiveInt": number}] if number else None,
    )
