"""The words of a stored body."""

from __future__ import annotations

import pytest

from hilum.search.prose import content, narrative, read, words


@pytest.mark.parametrize("number", ["1.10", "-0", "1e400", "1" * 30, "1" * 5000])
def test_a_body_is_read_for_its_words_whatever_its_numbers(number: str) -> None:
    raw = f'{{"resourceType":"Observation","valueQuantity":{{"value":{number},"unit":"mg"}}}}'.encode()
    assert content(read(raw)) == "mg"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("end.Next 3.5 mg", "end next 3 5 mg"),
        ("foo@bar.com http://example.org/a-b_c", "foo bar com http example org a b c"),
        ("O'Brien’s 5+3", "obriens 5 3"),
        ("fin…début．Ärzte", "fin debut arzte"),
    ],
)
def test_everything_but_letters_digits_and_apostrophes_parts_words(text: str, found: str) -> None:
    assert words(text) == found
    assert words(found) == found


@pytest.mark.parametrize(
    ("div", "found"),
    [
        ("<div><b>w</b>ord</div>", "word"),
        ("<div>CO<sub>2</sub></div>", "co2"),
        ("<div>note<sup>1</sup> 10<sup>9</sup>/L</div>", "note 1 10 9 l"),
        (
            '<div><p>one</p><p>two<br/>three</p><td>a</td><td>b</td><span class="x">f</span>our</div>',
            "one two three a b four",
        ),
        ("<div><i/>bold<blockquote>b</blockquote><section>s</section></div>", "bold b s"),
        ("<div>a<!-- b -->c</div>", "a c"),
        (
            "<div>w<b><i>o</i></b>rd O'<b>Brien</b> &#228;<a href='x/y'>b</a> <b>a</b> <b>b</b> <hr/>c<hr/>d</div>",
            "word obrien ab a b c d",
        ),
    ],
)
def test_inline_tags_part_no_words_and_others_do(div: str, found: str) -> None:
    assert narrative({"text": {"div": div}}) == found
