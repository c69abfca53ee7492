"""What a device stored while nobody was near, and its Record Access Control Point. Glucose Service 1.0.1, 3.4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hilum.agent.simulating.peripheral import Peripheral, Trait
from hilum.agent.sources.ble.transport import Place
from hilum.phd.gatt import record_access
from hilum.phd.gatt.record_access import Count, Operator, Outcome, Procedure, Request, Result
from hilum.phd.malformed import Malformed

_HIGHEST: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Record:
    """`said`: characteristic and value, in their order."""

    number: int
    said: tuple[tuple[int, bytes], ...]


class Records:
    """Of one service of `peripheral`. `breaks_after`: so many records of the first report it goes out of reach.

    `operators`: by which it can be asked. `requests`: that were made.
    """

    def __init__(
        self, peripheral: Peripheral, service: int, records: Sequence[Record], breaks_after: int | None = None
    ) -> None:
        self._peripheral, self._service, self._breaks_after = peripheral, service, breaks_after
        self.records = list(records)
        self.operators = set(Operator) - {Operator.NONE}
        self.requests: list[Request] = []

    def traits(self) -> dict[Place, Trait]:
        """The control point."""
        return {(self._service, record_access.UUID): Trait(write=self._asked, indicates=True)}

    async def _asked(self, data: bytes) -> None:
        try:
            request = record_access.decode(data)
        except Malformed:
            await self._answer(Outcome(data[0] if data else 0, Result.INVALID_OPERAND))
            return
        if not isinstance(request, Request):
            await self._answer(Outcome(data[0], Result.PROCEDURE_NOT_SUPPORTED))
            return
        self.requests.append(request)
        chosen = self._chosen(request)
        if request.procedure is Procedure.ABORT:
            await self._answer(Outcome(request.procedure, Result.ABORT_UNSUCCESSFUL))
        elif chosen is None:
            await self._answer(Outcome(request.procedure, Result.OPERATOR_NOT_SUPPORTED))
        elif request.procedure is Procedure.COUNT:
            await self._answer(Count(len(chosen)))
        elif not chosen:
            await self._answer(Outcome(request.procedure, Result.NO_RECORDS))
        elif request.procedure is Procedure.DELETE:
            self.records = [one for one in self.records if one not in chosen]
            await self._answer(Outcome(request.procedure, Result.SUCCESS))
        else:
            await self._report(chosen)

    async def _report(self, chosen: Sequence[Record]) -> None:
        for at, record in enumerate(chosen):
            if at == self._breaks_after:
                self._breaks_after = None
                await self._peripheral.hang_up()
                return
            for characteristic, data in record.said:
                if not await self._peripheral.say((self._service, characteristic), data):
                    return
        await self._answer(Outcome(Procedure.REPORT, Result.SUCCESS))

    def _chosen(self, request: Request) -> list[Record] | None:
        """None: it can't."""
        numbers = [one for one in request.operands if isinstance(one, int)]
        if len(numbers) != len(request.operands) or request.operator not in self.operators:
            return None
        low, high = 0, _HIGHEST
        match request.operator, numbers:
            case Operator.FIRST, _:
                return self.records[:1]
            case Operator.LAST, _:
                return self.records[-1:]
            case Operator.FROM, [low]:
                pass
            case Operator.UP_TO, [high]:
                pass
            case Operator.BETWEEN, [low, high]:
                pass
        return [one for one in self.records if low <= one.number <= high]

    async def _answer(self, said: Count | Outcome) -> None:
        await self._peripheral.say((self._service, record_access.UUID), said.encode())
