"""The pages of EHRs and orders: who may see them, what they show, and what they have done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from tests.unit.smart.administering import administering, become, post, signed_in, told
from tests.unit.smart.world import World

from hilum.problems import NotFound
from hilum.smart.admin.brokered import Ehr, Order, SignIn, Step

LAKE = Ehr(
    "lake", "Lake <Hospital>", "production", "epic", "https://lake.example/fhir", "id-1", "none", True, True,
    ("video",), False,
)  # fmt: skip
STEPS = (
    Step("discovery", "works", "It answers.", "", ""),
    Step("sign-in", "fails", "The EHR does not know the key.", "Wait <a while>.", "theirs"),
)


def order(id: str, *, dead: bool) -> Order:
    why = "The receiver answered HTTP 400." if dead else ""
    return Order(id, "lake", "production", "video", "studio", "lake: kim", "dead" if dead else "asked", 1e9, why, dead)


@dataclass
class Played:
    """A broker with one connection, an order and a dead letter."""

    replayed: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    out: list[str] = field(default_factory=list)

    async def ehrs(self) -> Sequence[Ehr]:
        return [LAKE]

    async def check(self, name: str) -> tuple[Ehr, Sequence[Step]]:
        if name != "lake":
            raise NotFound(f"There is no EHR {name!r}.")
        self.checked.append(name)
        return LAKE, STEPS

    async def sign_ins(self, most: int) -> Sequence[SignIn]:
        gone = len(self.out)
        return [SignIn("ab" * 32, "lake", "Practitioner/<dr>", 1e9, 1.1e9, 1.2e9)][gone:most]

    async def sign_out(self, id: str) -> bool:
        self.out.append(id)
        return len(self.out) == 1

    async def orders(self, most: int) -> Sequence[Order]:
        return [order("o-1", dead=True), order("o-2", dead=False)][:most]

    async def replay(self, id: str) -> bool:
        self.replayed.append(id)
        return len(self.replayed) == 1


@pytest.fixture
async def here() -> World:
    found = await administering()
    become(found, replace(found.site, broker=Played()))
    return found


def broker(here: World) -> Played:
    assert isinstance(here.site.broker, Played)
    return here.site.broker


async def test_connections_are_listed_with_their_environment_and_tried(here: World) -> None:
    ann = await signed_in(here)
    page = await ann.get("/admin/ehrs")
    assert page.status == 200
    assert "Lake &lt;Hospital&gt;" in page.text
    assert '<span class="environment production">production</span>' in page.text
    tried = await post(ann, page, "/admin/ehrs/lake")
    assert "It does not work" in tried.text
    assert "(the EHR's side)" in tried.text.replace("&#39;", "'")
    assert "Wait &lt;a while&gt;." in tried.text
    assert broker(here).checked == ["lake"]
    assert told(here, "ehr") == [{"checked": "lake"}]


async def test_who_is_signed_in_at_an_ehr_is_listed_and_signed_out_once(here: World) -> None:
    ann = await signed_in(here)
    page = await ann.get("/admin/ehrs")
    assert "<code>abababababab</code>" in page.text
    assert "Practitioner/&lt;dr&gt;" in page.text
    out = await post(ann, page, f"/admin/ehrs/sign-ins/{'ab' * 32}")
    assert "It is signed out." in out.text
    assert "abababababab" not in out.text
    again = await post(ann, page, f"/admin/ehrs/sign-ins/{'ab' * 32}")
    assert "It had ended already." in again.text
    assert broker(here).out == ["ab" * 32] * 2
    assert told(here, "ehr") == [{"signed out": "ab" * 6}] * 2


async def test_to_sign_somebody_out_takes_a_fresh_sign_in(here: World) -> None:
    ann = await signed_in(here)
    here.move(20 * 60)
    page = await ann.get("/admin/ehrs")
    here.move(15 * 60)
    assert (await post(ann, page, f"/admin/ehrs/sign-ins/{'ab' * 32}")).path.startswith("/auth/sign-in?")
    assert broker(here).out == []


async def test_a_dead_letter_is_sent_again_once(here: World) -> None:
    ann = await signed_in(here)
    page = await ann.get("/admin/orders")
    assert [page.text.count(f"/browse/Task/{id}") for id in ("o-1", "o-2")] == [1, 1]
    assert "The receiver answered HTTP 400." in page.text
    assert "/admin/orders/o-2/replay" not in page.text
    sent = await post(ann, page, "/admin/orders/o-1/replay")
    assert "It is being sent again." in sent.text
    again = await post(ann, sent, "/admin/orders/o-1/replay")
    assert "It is no dead letter any more." in again.text
    assert broker(here).replayed == ["o-1", "o-1"]
    assert told(here, "destination") == [{"replayed": "o-1"}] * 2


async def test_to_send_again_takes_a_fresh_sign_in(here: World) -> None:
    ann = await signed_in(here)
    here.move(20 * 60)
    page = await ann.get("/admin/orders")
    here.move(15 * 60)
    sent = await post(ann, page, "/admin/orders/o-1/replay")
    assert sent.path == "/auth/sign-in?next=/admin/orders&again=1"
    assert broker(here).replayed == []


@pytest.mark.parametrize("name", ["olga", "hal", "kim.doe"])
async def test_others_see_neither(here: World, name: str) -> None:
    browser = await signed_in(here, name)
    assert [(await browser.get(f"/admin/{page}")).status for page in ("ehrs", "orders")] == [403, 403]


async def test_without_a_broker_there_is_nothing_to_see() -> None:
    here = await administering()
    ann = await signed_in(here)
    assert "connected to no EHR" in (await ann.get("/admin/ehrs")).text
    assert "There are none" in (await ann.get("/admin/orders")).text
    assert (await here.site.broker.orders(1), await here.site.broker.replay("x")) == ((), False)
    assert (await here.site.broker.sign_ins(1), await here.site.broker.sign_out("x")) == ((), False)
    with pytest.raises(NotFound):
        await here.site.broker.check("x")
