"""Seeded mutants of the code that writes scripts: small lies, each of which the checker must notice.

`python -m tests.oracle.video.mutants PATIENTS` writes the scripts of so many patients and stops at the first that the
checker finds fault with: the tests run it on a copy of the source in which one mutant's text is replaced.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

from tests.oracle.video.adapter import written
from tests.oracle.video.checker import check
from tests.oracle.video.patients import NOW

SEED = 1


class Mutant(NamedTuple):
    """`old` stands once in `file` (below src/hilum/video); `new` is the lie."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "sides of procedures are not told",
        "facts.py",
        '            slots["site"] = site\n        unsaid',
        "            pass\n        unsaid",
    ),
    Mutant(
        "sides of what was done are not told",
        "facts.py",
        '                if site.text:\n                    slots["site"] = site',
        "                if site.text:\n                    pass",
    ),
    Mutant(
        "of several sites the first is told",
        "facts.py",
        "for one in sites if (told := placed(self._phrases, one, side)).text])\n                if",
        "for one in sites[:1] if (told := placed(self._phrases, one, side)).text])\n                if",
    ),
    Mutant(
        "doses lose their last digits",
        "dosage.py",
        "    digits = number(value)\n",
        '    digits = f"{float(value.value):g}"\n',
    ),
    Mutant(
        "doses are rounded", "dosage.py", "    digits = number(value)\n", "    digits = str(round(value.value) or 1)\n"
    ),
    Mutant("micrograms are milligrams", "phrases/en.toml", 'ug = { text = "mcg"', 'ug = { text = "mg"'),
    Mutant("grams are called milligrams", "phrases/en.toml", 'g = { text = "g"', 'g = { text = "mg"'),
    Mutant(
        "units are left out",
        "dosage.py",
        'text, spoken = f"{digits} {unit.text or form}",',
        'text, spoken = f"{digits}",',
    ),
    Mutant(
        "times are the machine's",
        "moments.py",
        'return Moment(element, date.fromisoformat(day), time.fromisoformat(clock) if clock else None, offset or "")',
        "there = datetime.fromisoformat(element.value.replace('Z', '+00:00')) if clock else None\n"
        "        there = there and there.astimezone(timezone(timedelta(hours=2)))\n"
        "        return Moment(element, there.date() if there else date.fromisoformat(day), "
        "there and there.time(), '+02:00')",
    ),
    Mutant(
        "Greenwich is not named",
        "wording.py",
        "if offset in UTC else text",
        'if offset == "?" else text',
    ),
    Mutant("noon is in the morning", "wording.py", '"time-am" if at.hour < 12', '"time-am" if at.hour < 13'),
    Mutant("midnight is past noon", "wording.py", "str(at.hour % 12 or 12)", "str(at.hour or 12)"),
    Mutant("minutes lose their zero", "wording.py", 'f"{at.minute:02d}"', 'f"{at.minute}"'),
    Mutant("months are the ones before", "wording.py", "phrases.months[of.month - 1]", "phrases.months[of.month - 2]"),
    Mutant(
        "weekdays begin on Sunday",
        "wording.py",
        "phrases.weekdays[of.weekday()]",
        "phrases.weekdays[(of.weekday() + 1) % 7]",
    ),
    Mutant(
        "the dose is the first medicine's",
        "facts.py",
        "dosed = one.dosed(self._phrases)",
        "dosed = self._medicines[0].dosed(self._phrases)",
    ),
    Mutant(
        "stopped medicines are told",
        "medicines.py",
        "        if status in _OVER or (intent not in _ORDERS and intent):\n            continue\n"
        '        if status != "active" or not intent:\n',
        "        if intent not in _ORDERS and intent:\n            continue\n        if not intent:\n",
    ),
    Mutant(
        "the medicine is the first one's",
        "facts.py",
        '"medicine.name": one.name}',
        '"medicine.name": self._medicines[0].name}',
    ),
    Mutant(
        "only the first instruction is told",
        "dosage.py",
        "made = [_one(phrases, one) for one in listed]",
        "made = [_one(phrases, one) for one in listed[:1]]",
    ),
    Mutant(
        "when it is needed is left out",
        "dosage.py",
        '    if needed is not None and needed.choice == "Boolean" and needed.value is True:',
        '    if needed is not None and needed.choice == "?" and needed.value is True:',
    ),
    Mutant(
        "the reason to take it is left out",
        "dosage.py",
        'elif needed is not None and needed.choice == "CodeableConcept":',
        'elif needed is not None and needed.choice == "?":',
    ),
    Mutant(
        "the most is left out",
        "dosage.py",
        "    if most is not None:\n",
        "    if most is None:\n        return\n    if most == 0:\n",
    ),
    Mutant(
        "the most is the dose", "dosage.py", "amount = quantity(phrases, numerator)", "amount = _dose(phrases, one)"
    ),
    Mutant("offsets are not told", "timing.py", "if offset is None or offset.value == 0:", "if True:"),
    Mutant("days of the week are not told", "timing.py", 'for one in repeat.each("dayOfWeek")]', "for one in ()]"),
    Mutant(
        "frequencies are not told",
        "timing.py",
        'times = number(frequency) if frequency is not None else "1"',
        'times = "1"',
    ),
    Mutant("twice a day is three times", "timing.py", '"BID": (2, 1, "d", "")', '"BID": (3, 1, "d", "")'),
    Mutant("every other day is every day", "timing.py", '"QOD": (1, 2, "d", "")', '"QOD": (1, 1, "d", "")'),
    Mutant(
        "the end is the beginning",
        "timing.py",
        'phrases.say("dose-until", date=when(phrases, end,',
        'phrases.say("dose-until", date=when(phrases, start or end,',
    ),
    Mutant(
        "how many times is left out", "timing.py", "    if count is not None:\n", "    if count is None and count:\n"
    ),
    Mutant("morning is evening", "phrases/en.toml", 'MORN = "in the morning"', 'MORN = "in the evening"'),
    Mutant(
        "left is right in Spanish",
        "phrases/es.toml",
        'left-knee = "rodilla izquierda"',
        'left-knee = "rodilla derecha"',
    ),
    Mutant(
        "old names are used",
        "people.py",
        '_NAMES: Final = ("usual", "official", "")',
        '_NAMES: Final = ("nickname", "old", "usual", "official", "")',
    ),
    Mutant(
        "old numbers are used",
        "people.py",
        'in ("", "work", "mobile") and _current(one, now)',
        'in ("", "old", "work", "mobile")',
    ),
    Mutant(
        "faxes are telephones", "people.py", 'one.text("system") == "phone"', 'one.text("system") in ("fax", "phone")'
    ),
    Mutant("maiden names are used", "people.py", 'if name.text("use") in ("", "usual", "official"):', "if True:"),
    Mutant("the earliest visit counts", "visits.py", "start, visit = max(found,", "start, visit = min(found,"),
    Mutant(
        "cancelled appointments hold",
        "bookings.py",
        '"checked-in"))\n_NOT: Final = frozenset(("cancelled", ',
        '"checked-in", "cancelled"))\n_NOT: Final = frozenset((',
    ),
    Mutant(
        "the last appointment is next",
        "facts.py",
        "in appointments(self._record, self._now)[:1]:",
        "in appointments(self._record, self._now)[-1:]:",
    ),
    Mutant(
        "all visits' procedures are told",
        "facts.py",
        'if one.text("status") != "completed" or not self._record.same(one.get("encounter"), self._visit[0]):',
        'if one.text("status") != "completed":',
    ),
    Mutant(
        "orders that are over are told",
        "bookings.py",
        '        if status in _OVER or intent in ("proposal", "plan", "directive", "option"):\n            continue\n'
        '        if status != "active" or not intent:\n',
        "        if not intent:\n",
    ),
    Mutant(
        "preparations lose their end",
        "facts.py",
        'for words in re.split(r"(?<=[.!?]) (?=[A-ZÁÉÍÓÚÑ¿¡])", told.text):',
        'for words in re.split(r"(?<=[.!?]) (?=[A-ZÁÉÍÓÚÑ¿¡])", told.text)[:1]:',
    ),
    Mutant(
        "routes are all by mouth",
        "spellings.py",
        "if written & set(known)), OTHER)",
        "if written & set(known)), OTHER) and 'oral'",
    ),
    Mutant("pictures' clocks show the hour", "writing.py", 'Mark(f"{one:%H:%M}")', 'Mark(f"{one:%H}:00")'),
    Mutant(
        "pictures mark the other side",
        "sides.py",
        'return tuple(f"{one}-{part}" for one in sorted(side))',
        'return tuple(f"{LEFT if one == RIGHT else RIGHT}-{part}" for one in sorted(side))',
    ),
    Mutant(
        "calendars show the first of the month",
        "writing.py",
        "Mark(one.isoformat())",
        "Mark(one.replace(day=1).isoformat())",
    ),
    Mutant("a voice leaves the number out", "dosage.py", ', f"{digits} {form}"', ", form"),
    Mutant(
        "a voice says other digits",
        "wording.py",
        '", ".join(map(" ".join, groups))',
        '", ".join(map(" ".join, groups[1:]))',
    ),
    Mutant(
        "citations name another version",
        "elements.py",
        'f"{one.type}/{one.id}/_history/{one.version}"',
        'f"{one.type}/{one.id}/_history/{one.version + 1}"',
    ),
    Mutant("citations count from one", "elements.py", 'f"{found.path}[{n}]"', 'f"{found.path}[{n + 1}]"'),
    Mutant(
        "citations say another value",
        "elements.py",
        "return Citation(self.reference, self.path, self.value, said)",
        "return Citation(self.reference, self.path, said, said)",
    ),
    Mutant("names of drugs are all words", "medicines.py", "if w.casefold() not in FORMS)", ") | {'Call'}"),
)


def first_fault(patients: int) -> str:
    """Words about the first script that states what nothing supports, or leaves out what it must tell; "" for none."""
    for one in written(SEED, 0, patients):
        if one.code:
            continue
        for finding in check(one.script, one.patient.bundle, NOW):
            return f"patient {one.patient.number}, {one.template}, {one.language}: {finding}"
    return ""


if __name__ == "__main__":
    fault = first_fault(int(sys.argv[1]))
    print(fault)
    sys.exit(3 if fault else 0)
