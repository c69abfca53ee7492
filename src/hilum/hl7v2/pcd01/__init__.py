"""IHE PCD-01, Communicate PCD Data: readings of devices as ORU^R01 of HL7 v2.6, both ways.

IHE Devices (formerly PCD) Technical Framework, volume 2, 3.1 and appendices A and B; the mapping of 11073-20601 to it
after the examples of Continua's H.812 (Observation Upload, DG2016) that Inera's contract IHE PCD DEC 1.0.1 (2017-10-18)
repeats. How bits, samples and OBX-8 are written is not checked against the two texts. https://profiles.ihe.net/DEV/

What the profile has a place for stands there. What it has none for, and only where reading it back would not give the
same, stands in facets below a metric (OBX-4 with five numbers): a receiver that doesn't know them loses nothing else.
A gateway's own times are written to a ten-thousandth of a second, as precisely as HL7 has them.
"""

from hilum.hl7v2.pcd01.reading import read
from hilum.hl7v2.pcd01.upload import Gateway, Identifier, Upload
from hilum.hl7v2.pcd01.writing import write

__all__ = ["Gateway", "Identifier", "Upload", "read", "write"]
