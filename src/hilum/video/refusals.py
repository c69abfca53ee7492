"""Why there is no script: each reason has a code, for programs and for the documentation. One table."""

from __future__ import annotations

from typing import Final

from hilum.video.script import Refused

REFUSALS: Final = {
    "template-unknown": "There is no template of this name.",
    "language-unknown": "There is no phrase table for this language, or the template has phrases that it lacks.",
    "patient-missing": "No Patient is among the resources, or more than one.",
    "patient-other": "A resource is about somebody else.",
    "patient-deceased": "The patient has died.",
    "name-missing": "No given name that is in use: a name as one text is not taken apart.",
    "visit-missing": "No finished visit with a date.",
    "reason-missing": "Nothing says what the visit or the procedure was or is for, nor what kind it was.",
    "procedure-missing": "No procedure that is ordered or booked for a day to come.",
    "medicine-missing": "No medicine that the patient takes, or one whose name is not among the resources.",
    "contact-missing": "No telephone number of the place, the organisation or the clinician.",
    "missing": "An element that the template needs is not there.",
    "reference-broken": "An element refers to a resource that is not among those given.",
    "entered-in-error": "What an element refers to was entered in error.",
    "status-unknown": "A resource that decides what is told has no status, or one that says that nobody knows.",
    "not-understood": "A resource has an extension that changes the meaning of the rest, or rules of its own.",
    "stale": "The data is older than the template takes.",
    "dates-conflict": "Dates contradict each other or the status: it ended before it began, or lies on the wrong side "
    "of today.",
    "date-vague": "A date that must be told has no day, or a time of day has no offset.",
    "medicine-twice": "Two active records are of one drug.",
    "medicine-conflict": "The names, the code or the ingredients of a medicine tell different strengths or drugs.",
    "do-not-perform": "A request that is active says that something must not be done or taken.",
    "allergy": "The patient is allergic to a medicine that is active.",
    "dose-missing": "A medicine has neither a dose nor words on how it is taken.",
    "dose-without-unit": "A dose is a number without a unit.",
    "dose-unit-unknown": "A dose has a unit that is neither spelled nor known.",
    "dose-conflict": "The words of a unit and its code differ, or several instructions of one medicine overlap.",
    "dose-ambiguous": "A dose is a range, a rate or several at once.",
    "dose-unclear": "A dose is no positive number.",
    "timing-ambiguous": "A timing is a range or leaves open how often.",
    "timing-unknown": "A timing has a code or an element that can't be told.",
    "timing-conflict": "A timing's code and its elements differ.",
    "dosage-conflict": "The words of a dosage contradict its elements.",
    "side-conflict": "One element says left, another right.",
    "side-missing": "A part of the body that there is twice, without its side.",
    "too-long": "There is more to tell than fits: too many medicines, or words of the record that are too long.",
    "characters": "Words of the record hold characters that can't be shown.",
    "grade": "The text is harder to read than the template allows.",
    "edit-sentence": "An edit names a sentence that is not in the script, or can't be edited.",
    "edit-length": "An edit is empty or longer than the sentence may be.",
    "edit-characters": "An edit has control characters, line breaks or marks of direction.",
    "edit-fact": "An edit states a number, a dose or a drug: these come from the record alone.",
}
"""Codes of refusals and what they mean."""


def refused(code: str, text: str, element: str = "") -> Refused:
    """A refusal of the table. `text` names elements and drugs, no other data of the patient."""
    assert code in REFUSALS, code
    return Refused(code, text, element)
