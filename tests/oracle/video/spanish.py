"""Which Spanish words an English word of a record may lend: what a script says of it in Spanish must come from these.

A dictionary of words, not of codes: whoever translates a name wrongly is found, as long as the wrong word is no
translation of another one in the name. What these words join (`de`, `la`) states nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_TABLE: Final = """
acid ácido reflujo
acute
alzheimer alzheimer
alzheimer's alzheimer
anemia anemia
ankle tobillo
appendectomy operación apéndice
appendicitis apendicitis
arm brazo
arthroscopy operación cámara
asthma asma
atrial auricular
back espalda
birth parto nacimiento
bladder vejiga
blood sangre
breath respiración
broken roto rota
bronchitis bronquitis
cardiac corazón cardíaco
carpal muñeca
cataract catarata
cesarean cesárea
check chequeo
check-up chequeo
child niño niña
childhood infantil
cholesterol colesterol
cold resfriado
colonoscopy colonoscopia
concussion golpe cabeza
copd epoc
coronary corazón
covid covid
culture prueba cultivo
cut cortada herida
cystitis infección vejiga
deficiency falta
delivery parto
depression depresión
depressive depresión
diabetes diabetes
disease enfermedad
ear oído oreja
electrocardiogram electrocardiograma
emergency emergencia
encounter visita
examination chequeo examen
eye ojo
fetal bebé
fever fiebre alergia
fibrillation fibrilación
follow-up seguimiento
foot pie
forearm antebrazo
fracture roto rota fractura
garganta garganta
gastroesophageal reflujo ácido
general
hand mano
hay polen
head cabeza
heart corazón
hernia hernia
high alta alto
hip cadera
hospital hospital estancia
admission estancia visita
hyperlipidemia colesterol alto
hyperplasia grande
hypertension presión alta hipertensión
hypothyroidism tiroides lenta
immobilization férula
infection infección
initial primera
iron hierro
kidney riñones riñón
knee rodilla
laceration cortada
left
leg pierna
lung pulmón pulmones
mammography mamografía
medication revisión medicinas
reconciliation revisión medicinas
middle
neck cuello
obstructive epoc
osteoarthritis artrosis
osteoporosis osteoporosis
otitis oído infección
pacemaker marcapasos
pain dolor
pharyngitis dolor garganta
pneumonia neumonía
postnatal después parto
pregnancy embarazo
prenatal embarazo
pressure presión
problem problema
prostatic próstata grande
reflux reflujo
replacement reemplazo
respiratory resfriado
rhinitis alergia polen
screening preguntas
shoulder hombro
sick ritmo lento corazón
sinus sinusitis
sinusitis sinusitis
sore dolor
spirometry prueba pulmones
sprain torcedura
sprained torcedura
stage etapa
strep infección
streptococcal infección
surgery operación cirugía
suture puntos herida
telemedicine video
throat garganta
thyroid tiroides
type tipo
ultrasound ultrasonido
unborn bebé
underactive lenta
video video
visit visita chequeo
well sano
wound herida
"""
_WORDS: Final = {line.split()[0]: frozenset(line.split()[1:]) for line in _TABLE.strip().splitlines()}


def lent(texts: Iterable[str]) -> frozenset[str]:
    """The Spanish words that the words of these texts mean."""
    words = {word for text in texts for word in re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*", text.casefold())}
    return frozenset().union(*(_WORDS.get(word, frozenset()) for word in words))
