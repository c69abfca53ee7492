"""What the town's pharmacy sells.

RxNorm names and codes (U.S. National Library of Medicine), checked 2026-11-22 against the value set expansions of
cqframework/ecqm-content-r4-2021 and against Synthea's output; units are HL7 v3 orderableDrugForm.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hilum.demo.codes import HL7, RXNORM, Concept, snomed

ORAL = snomed("26643006", "Oral route")
INHALED = snomed("447694001", "Respiratory tract route")


class Medicine(NamedTuple):
    """A medicine and how it is taken: `amount` of `unit`, `frequency` times in `hours`.

    `days` and `supply`: how long one dispensing lasts, and how much it is. `otc`: bought without a prescription, so
    it is recorded as the patient's statement. `espanol`: the instruction for patients who prefer Spanish.
    """

    drug: Concept
    amount: int
    unit: tuple[str, str]
    frequency: int
    hours: int
    instruction: str
    espanol: str
    days: int
    supply: int
    route: Concept = ORAL
    as_needed: bool = False
    otc: bool = False
    penicillin: bool = False

    def dosage(self, spanish: bool) -> dict[str, Any]:
        """As a Dosage: https://hl7.org/fhir/R4/dosage.html"""
        days, hours = divmod(self.hours, 24)
        period = {"period": self.hours, "periodUnit": "h"} if hours else {"period": days, "periodUnit": "d"}
        dosage: dict[str, Any] = {"sequence": 1, "text": self.instruction}
        if spanish:
            dosage["patientInstruction"] = self.espanol
        dosage["timing"] = {"repeat": {"frequency": self.frequency, **period}}
        dosage["asNeededBoolean"] = self.as_needed
        dosage["route"] = self.route.concept()
        dosage["doseAndRate"] = [
            {
                "type": Concept(HL7 + "dose-rate-type", "ordered", "Ordered").concept(),
                "doseQuantity": self.quantity(self.amount),
            }
        ]
        return dosage

    def quantity(self, amount: int) -> dict[str, Any]:
        """That many tablets, capsules or puffs, as a Quantity."""
        name, code = self.unit
        return {"value": amount, "unit": name, "system": HL7 + "v3-orderableDrugForm", "code": code}


def _rx(code: str, display: str, text: str) -> Concept:
    return Concept(RXNORM, code, display, text)


_TABLET, _CAPSULE, _PUFF = ("tablet", "TAB"), ("capsule", "CAP"), ("puff", "PUFF")


def _daily(drug: Concept, *, unit: tuple[str, str] = _TABLET, moment: str = "", momento: str = "") -> Medicine:
    name, nombre = unit[0], {"tablet": "tableta", "capsule": "cápsula"}[unit[0]]
    return Medicine(
        drug, 1, unit, 1, 24,
        f"Take 1 {name} by mouth once a day{moment}.", f"Tome 1 {nombre} por vía oral una vez al día{momento}.", 90, 90,
    )  # fmt: skip


MEDICINES = {
    "metformin": Medicine(
        _rx("861007", "metformin hydrochloride 500 MG Oral Tablet", "Metformin 500 mg tablet"), 1, _TABLET, 2, 24,
        "Take 1 tablet by mouth twice a day with meals.",
        "Tome 1 tableta por vía oral dos veces al día con las comidas.",
        90, 180),
    "lisinopril": _daily(_rx("314076", "lisinopril 10 MG Oral Tablet", "Lisinopril 10 mg tablet")),
    "amlodipine": _daily(_rx("197361", "amlodipine 5 MG Oral Tablet", "Amlodipine 5 mg tablet")),
    "atorvastatin": _daily(_rx("617310", "atorvastatin 20 MG Oral Tablet", "Atorvastatin 20 mg tablet"),
                           moment=" at bedtime", momento=" al acostarse"),
    "albuterol": Medicine(
        _rx("745679", "200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler", "Albuterol inhaler 90 mcg"),
        2, _PUFF, 1, 6, "Inhale 2 puffs every 6 hours as needed for wheezing or shortness of breath.",
        "Inhale 2 veces cada 6 horas según sea necesario para el silbido o la falta de aire.", 90, 200, INHALED, True),
    "fluticasone": Medicine(
        _rx("895994", "120 ACTUAT fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler",
        "Fluticasone inhaler 44 mcg"),
        2, _PUFF, 2, 24, "Inhale 2 puffs twice a day. Rinse the mouth afterwards.",
        "Inhale 2 veces dos veces al día. Enjuáguese la boca después.", 30, 120, INHALED),
    "fluticasone-salmeterol": Medicine(
        _rx("896209", "60 ACTUAT fluticasone propionate 0.25 MG/ACTUAT / salmeterol 0.05 MG/ACTUAT Dry Powder Inhaler",
            "Fluticasone and salmeterol inhaler 250/50 mcg"),
        1, _PUFF, 2, 24, "Inhale 1 puff twice a day. Rinse the mouth afterwards.",
        "Inhale 1 vez dos veces al día. Enjuáguese la boca después.", 30, 60, INHALED),
    "sertraline": _daily(_rx("312941", "sertraline 50 MG Oral Tablet", "Sertraline 50 mg tablet"),
                         moment=" in the morning", momento=" por la mañana"),
    "levothyroxine": _daily(_rx("966222", "levothyroxine sodium 0.075 MG Oral Tablet", "Levothyroxine 75 mcg tablet"),
                            moment=", half an hour before breakfast", momento=", media hora antes del desayuno"),
    "apixaban": Medicine(
        _rx("1364445", "apixaban 5 MG Oral Tablet", "Apixaban 5 mg tablet"), 1, _TABLET, 2, 24,
        "Take 1 tablet by mouth twice a day.", "Tome 1 tableta por vía oral dos veces al día.", 90, 180),
    "metoprolol": _daily(_rx("866427", "24 HR metoprolol succinate 25 MG Extended Release Oral Tablet",
                             "Metoprolol succinate ER 25 mg tablet")),
    "aspirin": _daily(_rx("243670", "aspirin 81 MG Oral Tablet", "Aspirin 81 mg tablet"))._replace(otc=True),
    "iron": _daily(_rx("310325", "ferrous sulfate 325 MG Oral Tablet", "Iron (ferrous sulfate) 325 mg tablet")),
    "naproxen": Medicine(
        _rx("198014", "naproxen 500 MG Oral Tablet", "Naproxen 500 mg tablet"), 1, _TABLET, 2, 24,
        "Take 1 tablet by mouth up to twice a day with food, as needed for pain.",
        "Tome 1 tableta por vía oral hasta dos veces al día con comida, según sea necesario para el dolor.",
        30, 60, ORAL, True),
    "ibuprofen": Medicine(
        _rx("310965", "ibuprofen 200 MG Oral Tablet", "Ibuprofen 200 mg tablet"), 2, _TABLET, 1, 8,
        "Take 2 tablets by mouth every 8 hours with food, as needed for pain.",
        "Tome 2 tabletas por vía oral cada 8 horas con comida, según sea necesario para el dolor.", 7, 42, ORAL, True),
    "acetaminophen": Medicine(
        _rx("313782", "acetaminophen 325 MG Oral Tablet", "Acetaminophen 325 mg tablet"), 2, _TABLET, 1, 6,
        "Take 2 tablets by mouth every 6 hours as needed for fever or pain.",
        "Tome 2 tabletas por vía oral cada 6 horas según sea necesario para la fiebre o el dolor.", 5, 40, ORAL, True),
    "amoxicillin": Medicine(
        _rx("308191", "amoxicillin 500 MG Oral Capsule", "Amoxicillin 500 mg capsule"), 1, _CAPSULE, 2, 24,
        "Take 1 capsule by mouth twice a day for 10 days.",
        "Tome 1 cápsula por vía oral dos veces al día durante 10 días.",
        10, 20, penicillin=True),
    "amoxicillin-child": Medicine(
        _rx("308182", "amoxicillin 250 MG Oral Capsule", "Amoxicillin 250 mg capsule"), 1, _CAPSULE, 2, 24,
        "Open 1 capsule into soft food twice a day for 10 days.",
        "Abra 1 cápsula en comida blanda dos veces al día durante 10 días.", 10, 20, penicillin=True),
    "azithromycin": Medicine(
        _rx("308460", "azithromycin 250 MG Oral Tablet", "Azithromycin 250 mg tablet"), 1, _TABLET, 1, 24,
        "Take 1 tablet by mouth once a day for 5 days.", "Tome 1 tableta por vía oral una vez al día durante 5 días.",
        5, 5),
    "nitrofurantoin": Medicine(
        _rx("311995", "nitrofurantoin, macrocrystals 50 MG Oral Capsule", "Nitrofurantoin 50 mg capsule"),
        1, _CAPSULE, 4, 24, "Take 1 capsule by mouth four times a day with food for 5 days.",
        "Tome 1 cápsula por vía oral cuatro veces al día con comida durante 5 días.", 5, 20),
    "prednisone": Medicine(
        _rx("312615", "prednisone 20 MG Oral Tablet", "Prednisone 20 mg tablet"), 2, _TABLET, 1, 24,
        "Take 2 tablets by mouth every morning for 5 days.", "Tome 2 tabletas por vía oral cada mañana durante 5 días.",
        5, 10),
    "omeprazole": _daily(_rx("198051", "omeprazole 20 MG Delayed Release Oral Capsule", "Omeprazole 20 mg capsule"),
                         unit=_CAPSULE, moment=" before breakfast", momento=" antes del desayuno"),
    "tamsulosin": _daily(_rx("863669", "tamsulosin hydrochloride 0.4 MG Oral Capsule", "Tamsulosin 0.4 mg capsule"),
                         unit=_CAPSULE, moment=" after supper", momento=" después de la cena"),
    "donepezil": _daily(_rx("997229", "donepezil hydrochloride 5 MG Oral Tablet", "Donepezil 5 mg tablet"),
                        moment=" at bedtime", momento=" al acostarse"),
    "alendronate": _daily(_rx("904419", "alendronic acid 10 MG Oral Tablet", "Alendronate 10 mg tablet"),
                          moment=", standing, with a full glass of water",
                          momento=", de pie, con un vaso lleno de agua"),
    "loratadine": _daily(_rx("311372", "loratadine 10 MG Oral Tablet", "Loratadine 10 mg tablet"))._replace(otc=True),
}  # fmt: skip
