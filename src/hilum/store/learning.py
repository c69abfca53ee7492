"""What a process learns by its own commits, in both stores: of search parameters that come and go, of revocations.

See `hilum.search.catalogue`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from hilum.fhir.resource import Resource
from hilum.problems import VersionChanged
from hilum.search.catalogue import Catalogue, Defined
from hilum.store.interface import Commit
from hilum.store.telling import Telling


class Learning(ABC):
    """A store that keeps its catalogue. See `hilum.store.interface.Store`."""

    ledger: Telling
    _catalogue: Catalogue

    @property
    def catalogue(self) -> Catalogue:
        """As it was when it was last looked at."""
        return self._catalogue

    async def commit(self, commit: Commit) -> tuple[Resource, ...]:
        """Durable when it returns. What it defines, and what it was refused for not knowing, is known afterwards."""
        try:
            made = await self._commit(commit)
        except VersionChanged:
            if commit.generation == self._catalogue.generation:
                await self.learn()
            raise
        self.ledger.tell(commit.revokes)
        if commit.defined:
            await self.learn()
        return made

    async def proceed(self) -> Defined | None:
        """One step of what is pending."""
        done = await self._proceed()
        if done is not None and not done.pending:
            await self.learn()
        return done

    @abstractmethod
    async def learn(self) -> Catalogue:
        """The catalogue as it is now."""

    @abstractmethod
    async def _commit(self, commit: Commit) -> tuple[Resource, ...]: ...

    @abstractmethod
    async def _proceed(self) -> Defined | None: ...
