"""How many years of school a text asks for, counted by itself: Flesch-Kincaid, and Fernández Huerta for Spanish.

Kincaid and others, 1975: 0.39 words / sentences + 11.8 syllables / words - 15.59. Fernández Huerta, 1959: 206.84 - 60
syllables / words - 1.02 words / sentences, of which 100 is year 3, 90 year 4, 80 year 5, 70 year 6, 60 year 8.
"""

from __future__ import annotations

import itertools
import re
from typing import Any, Final

_TWO: Final = re.compile(r"i[ao](?!us|n)|[^q]ua(?!r)|eo|[aeiouy]ing|i[ae]t|ier$|iest$|ia$|io$")
"""Two vowels that are two syllables."""
_KNOWN: Final = {
    "medicine": 3,
    "medicines": 3,
    "something": 2,
    "sometimes": 2,
    "people": 2,
    "every": 2,
    "being": 2,
    "create": 2,
    "business": 2,
    "different": 3,
    "area": 3,
    "breathe": 1,
    "dose": 1,
    "science": 2,
    "chocolate": 2,
    "diabetes": 4,
    "idea": 3,
    "clothes": 1,
    "friend": 1,
    "evening": 2,
    "capsule": 2,
    "capsules": 2,
    "does": 1,
    "knee": 1,
}


def english(word: str) -> int:
    """Syllables of an English word, by its letters and a few that break the rules."""
    small = re.sub(r"[^a-z]", "", word.casefold())
    if small in _KNOWN:
        return _KNOWN[small]
    stem = re.sub(r"(?<=[aeiouy])(?:e?ly|ful|less|ment|ness)$", "", small)
    added = 1 if stem != small else 0
    stem = re.sub(r"(?<![aeiouy])(?:es)$(?<!ses)(?<!ces)(?<!ges)(?<!xes)(?<!zes)(?<!ches)(?<!shes)(?<!les)", "s", stem)
    stem = re.sub(r"(?<![aeiouytd])ed$|(?<![aeiouyl])e$|(?<=[aeiouy]l)e$|(?<=[aeiouy])e$", "", stem)
    return max(1, len(re.findall(r"[aeiouy]+", stem)) + len(_TWO.findall(stem)) + added)


def spanish(word: str) -> int:
    """Syllables of a Spanish word: vowels, of which a weak one beside another counts with it."""
    small = re.sub(r"y(?=[aeiouáéíóú])", "l", re.sub(r"([qg])u(?=[eiéí])", r"\1", word.casefold()))
    count = 0
    previous = ""
    for letter in small:
        if letter in "aeiouáéíóúüy":
            weak = previous in "iuüy" or letter in "iuüy"
            count += not (previous and weak and previous not in "íú" and letter not in "íú")
            previous = letter
        else:
            previous = ""
    return max(1, count)


def grade(script: dict[str, Any]) -> float:
    """Of all sentences of a script; names of drugs are not counted, and a number is one syllable."""
    exempt = {one.casefold() for one in script.get("exempt", ())}
    sentences = words = syllables = 0
    for scene in script["scenes"]:
        for one in scene["sentences"]:
            text = re.sub(r"\b([ap])\. ?m\.", r"\1m", one["text"])
            text = re.sub(r"\b(Dra?|St|Mrs?)\.", r"\1", text)
            sentences += max(1, len(re.findall(r"[.!?]+[\"”)]*(?= |$)", text)))
            for word in re.findall(r"\d[\d.,:/-]*|[^\W\d_]+(?:['’][^\W\d_]+)*", text):
                if word.casefold() not in exempt:
                    words += 1
                    syllables += 1 if word[0].isdigit() else (english if script["language"] == "en" else spanish)(word)
    if script["language"] == "en":
        return 0.39 * words / sentences + 11.8 * syllables / words - 15.59
    return year(206.84 - 60 * syllables / words - 1.02 * words / sentences)


def year(score: float) -> float:
    """The school year of a Spanish score."""
    steps = ((100.0, 3.0), (90.0, 4.0), (80.0, 5.0), (70.0, 6.0), (60.0, 8.0), (50.0, 10.0), (30.0, 12.0), (0.0, 16.0))
    for (high, low_year), (low, high_year) in itertools.pairwise(steps):
        if score >= low:
            return high_year - (min(score, high) - low) / (high - low) * (high_year - low_year)
    return 16.0


REFERENCE: Final = {
    "en": """
1: a you your call came see us on at it is to do not take put use dose mouth each day right left
knee eye eyes hip pain feel worse sick new have has need more than week month year hour hours times
once twice time before1 breathe chest bad phone why what when whom where help helps this that good
guide short stay well note friend drink eat bring don't
2: before after every doctor tablet number problem question visit body morning evening bedtime
dinner breakfast under over into about tired nausea3 hello started needed sooner again away surgery3
minutes seconds puffs1 breathing people water midnight second fever local other pressure women's
clinic
3: medicine procedure prescription hospital different ready2 emergency4 together tomorrow capsules2
tablespoon
4: hypertension information operation milliliters temperature diabetes
""",
    "es": """
1: la el de su por que no se y un con más día2 usted2 es en mes vez dos tres va
2: tome boca visita3 llame cada hora horas guía días dosis mano cuerpo tiene siente peor nuevo ojo
pie1 años agua bien1
3: medicina4 rodilla izquierda3 derecha pastilla teléfono4 preguntas palabras cadera semana mañana
tableta cápsula
4: medicinas emergencias miligramos acordaron prepararse presión2 unidades necesite
""",
}
"""Words by their syllables; a digit after a word is its own number."""


def reference(language: str) -> dict[str, int]:
    """The list, as words and numbers."""
    found: dict[str, int] = {}
    number = 0
    for part in REFERENCE[language].split():
        if part.endswith(":"):
            number = int(part[:-1])
        else:
            word = part.rstrip("0123456789")
            found[word] = int(part[len(word) :] or number)
    return found
