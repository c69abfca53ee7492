"""`hilum ehr`: the EHRs that hilum signs in to."""

from __future__ import annotations

import typer

from hilum.cli.ehr import checking, connecting, directories, listing, signins

ehr = typer.Typer(
    name="ehr",
    help="Connect EHRs, try whether they work, find their addresses.\n\n"
    "They are those of `ehrs.toml` in the data directory, and those that are added here; what changes holds under a "
    "running `hilum serve` at once.\n\n"
    "Examples:\n\n"
    "- `hilum ehr add lake --vendor epic --base https://ehr.example.org/api/FHIR/R4 --client-id 3f2a… "
    "--scopes 'system/Patient.rs system/Observation.rs'`\n\n"
    "- `hilum ehr check lake`",
    no_args_is_help=True,
)

for name, command in (
    ("add", connecting.add),
    ("change", connecting.change),
    ("list", listing.list_),
    ("check", checking.check),
    ("remove", listing.remove),
    ("sign-ins", signins.sign_ins),
    ("sign-out", signins.sign_out),
    ("import", directories.import_),
    ("find", directories.find),
):
    ehr.command(name)(command)
