"""What a sentence states: numbers with units, dates, times, how often, sides, drugs; read from its words alone.

English and Spanish. `Reading` takes a text apart from the surest form (a whole date) to the least (a word that nobody
knows): what has been read is taken out, so that nothing counts twice and nothing is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

MONTHS: Final = {
    name: number
    for names in (
        "january february march april may june july august september october november december",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    )
    for number, name in enumerate(names.split(), 1)
}
WEEKDAYS: Final = {
    name: number
    for names in (
        "monday tuesday wednesday thursday friday saturday sunday",
        "lunes martes miércoles jueves viernes sábado domingo",
    )
    for number, name in enumerate(names.split())
}
DAYS_OF_CODES: Final = {name: n for n, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))}
UNITS: Final = {
    "mg": "mg milligram milligrams miligramo miligramos",
    "g": "g gram grams gramo gramos",
    "mcg": "mcg ug µg microgram micrograms microgramo microgramos",
    "mL": "ml milliliter milliliters mililitro mililitros",
    "IU": "iu international_unit international_units unidad_internacional unidades_internacionales [iu]",
    "unit": "unit units unidad unidades [usp'u]",
    "drop": "drop drops gota gotas [drp]",
    "mEq": "meq milliequivalent milliequivalents miliequivalente miliequivalentes",
    "tablet": "tablet tablets tab tabs tableta tabletas pastilla pastillas {tbl}",
    "capsule": "capsule capsules cap cápsula cápsulas",
    "puff": "puff puffs inhalación inhalaciones {puff}",
    "spray": "spray sprays atomización atomizaciones spry",
    "suppository": "suppository suppositories supositorio supositorios supp",
    "patch": "patch patches parche parches",
    "teaspoon": "teaspoon teaspoons tsp cucharadita cucharaditas [tsp_us]",
    "tablespoon": "tablespoon tablespoons tbsp cucharada cucharadas [tbs_us]",
}
UNIT: Final = {word.replace("_", " "): unit for unit, words in UNITS.items() for word in words.split()}
SPANS: Final = {
    "s": "second seconds segundo segundos", "min": "minute minutes minuto minutos", "h": "hour hours hora horas",
    "d": "day days día días", "wk": "week weeks semana semanas", "mo": "month months mes meses",
    "a": "year years año años",
}  # fmt: skip
SPAN: Final = {word: code for code, words in SPANS.items() for word in words.split()}
_COUNTS: Final = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce",
}
COUNTS: Final = {
    language: {word: str(number) for number, word in enumerate(words.split())} for language, words in _COUNTS.items()
}
ARTICLES: Final = {"a": "1", "an": "1", "un": "1", "una": "1"}
"""Numbers where a unit follows, and else no numbers."""
PARTS: Final = {
    "MORN": "in the morning|por la mañana", "MORN.early": "early in the morning|temprano por la mañana",
    "MORN.late": "late in the morning|al final de la mañana", "NOON": "at noon|al mediodía",
    "AFT": "in the afternoon|por la tarde", "AFT.early": "early in the afternoon|temprano por la tarde",
    "AFT.late": "late in the afternoon|al final de la tarde", "EVE": "in the evening|al anochecer",
    "EVE.early": "early in the evening|temprano al anochecer", "EVE.late": "late in the evening|tarde al anochecer",
    "NIGHT": "at night|por la noche", "PHS": "after you fall asleep|después de dormirse",
    "HS": "at bedtime|al acostarse", "WAKE": "when you wake up|al despertar", "C": "with a meal|con una comida",
    "CM": "with breakfast|con el desayuno", "CD": "with lunch|con el almuerzo", "CV": "with dinner|con la cena",
    "AC": "before a meal|antes de una comida", "ACM": "before breakfast|antes del desayuno",
    "ACD": "before lunch|antes del almuerzo", "ACV": "before dinner|antes de la cena",
    "PC": "after a meal|después de una comida", "PCM": "after breakfast|después del desayuno",
    "PCD": "after lunch|después del almuerzo", "PCV": "after dinner|después de la cena",
}  # fmt: skip
PART: Final = {words: code for code, both in PARTS.items() for words in both.split("|")}
ROUTES: Final = {
    "oral": "by mouth|por la boca", "sublingual": "under your tongue|debajo de la lengua",
    "nasal": "in your nose|en la nariz", "skin": "on your skin|en la piel",
    "under-skin": "under your skin|debajo de la piel", "muscle": "into the muscle|en el músculo",
    "rectal": "in your rectum|en el recto", "vaginal": "in your vagina|en la vagina",
    "eye": "in your eye|en el ojo", "ear": "in your ear|en el oído", "inhaled": "breathe in|inhale",
}  # fmt: skip
ROUTE: Final = {words: code for code, both in ROUTES.items() for words in both.split("|")}
NEEDED: Final = ("only when you need it", "solo cuando la necesite")
SIDES: Final = {
    "left": "left", "right": "right", "izquierdo": "left", "izquierda": "left", "derecho": "right", "derecha": "right",
    "both": "both", "bilateral": "both", "ambos": "both", "ambas": "both",
}  # fmt: skip
_DRUGS: Final = """
acetaminophen albuterol alendronate allopurinol amlodipine amoxicillin apixaban atenolol atorvastatin
azithromycin baclofen bupropion carvedilol cephalexin cetirizine ciprofloxacin citalopram clonazepam
clopidogrel cyclobenzaprine diclofenac digoxin diltiazem doxycycline duloxetine enalapril escitalopram
famotidine fluoxetine fluticasone furosemide gabapentin glipizide hydrochlorothiazide hydrocodone hydroxyzine
ibuprofen insulin ketorolac lamotrigine latanoprost levetiracetam levothyroxine lisinopril loratadine
lorazepam losartan meloxicam metformin methotrexate metoprolol montelukast morphine naproxen nitroglycerin
omeprazole ondansetron oxycodone pantoprazole paroxetine potassium pravastatin prednisone pregabalin
quetiapine ramipril ranitidine rosuvastatin sertraline simvastatin spironolactone sumatriptan tamsulosin
timolol topiramate tramadol trazodone valsartan venlafaxine warfarin zolpidem
"""
DRUGS: Final = frozenset(_DRUGS.split())
GENERAL: Final = ("bad chest pain", "right away", "le duele mucho el pecho", "the right way", "in your own words",
                  "con sus palabras")  # fmt: skip
"""Turns of phrase with words that would state something elsewhere."""
_PLAIN: Final = {
    "en": """
a after agreed also and another ask at be before body breathe call came can care day do done dose each emergency feel
fever for from get getting given go guide had has have hello help helps here how if in inject is it its kind
know language local makes medicine medicines more need new next not number of on only or own phone place prescription
problem procedure put question ready saw says see short sick start stay stop take taking team tell than that
the them then this time to understand until us use visit was way well were what when where whom why will with words
worse wrote you your
""",
    "es": """
a acordaron atendió además ahora al algo antes así ayuda ayudan bien cada cae caso con corta cuando cuerpo cuándo cómo
de dejó del después dice dosis duda día díganos dónde el emergencias empiece en entiende equipo es ese esta estar este
esto está fiebre fue guía hace hacer haga hasta hicieron hola hora idioma inhale inyecte la las le listo llamar llame
lo los mal medicina medicinas mucho más necesite no nos nota nuevo número o otro palabras para parte pasa peor pida
ponga por preparar prepararse próxima puede que quién qué receta respirar sabe se si siente sobre solo su sus teléfono
tiene tipo toma toman tomar tome un una usa use usted va van vaya vino vio visita y ya úsela
""",
}
PLAIN: Final = {language: frozenset(words.split()) for language, words in _PLAIN.items()}
"""Words that state nothing about anybody."""


class Fact(NamedTuple):
    """`kind` and `value` decide whether it is supported; `start` and `end` are where it stands."""

    kind: str
    value: tuple[Any, ...]
    text: str = ""
    start: int = 0
    end: int = 0

    def means(self, words: frozenset[str]) -> bool:
        """Whether it is no more than one of these words."""
        return self.kind in ("word", "name") and self.value[0] in words

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.kind, *self.value)


def _any(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_MONTH, _WEEKDAY = _any(MONTHS), _any(WEEKDAYS)
_DIGITS: Final = r"(?<![\w.,])\d+(?:[.,/]\d+)*"
_DATES: Final = (
    re.compile(
        rf"(?:(?P<weekday>{_WEEKDAY}),? )?(?P<month>{_MONTH}) (?P<day>\d+)(?:st|nd|rd|th)?,? (?P<year>\d+)", re.I
    ),
    re.compile(rf"(?:(?P<weekday>{_WEEKDAY}),? )?(?P<day>\d+) de (?P<month>{_MONTH}) del? (?P<year>\d+)", re.I),
    re.compile(r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"),
    re.compile(rf"(?P<month>{_MONTH}) (?P<day>\d+)|(?P<day2>\d+) de (?P<month2>{_MONTH})", re.I),
    re.compile(r"\d+/\d+/\d+"),
)
_TIME: Final = re.compile(
    r"(?<![\d.,])(?P<hour>\d\d?)(?::(?P<minute>\d\d))? ?(?P<half>[ap])\.? ?m\b\.?(?P<utc> UTC)?"
    r"|(?<![\d.,])(?P<hour24>\d\d?):(?P<minute24>\d\d)(?::\d\d)?(?P<utc24> UTC)?",
    re.I,
)
_PHONE: Final = re.compile(r"(?<!\w)\+?\(?\d[\d().\- ]{5,}\d(?!\w)")
_UNIT_NAMES = _any(UNIT)
_SPAN_NAMES = _any(SPAN)


class Reading:
    """A text being read. `facts`: what was found; `rest`: the text with blanks where something was read."""

    def __init__(self, text: str, language: str, verbatim: Iterable[str] = (), drugs: Iterable[str] = ()) -> None:
        self.text, self.rest, self.language = text, text, language
        self.facts: list[Fact] = []
        self.told: set[str] = set()
        counts = {**COUNTS[language], **ARTICLES}
        number = rf"(?:{_DIGITS}|\b(?:{_any(counts)})\b)"
        self._counts = counts
        for one in sorted({one for one in verbatim if one}, key=len, reverse=True):
            if self._take(re.compile(rf"(?<!\w){re.escape(one)}(?!\w)"), lambda found: None):
                self.told.add(one)
        for one in GENERAL:
            self._take(re.compile(rf"\b{one}\b", re.I), lambda found: None)
        self._take(re.compile(r'"[^"]*"'), lambda found: ("quote", found[0]) if found[0].strip('"\0 ') else None)
        for pattern in _DATES:
            self._take(pattern, _date)
        self._take(_TIME, _time)
        self._take(_PHONE, lambda found: ("phone", re.sub(r"\D", "", found[0])))
        self._often(number)
        self._take(re.compile(rf"(?P<n>{number}) ?(?P<u>{_UNIT_NAMES})(?!\w)", re.I),
                   lambda found: ("dose", self._count(found["n"]), UNIT[found["u"].casefold()]))  # fmt: skip
        self._take(re.compile(rf"(?P<n>{number}) (?P<u>{_SPAN_NAMES})(?!\w)", re.I),
                   lambda found: ("span", self._count(found["n"]), SPAN[found["u"].casefold()]))  # fmt: skip
        for words in sorted(PART, key=len, reverse=True):
            self._take(re.compile(rf"\b{words}\b", re.I), lambda found: ("part", PART[found[0].casefold()]))
        self._take(re.compile(rf"\b({_WEEKDAY})s?\b", re.I), lambda found: ("weekday", WEEKDAYS[found[1].casefold()]))
        for words in sorted(ROUTE, key=len, reverse=True):
            self._take(re.compile(rf"\b{words}\b", re.I), lambda found: ("route", ROUTE[found[0].casefold()]))
        self._take(re.compile(_any(NEEDED), re.I), lambda found: ("needed",))
        self._take(re.compile(rf"\b({_any(SIDES)})\b", re.I), lambda found: ("side", SIDES[found[0].casefold()]))
        self._take(
            re.compile(rf"{_DIGITS}|\b(?:{_any(COUNTS[language])})\b|\d+", re.I), lambda found: ("number", found[0])
        )
        names = DRUGS | {one.casefold() for one in drugs}
        self._take(re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*"), lambda found: self._word(found, names))

    def _take(self, pattern: re.Pattern[str], of: Callable[[re.Match[str]], tuple[Any, ...] | None]) -> bool:
        taken = False
        for found in list(pattern.finditer(self.rest)):
            self.rest = self.rest[: found.start()] + "\0" * (found.end() - found.start()) + self.rest[found.end() :]
            taken = True
            made = of(found)
            if made is not None:
                self.facts.append(Fact(made[0], made[1:], found[0], found.start(), found.end()))
        return taken

    def _count(self, words: str) -> str:
        return self._counts.get(words.casefold(), words)

    def _often(self, number: str) -> None:
        """How often: `twice a day`, `2 veces cada 3 días`, `every 8 hours`; and how many times, without more."""
        once = r"once|twice|thrice|" if self.language == "en" else ""
        times = rf"(?P<n>{once}{number} (?:times?|vez|veces))"
        per = rf"(?:every|each|per|a|cada|al|por|a la) (?:(?P<p>{number}) )?(?P<u>{_SPAN_NAMES})(?!\w)"

        def often(found: re.Match[str]) -> tuple[Any, ...]:
            groups = found.groupdict()
            period = self._count(groups["p"]) if groups.get("p") else "1"
            unit = SPAN[groups["u"].casefold()] if groups.get("u") else "d"
            return "often", self._times(groups.get("n") or "1"), period, unit

        self._take(re.compile(rf"\b{times} {per}", re.I), often)
        self._take(re.compile(rf"\b{times} (?:daily|al día|diarias?)\b", re.I), often)
        self._take(re.compile(rf"\b(?:every|each|cada) (?:(?P<p>{number}) )?(?P<u>{_SPAN_NAMES})(?!\w)", re.I), often)
        self._take(re.compile(r"\b(?:daily|nightly|weekly|diariamente)\b", re.I), often)
        self._take(re.compile(rf"\b{times}(?!\w)", re.I), lambda found: ("times", self._times(found["n"])))

    def _times(self, words: str) -> str:
        first = words.casefold().split()[0]
        if self.language == "en" and first in ("once", "twice", "thrice"):
            return str(("once", "twice", "thrice").index(first) + 1)
        return self._count(first)

    def _word(self, found: re.Match[str], drugs: frozenset[str] | set[str]) -> tuple[Any, ...] | None:
        small = found[0].casefold()
        if small in drugs:
            return "drug", small
        if small in PLAIN[self.language] or small in ("m", "utc"):
            return None
        before = self.text[: found.start()].rstrip()
        middle = before and not before.endswith((".", "!", "?", ":", "¿"))
        return ("name" if found[0][0].isupper() and middle else "word"), small


def _date(found: re.Match[str]) -> tuple[Any, ...]:
    groups = found.groupdict()
    month = groups.get("month") or groups.get("month2")
    if not month:
        return "date", found[0]
    number = MONTHS.get(month.casefold()) or int(month)
    day = groups.get("day") or groups["day2"]
    weekday = groups.get("weekday")
    year = int(groups["year"]) if groups.get("year") else None
    return "date", year, number, int(day), WEEKDAYS[weekday.casefold()] if weekday else None


def _time(found: re.Match[str]) -> tuple[Any, ...]:
    if found["half"] is None:
        return "time", int(found["hour24"]) * 60 + int(found["minute24"]), bool(found["utc24"])
    hour, minute = int(found["hour"]), int(found["minute"] or 0)
    if not 1 <= hour <= 12:
        return "time", found[0], False
    late = found["half"].casefold() == "p"
    return "time", (hour % 12 + 12 * late) * 60 + minute, bool(found["utc"])
