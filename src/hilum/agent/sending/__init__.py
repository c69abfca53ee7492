"""Ways of sending batches to the far side: hilum's gateway, a FHIR server, PCD-01 by HTTPS or as a SOAP service.

Each tries a batch once and says what became of it. Whether to try again, and when, the queue decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from hilum.agent.batch import Keeps, Way
from hilum.agent.identity import Identity
from hilum.agent.sending import settings as reading
from hilum.agent.sending.far import Far
from hilum.agent.sending.fhir import Fhir
from hilum.agent.sending.gateway import Gateway
from hilum.agent.sending.pcd01 import Pcd01, Soap


class Settings(Protocol):
    """agent.toml, as TOML has it, and the folder that its paths are relative to."""

    @property
    def data(self) -> Path:
        """The folder."""
        ...

    @property
    def table(self) -> Mapping[str, Any]:
        """All of the file."""
        ...


def way(settings: Settings, identity: Identity, keeps: Keeps) -> Way:
    """The way that agent.toml asks for. Raises Misconfigured."""
    sending = reading.read(settings.table, settings.data)
    return _WAYS[sending.way](Far(sending, identity), keeps)


_WAYS: Final[Mapping[str, Callable[[Far, Keeps], Way]]] = {
    "gateway": lambda far, keeps: Gateway(far),
    "fhir": Fhir,
    "pcd01": lambda far, keeps: Pcd01(far),
    "soap": lambda far, keeps: Soap(far),
}
