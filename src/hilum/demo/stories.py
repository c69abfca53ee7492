"""The stories that lives are made from: what kind of person comes to the clinic with what."""

from __future__ import annotations

from typing import NamedTuple


class Story(NamedTuple):
    """One story: its share of the town, ages, gender (None: either), the lasting conditions, and its odds.

    `build`: body weight against the median of the age. `smokes`: odds of never, formerly, daily. `dies`: probability
    that the life has ended in the last four years.
    """

    name: str
    weight: int
    ages: tuple[int, int]
    conditions: tuple[str, ...] = ()
    gender: str | None = None
    build: tuple[float, float] = (0.92, 1.25)
    smokes: tuple[int, int, int] = (7, 2, 1)
    dies: float = 0.0


STORIES = (
    Story("diabetes", 13, (46, 76), ("diabetes", "cholesterol", "hypertension"), build=(1.2, 1.45)),
    Story("child", 15, (0, 12), build=(0.9, 1.15), smokes=(1, 0, 0)),
    Story("pregnancy", 8, (21, 39), gender="female", smokes=(9, 1, 0)),
    Story("heart rhythm", 4, (67, 86), ("hypertension", "sick-sinus"), dies=0.15),
    Story("asthma in childhood", 6, (8, 16), ("childhood-asthma", "hay-fever"), build=(0.9, 1.15), smokes=(1, 0, 0)),
    Story("blood pressure", 13, (45, 80), ("hypertension",), build=(1.0, 1.35)),
    Story("depression", 9, (20, 60), ("depression",)),
    Story("COPD", 6, (60, 82), ("copd", "hypertension"), smokes=(0, 6, 4), dies=0.2),
    Story("knees", 9, (56, 80), ("knee",), build=(1.1, 1.4)),
    Story("adult in good health", 14, (18, 60)),
    Story("memory", 5, (74, 92), ("alzheimer",), dies=0.45),
    Story("thyroid", 6, (30, 70), ("thyroid",), gender="female"),
    Story("kidneys", 4, (60, 84), ("diabetes", "kidney", "hypertension"), build=(1.1, 1.4), dies=0.15),
    Story("heart flutter", 4, (65, 86), ("cholesterol", "atrial-fibrillation"), smokes=(4, 4, 1), dies=0.15),
    Story("asthma", 6, (25, 60), ("asthma", "hay-fever")),
    Story("anemia", 4, (20, 48), ("anemia",), gender="female"),
    Story("heart vessels", 4, (58, 80), ("cholesterol", "coronary"), smokes=(2, 5, 2), dies=0.1),
    Story("teenager", 6, (13, 17), build=(0.9, 1.2), smokes=(1, 0, 0)),
)
"""The first patients take the stories in this order, one each; later ones by weight."""


class Extra(NamedTuple):
    """A condition that anyone of the age may have besides their story, but for those with one of `but_not`."""

    condition: str
    age: int
    probability: float
    but_not: tuple[str, ...] = ()


EXTRAS = (
    Extra("hypertension", 52, 0.25),
    Extra("cholesterol", 48, 0.2),
    Extra("reflux", 32, 0.12),
    Extra("hay-fever", 9, 0.1),
    Extra("prostate", 61, 0.25),
    Extra("osteoporosis", 66, 0.25),
    Extra("knee", 62, 0.12, ("kidney", "atrial-fibrillation", "coronary", "reflux")),
)
"""At most one of them joins a story."""
