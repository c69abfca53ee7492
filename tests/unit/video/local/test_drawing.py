"""Pixels: contrast as it is seen, sides of the body, clocks."""

from __future__ import annotations

from collections import Counter

import pytest
from PIL import Image
from tests.unit.video.local.played import WHOLE, scene, script

from hilum.video.local.drawing import drawn, said
from hilum.video.local.palette import MARK, MOON, Colour, contrast
from hilum.video.local.places import MIDDLE, PAIRED, spot
from hilum.video.local.screens import screens
from hilum.video.local.sheet import Box, Sheet, Written
from hilum.video.renderer import SIZES, Shape
from hilum.video.script import DO, Mark, Script

SHAPES: list[Shape] = ["wide", "tall"]


def pixels(image: Image.Image, box: Box) -> Counter[Colour]:
    part = image.crop((int(box.x), int(box.y), int(box.right), int(box.bottom)))
    raw = part.tobytes()
    return Counter(zip(raw[::3], raw[1::3], raw[2::3], strict=True))


def seen(sheet: Sheet, written: Written) -> float:
    """The contrast of the ground, the most frequent colour, with what differs most from it among the frequent."""
    found = pixels(sheet.image, written.box)
    ground, _ = found.most_common(1)[0]
    letters = [colour for colour, count in found.items() if count >= 12]
    return max(contrast(colour, ground) for colour in letters)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_text_has_the_contrast_of_aa_as_it_is_drawn(shape: Shape) -> None:
    for screen in screens(WHOLE, shape):
        sheet = said(drawn(WHOLE, screen), WHOLE, screen, 0)
        assert sheet.image.size == SIZES[shape]
        for one in sheet.written:
            assert contrast(one.colour, one.ground) >= 4.5, one
            assert seen(sheet, one) >= 4.5, one


def marked(at: str, shape: Shape = "wide") -> tuple[float, float, Sheet, Script]:
    """Where the mark is seen, from the middle of the picture."""
    of = script(scene(DO, "Here", "There.", kind="body", marks=(Mark(at),)))
    (screen,) = screens(of, shape)
    sheet = drawn(of, screen)
    card = screen.stage.card
    assert card is not None
    image = sheet.image
    points = [
        (x, y)
        for y in range(int(card.y), int(card.bottom), 2)
        for x in range(int(card.x), int(card.right), 2)
        if image.getpixel((x, y)) == MARK
    ]
    assert points
    x, y = (sum(values) / len(values) for values in zip(*points, strict=True))
    return x - card.middle[0], y - card.middle[1], sheet, of


@pytest.mark.parametrize("shape", SHAPES)
def test_from_the_front_the_patients_right_is_at_the_left_of_the_picture_and_written_there(shape: Shape) -> None:
    right, _, sheet, _ = marked("right-knee", shape)
    left, _, _, _ = marked("left-knee", shape)
    assert right < -5 and left > 5
    places = {one.text: one.box.x for one in sheet.written}
    own = (places["Your right"], places["Your left"]) if shape == "tall" else (places["right"], places["left"])
    assert own[0] < own[1]


def test_from_behind_the_patients_left_is_at_the_left_of_the_picture_and_written_there() -> None:
    right, _, sheet, _ = marked("right-kidney")
    left, _, _, _ = marked("left-kidney")
    assert left < -5 and right > 5
    places = {one.text: one.box.x for one in sheet.written}
    assert "Seen from behind" in places and places["left"] < places["right"]


def test_marks_of_both_eyes_are_two() -> None:
    right, _, _, _ = marked("right-eye")
    left, _, _, _ = marked("left-eye")
    assert left - right > 60


@pytest.mark.parametrize("part", PAIRED)
def test_each_part_of_which_there_are_two_is_on_the_side_that_is_said(part: str) -> None:
    left, right = spot(f"left-{part}"), spot(f"right-{part}")
    assert left and right and left.x == -right.x != 0 and left.y == right.y
    assert (left.x > 0) == (left.view == "front")
    assert spot(f"{part}-left") == left
    assert spot(part) is None  # which of two is not said, and must not be guessed


def test_parts_in_the_middle_and_unknown_ones() -> None:
    assert all(spot(part) for part in MIDDLE)
    assert spot("left-chest") != spot("right-chest")
    assert spot("soul") is None and spot("left-right-knee") is None and spot("") is None


def texts(of: Script, shape: Shape = "wide") -> list[str]:
    (screen,) = screens(of, shape)
    return [one.text for one in drawn(of, screen).written]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_clock_tells_each_time_before_and_after_noon_apart(shape: Shape) -> None:
    marks = tuple(Mark(at) for at in ("00:30", "08:00", "12:00", "20:15"))
    found = texts(script(scene(DO, "When", "Then.", kind="clock", marks=marks)), shape)
    morning, evening = found[found.index("AM") : found.index("PM")], found[found.index("PM") :]
    assert [text for text in morning if ":" in text] == ["12:30", "8:00"]
    assert [text for text in evening if ":" in text] == ["12:00", "8:15"]


@pytest.mark.parametrize("at, moon", [("08:00", True), ("14:00", False), ("17:59", False), ("18:00", True)])
def test_a_dose_in_the_afternoon_has_a_sun_and_no_moon(at: str, moon: bool) -> None:
    of = script(scene(DO, "When", "Then.", kind="clock", marks=(Mark(at),)))
    (screen,) = screens(of, "wide")
    assert screen.stage.card is not None
    assert (pixels(drawn(of, screen).image, screen.stage.card)[MOON] > 0) is moon


def test_a_clock_with_many_doses_shows_all_of_them() -> None:
    marks = tuple(Mark(f"{hour:02d}:00") for hour in range(0, 24, 4))
    found = texts(script(scene(DO, "When", "Then.", kind="clock", marks=marks)))
    assert len([text for text in found if text.endswith(":00")]) == 6


@pytest.mark.parametrize("language, expected", [("en", "Thursday, December 3"), ("es-US", "jueves 3 de diciembre")])
def test_a_calendar_shows_the_day_and_says_it(language: str, expected: str) -> None:
    of = script(scene(DO, "When", "Then.", kind="calendar", marks=(Mark("2026-12-03"),)), language=language)
    found = texts(of)
    assert expected in " ".join(found).replace("\u00a0", " ")
    assert [text for text in found if text.isdigit()] == [str(day) for day in range(1, 32)]


@pytest.mark.parametrize("kind, at", [("calendar", "2026-12"), ("nothing", ""), ("", "")])
def test_what_can_not_be_drawn_leaves_its_room_to_the_text(kind: str, at: str) -> None:
    of = script(scene(DO, "When", "Then.", kind=kind, marks=(Mark(at),)))
    (screen,) = screens(of, "wide")
    assert screen.stage.card is None and screen.stage.body.width > 1000


def test_the_same_screen_is_drawn_the_same_twice() -> None:
    screen = screens(WHOLE, "wide")[2]
    assert drawn(WHOLE, screen).image.tobytes() == drawn(WHOLE, screen).image.tobytes()
