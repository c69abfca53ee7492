"""Code systems as those who publish them release them: LOINC, SNOMED CT (RF2), RxNorm (RRF), for who holds a licence.

Each is read file by file into a workbench (bench.py) on disk, so that memory does not grow with a release.
"""
