"""Who lives in Saguaro Bend: names, families, addresses.

The names are common ones of each community, written down for this file from general knowledge (2026-11); given and
family names are joined by chance, and no record of a person was used. Race and ethnicity codes: CDC Race and
Ethnicity code set as bound in US Core 6.1 (OMB categories). Telephone numbers 555-0100 to 555-0199 are kept for
fiction; no ZIP code begins with 861.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Any

from hilum.demo.codes import LANGUAGE, Concept, age
from hilum.demo.dice import Dice

_RACE = "urn:oid:2.16.840.1.113883.6.238"
WHITE = Concept(_RACE, "2106-3", "White")
BLACK = Concept(_RACE, "2054-5", "Black or African American")
NATIVE = Concept(_RACE, "1002-5", "American Indian or Alaska Native")
ASIAN = Concept(_RACE, "2028-9", "Asian")
PACIFIC = Concept(_RACE, "2076-8", "Native Hawaiian or Other Pacific Islander")
HISPANIC = Concept(_RACE, "2135-2", "Hispanic or Latino")
NOT_HISPANIC = Concept(_RACE, "2186-5", "Not Hispanic or Latino")

ENGLISH = Concept(LANGUAGE, "en", "English")
SPANISH = Concept(LANGUAGE, "es", "Spanish")


@dataclass(frozen=True, slots=True)
class Community:
    """A part of the town: its share (per hundred), its names, and who prefers another language than English."""

    share: int
    race: Concept
    ethnicity: Concept
    language: Concept
    prefers: float
    female: tuple[str, ...]
    male: tuple[str, ...]
    family: tuple[str, ...]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COMMUNITIES = (
    Community(
        44, WHITE, NOT_HISPANIC, ENGLISH, 1.0,
        _names("Abigail Alice Barbara Claire Dorothy Eleanor Emily Grace Hannah Helen Julia Laura Linda Margaret Nora "
               "Olivia Patricia Ruth Sarah Susan"),
        _names("Adam Arthur Benjamin Carl Daniel Edward Frank George Henry Jack James Liam Michael Nathan Oliver Paul "
               "Peter Robert Samuel Walter"),
        _names("Anderson Baker Bennett Brooks Carter Collins Cooper Fisher Foster Hansen Harris Hughes Kowalski Larsen "
               "Miller Mitchell Morgan Novak O'Brien Parker Schmidt Taylor Turner Walsh Wright"),
    ),
    Community(
        30, WHITE, HISPANIC, SPANISH, 0.6,
        _names("Alejandra Ana Beatriz Camila Carmen Daniela Elena Esperanza Gabriela Guadalupe Inés Isabel Lucía María "
               "Mónica Paola Rosa Sofía Teresa Valentina"),
        _names("Alejandro Andrés Antonio Carlos Diego Eduardo Emilio Fernando Gabriel Héctor Ignacio Javier Jorge José "
               "Luis Manuel Mateo Miguel Rafael Santiago"),
        _names("Aguilar Castillo Cruz Delgado Domínguez Flores García González Gutiérrez Hernández Jiménez López "
               "Martínez Medina Mendoza Morales Núñez Ortega Peña Ramírez Reyes Ríos Salazar Torres Vargas"),
    ),
    Community(
        8, BLACK, NOT_HISPANIC, ENGLISH, 1.0,
        _names("Aaliyah Angela Brianna Denise Ebony Gloria Imani Jasmine Kiara Loretta Naomi Simone Tamika Vivian"),
        _names("Andre Cedric Darius Elijah Isaiah Jamal Jerome Malik Marcus Reginald Terrence Tyrone Victor Xavier"),
        _names("Banks Bell Booker Coleman Dawson Franklin Gaines Hayes Jackson Jefferson Robinson Simmons Washington"),
    ),
    Community(
        7, NATIVE, NOT_HISPANIC, ENGLISH, 1.0,
        _names("Charlene Dawn Delphine Evelyn Kateri Leandra Marlene Nizhoni Roberta Shandiin Sheila Winona"),
        _names("Alvin Calvin Darrell Emerson Harrison Leland Myron Nathaniel Orlando Raymond Sherwin Wilson"),
        _names("Begay Benally Chee Etsitty Joe Lomayesva Manuelito Nez Peshlakai Tsosie Whitehorse Yazzie"),
    ),
    Community(
        3, ASIAN, NOT_HISPANIC, Concept(LANGUAGE, "vi", "Vietnamese"), 0.5,
        _names("Bích Hoa Hương Lan Linh Mai Ngọc Thảo Trang Yến"),
        _names("Anh Bảo Dũng Hải Hùng Khánh Long Minh Quang Tuấn"),
        _names("Bùi Đặng Đỗ Hoàng Lê Nguyễn Phạm Phan Trần Vũ"),
    ),
    Community(
        2, ASIAN, NOT_HISPANIC, Concept(LANGUAGE, "zh", "Chinese"), 0.5,
        _names("Fang Hui Jing Lihua Mei Na Ping Xiulan Yan Ying"),
        _names("Bo Chao Gang Hao Jian Jun Lei Ming Wei Yong"),
        _names("Chen Gao Huang Li Lin Liu Wang Wu Xu Zhang"),
    ),
    Community(
        2, ASIAN, NOT_HISPANIC, Concept(LANGUAGE, "hi", "Hindi"), 0.2,
        _names("Ananya Deepa Kavita Lakshmi Meera Neha Pooja Priya Sunita Usha"),
        _names("Amit Arjun Deepak Kiran Manoj Nikhil Rahul Sanjay Suresh Vikram"),
        _names("Gupta Iyer Joshi Kapoor Mehta Nair Patel Rao Sharma Singh"),
    ),
    Community(
        2, WHITE, NOT_HISPANIC, Concept(LANGUAGE, "ar", "Arabic"), 0.5,
        _names("Amal Fatima Hanan Layla Mariam Nadia Rania Samira Yasmin Zaynab"),
        _names("Ahmad Bilal Faris Hassan Ibrahim Karim Mahmoud Omar Tariq Yusuf"),
        _names("Darwish Farouk Haddad Khalil Mansour Nasser Rahman Saleh Shaheen Zaman"),
    ),
    Community(
        2, PACIFIC, NOT_HISPANIC, ENGLISH, 1.0,
        _names("Alana Kalea Leilani Lupe Mahina Moana Sina Talia"),
        _names("Fetu Ioane Kai Keoni Makoa Manu Sione Tavita"),
        _names("Kahale Kealoha Leota Mahoe Palakiko Taufa Tuiasosopo Vea"),
    ),
)  # fmt: skip

_STREETS = _names("Agave Canyon Chuparosa Cottonwood Creosote Hummingbird Ironwood Juniper Mesquite Ocotillo Paloverde "
                  "Quail Roadrunner Sandstone Sycamore Yucca")  # fmt: skip
_KINDS = ("Street", "Avenue", "Lane", "Road", "Drive", "Court")
_MARITAL = (
    (18, ((None, 1),)),
    (30, (("S", 7), ("M", 3))),
    (65, (("M", 6), ("S", 2), ("D", 2))),
    (130, (("M", 5), ("W", 4), ("D", 1))),
)
_PRIMARY = ("demo-dr-walsh", "demo-dr-okafor", "demo-dr-ibarra")


@dataclass(frozen=True, slots=True)
class Person:
    """One invented person. `stature` and `build` scale height and weight for the age; `pcp` is a Practitioner id."""

    number: int
    id: str
    gender: str
    birth: date
    given: tuple[str, ...]
    family: str
    community: Community
    language: Concept
    address: dict[str, Any]
    phone: str
    email: str
    marital: str | None
    stature: float
    build: float
    smoking: str
    pcp: str
    kin: tuple[str, str, str]
    """Next of kin: relationship code (v3-RoleCode), given and family name."""

    @property
    def name(self) -> str:
        """As printed: `María Elena Ruiz`."""
        return " ".join((*self.given, self.family))

    def age(self, on: date) -> int:
        """Whole years on that day."""
        return age(self.birth, on)


def _plain(text: str) -> str:
    """For an e-mail address: letters only, as ASCII allows."""
    letters = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D")).lower()
    return "".join(c for c in letters if "a" <= c <= "z")


def person(dice: Dice, number: int, gender: str, birth: date, today: date, build: float, smoking: str) -> Person:
    """Give a gender and a birthday a name, a family and a home."""
    community = dice.weighted(COMMUNITIES, [c.share for c in COMMUNITIES])
    first = getattr(community, gender)
    names = [dice.pick(first)]
    if dice.chance(0.5) and (second := dice.pick(first)) not in names:
        names.append(second)
    family = dice.pick(community.family)
    if community.ethnicity is HISPANIC and dice.chance(0.35) and (other := dice.pick(community.family)) != family:
        family = f"{family} {other}"
    old = age(birth, today)
    statuses = next(row for limit, row in _MARITAL if old < limit)
    marital = dice.weighted([code for code, _ in statuses], [weight for _, weight in statuses])
    return Person(
        number=number,
        id=f"demo-p{number:03d}",
        gender=gender,
        birth=birth,
        given=tuple(names),
        family=family,
        community=community,
        language=community.language if dice.chance(community.prefers) else ENGLISH,
        address={
            "use": "home",
            "type": "both",
            "line": [f"{dice.number(2, 98) * 10 + 1} {dice.pick(_STREETS)} {dice.pick(_KINDS)}"],
            "city": "Saguaro Bend",
            "state": "AZ",
            "postalCode": f"8610{dice.number(1, 4)}",
            "country": "US",
        },
        phone=f"+1-928-555-01{dice.number(0, 99):02d}",
        email=f"{_plain(names[0])}.{_plain(family.split()[0])}{number}@mail.example",
        marital=marital,
        stature=dice.around(1.0, 0.035),
        build=build,
        smoking=smoking,
        pcp="demo-dr-lindqvist" if old < 18 else dice.pick(_PRIMARY),
        kin=_kin(dice, community, gender, family, old, marital),
    )


def _kin(
    dice: Dice, community: Community, gender: str, family: str, old: int, marital: str | None
) -> tuple[str, str, str]:
    if old < 18:
        code = dice.pick(("MTH", "FTH"))
    elif marital == "M":
        code = "HUSB" if gender == "female" else "WIFE"
    else:
        code = dice.pick(("SIS", "BRO") if old < 60 else ("DAUC", "SONC"))
    female = code in ("MTH", "WIFE", "SIS", "DAUC")
    return code, dice.pick(community.female if female else community.male), family
