"""Makes a life up: picks a story, lays illnesses along the years, books the visits."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta

from hilum.demo.codes import ZONE, age
from hilum.demo.conditions import ACUTE, CHRONIC, Acute, Chronic
from hilum.demo.dice import Dice
from hilum.demo.kinds import KINDS
from hilum.demo.life import Life, Pregnancy, Problem, Treatment, Visit
from hilum.demo.medications import MEDICINES
from hilum.demo.people import Person, person
from hilum.demo.stories import EXTRAS, STORIES, Story

_WELL_CHILD_MONTHS = (0.25, 2, 4, 6, 12, 15, 18, 24, 36, 48, 60, 84, 108, 132, 156, 180, 204)
_YEAR = 365.25
_PRENATAL_WEEKS = (16, 21, 28, 36)
_ALLERGIES = ("penicillin", "peanut", "dust", "grass", "mould", "shellfish", "bee", "latex")
_PAINKILLERS = ("ibuprofen", "naproxen")
_NO_PAINKILLERS = ("kidney", "atrial-fibrillation", "coronary", "reflux")
"""Conditions in which anti-inflammatory painkillers do harm: acetaminophen instead."""


def live(dice: Dice, number: int, today: date) -> Life:
    """The life of patient `number` (from 1) as it is known on `today`."""
    story = STORIES[number - 1] if number <= len(STORIES) else dice.weighted(STORIES, [s.weight for s in STORIES])
    gender = story.gender or dice.pick(("female", "male"))
    born = today - timedelta(days=dice.number(int(story.ages[0] * _YEAR) + 40, int((story.ages[1] + 1) * _YEAR) - 10))
    smoking = dice.weighted(("never", "former", "daily"), story.smokes)
    who = person(dice, number, gender, born, today, dice.between(*story.build), smoking)
    return _History(dice, who, story, today).life()


class _History:
    """The making of one life; each step adds to the lists that `life` freezes."""

    def __init__(self, dice: Dice, who: Person, story: Story, today: date) -> None:
        self.dice, self.who, self.story, self.today = dice, who, story, today
        self.dies = dice.chance(story.dies)
        self.end = today - timedelta(days=dice.number(40, 1400)) if self.dies else today
        years = dice.number(6, 25)
        adult = who.age(self.end) >= 18
        self.begins = max(who.birth, self.end - timedelta(days=int(years * _YEAR))) if adult else who.birth
        self.problems: list[Problem] = []
        self.treatments: list[Treatment] = []
        self.visits: list[Visit] = []
        self.pregnancies: list[Pregnancy] = []
        self.allergies: tuple[str, ...] = ()
        self.taken: set[date] = set()
        self.knee: date | None = None
        self.pacemaker: date | None = None
        self.died: datetime | None = None
        self.last = self.end - timedelta(days=8 if self.dies else 2)

    def life(self) -> Life:
        """All steps, in an order in which later ones know what earlier ones booked."""
        if self.dice.chance(0.3):
            self.allergies = (self.dice.pick(_ALLERGIES),)
        if self.story.name == "pregnancy":
            self._have_children()
        for key in self._conditions():
            self._fall_ill(key)
        self._operations()
        self._checkups()
        for _ in range(self.dice.number(1, 3) + (18 <= self.who.age(self.end) < 40)):
            self._passing_illness()
        self._keep_in_touch()
        if self.dies:
            self._die()
        return Life(
            person=self.who,
            today=self.today,
            begins=self.begins,
            end=self.end,
            died=self.died,
            problems=tuple(sorted(self.problems, key=lambda p: p.seen)),
            treatments=tuple(sorted(self.treatments, key=lambda t: t.start)),
            visits=tuple(sorted(self.visits, key=lambda v: v.start)),
            pregnancies=tuple(self.pregnancies),
            allergies=self.allergies,
            knee_replaced=self.knee,
            pacemaker=self.pacemaker,
        )

    def _book(
        self,
        kind: str,
        day: date,
        problem: Problem | None = None,
        *,
        practitioner: str | None = None,
    ) -> Visit | None:
        """A visit on that day or soon after, on free days, on weekdays where doors close at night; None if too late."""
        what = KINDS[kind]
        day = max(day, self.begins)
        minutes = self.dice.number(*what.minutes)
        # An hour is not chosen yet, so a visit may end on the day after its minutes say.
        nights = minutes // (24 * 60) + what.round_the_clock
        while self._busy(day, nights) or (not what.round_the_clock and day.weekday() >= 5):
            day += timedelta(days=1)
        if day + timedelta(days=nights) > self.last:
            return None
        hour = self.dice.number(0, 23) if what.round_the_clock else self.dice.number(8, 16)
        start = datetime.combine(day, time(hour, self.dice.pick((0, 15, 30, 45))), ZONE)
        doctor = practitioner or what.practitioner or self.who.pcp
        visit = Visit(kind, start, start + timedelta(minutes=minutes), doctor, problem)
        self.visits.append(visit)
        self.taken.update(day + timedelta(days=n) for n in range(nights + 1))
        return visit

    def _busy(self, day: date, nights: int) -> bool:
        return any(day + timedelta(days=n) in self.taken for n in range(nights + 1))

    def _begin(self, kind: str, key: str, course: Chronic | Acute | None, day: date, onset: date) -> Problem | None:
        """Book the visit at which a condition is diagnosed, and note the condition as of that day."""
        visit = self._book(kind, day, practitioner="demo-dr-keane" if kind == "hospital" else None)
        if visit is None:
            return None
        ended = None
        if isinstance(course, Acute):
            ended = visit.day + timedelta(days=self.dice.number(*course.days))
        elif course and course.ends_after:
            ended = visit.day + timedelta(days=course.ends_after)
        problem = Problem(key, course, min(onset, visit.day), visit.day, ended if ended and ended < self.end else None)
        self.problems.append(problem)
        self.visits[-1] = replace(visit, problem=problem, first=True)
        return problem

    # Lasting conditions.

    def _conditions(self) -> list[str]:
        old = self.who.age(self.end)
        keys = list(self.story.conditions)
        for extra in EXTRAS:
            gender = CHRONIC[extra.condition].gender
            fits = old >= extra.age and extra.condition not in keys and gender in (None, self.who.gender)
            if fits and not set(extra.but_not) & set(keys) and self.dice.chance(extra.probability):
                return [*keys, extra.condition]
        return keys

    def _fall_ill(self, key: str) -> None:
        course = CHRONIC[key]
        low, high = (self.who.birth + timedelta(days=int(years * _YEAR)) for years in course.ages)
        first, last = max(low, self.begins + timedelta(days=45)), min(high, self.end - timedelta(days=200))
        if key == "kidney":
            # Kidneys suffer from diabetes, and only after a while.
            first = max([first, *(p.seen + timedelta(days=700) for p in self.problems if p.key == "diabetes")])
        if first <= last:
            seen = onset = self.dice.day(first, last)
        else:
            # It began before these records do (or has to begin late): told at one of the first visits.
            seen = max(self.begins + timedelta(days=30), min(first, self.end - timedelta(days=200)))
            onset = self.dice.day(low, min(high, seen))
        problem = self._begin("emergency" if key == "sick-sinus" else "problem", key, course, seen, onset)
        if problem is None:
            return
        for medicine in course.medicines:
            self.treatments.append(Treatment(medicine, MEDICINES[medicine], problem, problem.seen, problem.ended))
        visit = None
        for months in course.followups:
            doctor = course.specialist if course.specialist and self.dice.chance(0.6) else None
            day = problem.seen + timedelta(days=int(months * 30.44) + self.dice.number(-5, 5))
            visit = self._book("followup", day, problem, practitioner=doctor)
        if visit and course.added and self.dice.chance(0.35):
            self.treatments.append(Treatment(course.added, MEDICINES[course.added], problem, visit.day))

    def _operations(self) -> None:
        """A new knee for half of those who waited two years; a pacemaker for a slow heart."""
        for problem in tuple(self.problems):
            if problem.key == "sick-sinus":
                visit = self._book("hospital", problem.seen + timedelta(days=9), problem, practitioner="demo-dr-petrov")
                self.pacemaker = visit.end.date() if visit else None
            elif problem.key == "knee" and self.dice.chance(0.5):
                day = problem.seen + timedelta(days=self.dice.number(700, 1500))
                visit = self._book("hospital", day, problem, practitioner="demo-dr-stone")
                self.knee = visit.end.date() if visit else None

    # Visits that come with the years.

    def _checkups(self) -> None:
        if self.begins == self.who.birth:
            for months in _WELL_CHILD_MONTHS:
                day = self.who.birth + timedelta(days=int(months * 30.44) + self.dice.number(0, 9))
                if day < self.end:
                    self._book("child", day)
            return
        count = self.dice.number(3, 4)
        gap = max(370, (self.end - self.begins).days // count)
        day = self.end - timedelta(days=self.dice.number(15, 330))
        for _ in range(count):
            if day > self.begins:
                grown = age(self.who.birth, day) >= 18
                self._book("checkup" if grown else "child", day)
            day -= timedelta(days=gap + self.dice.number(-20, 20))

    def _keep_in_touch(self) -> None:
        """Whoever lives with a condition is seen for it about once a year in the last years, and lately."""
        lasting = [p for p in self.problems if isinstance(p.course, Chronic) and p.ended is None and p.course.followups]
        if not lasting:
            return
        if not self.dies:
            self._book("followup", self.today - timedelta(days=self.dice.number(12, 120)), lasting[0])
        for years in range(1, 6):
            day = self.end - timedelta(days=int(years * _YEAR) + self.dice.number(0, 60))
            near = any(abs((other - day).days) < 240 for other in self.taken)
            if day > lasting[0].seen and not near:
                self._book("followup", day, lasting[0])

    def _passing_illness(self) -> None:
        day = self.dice.day(self.begins + timedelta(days=200), self.end - timedelta(days=60))
        if any(p.began <= day <= p.born + timedelta(days=60) for p in self.pregnancies):
            return
        old = age(self.who.birth, day)
        had = {p.key for p in self.problems}
        possible = [
            key
            for key, a in ACUTE.items()
            if a.ages[0] <= old <= a.ages[1]
            and a.gender in (None, self.who.gender)
            and (not a.months or day.month in a.months)
            and day.year >= a.since
            and not (a.once and key in had)
        ]
        if not possible:
            return
        key = self.dice.weighted(possible, [ACUTE[k].weight for k in possible])
        course = ACUTE[key]
        # Nobody saw a doctor by video before 2016 here; injuries bring people in on the same day.
        place = "problem" if course.place == "telehealth" and day.year < 2016 else course.place
        onset = day - timedelta(days=0 if course.pain else self.dice.number(1, 4))
        problem = self._begin(place, key, course, day, onset)
        medicine = problem and self._choose(course, problem.seen)
        if problem and medicine:
            drug = MEDICINES[medicine]
            stop = problem.seen + timedelta(days=drug.days - 1)
            self.treatments.append(Treatment(medicine, drug, problem, problem.seen, stop))

    def _choose(self, course: Acute, day: date) -> str | None:
        """The medicine for a passing illness that this person can take."""
        child = age(self.who.birth, day) < 12
        medicine = course.child if child and course.child else course.medicine
        if medicine is None or (child and medicine == "acetaminophen"):
            return None
        if MEDICINES[medicine].penicillin and "penicillin" in self.allergies:
            return "azithromycin"
        if medicine in _PAINKILLERS and any(p.key in _NO_PAINKILLERS for p in self.problems):
            return "acetaminophen"
        return medicine

    def _have_children(self) -> None:
        """One or two pregnancies since 19, at least two years apart; the last may still go on."""
        oldest = max(self.begins, self.who.birth + timedelta(days=int(19 * _YEAR)))
        if self.dice.chance(0.25):
            began = self.today - timedelta(days=self.dice.number(75, 255))
        else:
            began = self.dice.day(oldest, self.today - timedelta(days=420))
        starts = [began]
        earlier = began - timedelta(days=self.dice.number(760, 1500))
        if earlier > oldest and self.dice.chance(0.7):
            starts.insert(0, earlier)
        for start in starts:
            self._pregnancy(start)

    def _pregnancy(self, began: date) -> None:
        first = self._book("prenatal-first", began + timedelta(days=self.dice.number(58, 70)))
        if first is None:
            return
        born = began + timedelta(days=self.dice.number(269, 287))
        birth = self._book("birth", born)
        ended = birth.day if birth else None
        self.pregnancies.append(Pregnancy(began, ended or born, self.dice.chance(0.25)))
        problem = Problem("pregnancy", None, began, first.day, ended)
        self.problems.append(problem)
        self.visits[self.visits.index(first)] = replace(first, problem=problem, first=True)
        if birth:
            self.visits[self.visits.index(birth)] = replace(birth, problem=problem)
        for week in _PRENATAL_WEEKS:
            self._book("prenatal", began + timedelta(days=7 * week), problem)
        if ended:
            self._book("postnatal", ended + timedelta(days=43), problem)

    def _die(self) -> None:
        """The last days, in hospital, with the gravest condition. Nothing is booked after them."""
        grave = self.problems[0]
        doctor = (isinstance(grave.course, Chronic) and grave.course.specialist) or "demo-dr-petrov"
        start = datetime.combine(
            self.end - timedelta(days=self.dice.number(1, 5)), time(self.dice.number(0, 23), 30), ZONE
        )
        self.died = datetime.combine(self.end, time(self.dice.number(1, 22), self.dice.number(0, 59)), ZONE)
        self.visits.append(Visit("hospital", start, self.died, doctor, grave))
