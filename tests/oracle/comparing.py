"""One question, asked of a store and of the oracle: the whole answer, and then page by page."""

from __future__ import annotations

from tests.oracle import adapter
from tests.oracle.adapter import Answer, Refusal
from tests.oracle.criteria import Refused
from tests.oracle.evaluator import Population
from tests.oracle.queries import Question

from hilum.store.interface import Store


async def differs(store: Store, kept: Population, question: Question) -> str | None:
    """What is different, in words; None where store and oracle agree, page by page."""
    whole = await adapter.ask(store, question)
    try:
        right = kept.search(question.type, question.pairs, question.policy, question.compartment)
    except Refused as refused:
        return None if isinstance(whole, Refusal) else f"must be refused ({refused}), found {whole}"
    if isinstance(whole, Refusal) and whole.costly and any("." in name for name, _ in question.pairs):
        return None  # chains that name no type count once for each
    if isinstance(whole, Refusal):
        return f"refused ({whole.why}), is {right}"
    if whole.matches != right.matches:
        extra, lacking = set(whole.matches) - set(right.matches), set(right.matches) - set(whole.matches)
        wrong = f"extra {sorted(extra)}, lacking {sorted(lacking)}" if extra or lacking else "the order is wrong"
        return f"{wrong}: found {whole.matches}, are {right.matches}"
    if whole.total != right.total or whole.next is not None:
        return f"total {whole.total}, is {right.total}; next {whole.next}, is none"
    counted = await adapter.ask(store, question, count=0)
    if not isinstance(counted, Answer) or counted.total != right.total:
        return f"counted {counted}, is {right.total}"
    if whole.included != right.included:
        more, less = whole.included - right.included, right.included - whole.included
        return f"included: extra {sorted(more)}, lacking {sorted(less)}"
    return await _differs_in_pages(store, kept, question, right.matches)


async def _differs_in_pages(
    store: Store, kept: Population, question: Question, matches: tuple[tuple[str, str], ...]
) -> str | None:
    """Pages of a few, one after the other: together the whole, each once, each with what belongs to it."""
    size = 3 if len(matches) <= 15 else 7
    walked: list[tuple[str, str]] = []
    after: str | None = None
    while True:
        page = await adapter.ask(store, question, count=size, after=after, total=False)
        if not isinstance(page, Answer):
            return f"a page was refused: {page.why}"
        if len(page.matches) > size:
            return f"a page of {len(page.matches)}, more than {size}"
        walked += page.matches
        right = kept.included(question.type, question.pairs, page.matches, question.policy, question.compartment)
        if page.included != right:
            return f"page {page.matches} includes {sorted(page.included)}, must {sorted(right)}"
        if page.next is None or len(walked) > len(matches):
            break
        after = page.next
    return None if tuple(walked) == matches else f"pages of {size} are {walked}, the whole is {matches}"
