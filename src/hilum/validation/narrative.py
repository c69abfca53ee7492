"""Narrative.div: XHTML that is safe to show. https://hl7.org/fhir/R4/narrative.html

The specification allows the elements of chapters 7 to 11 (without 9.4) and 15 of HTML 4.0, links and images, and
forbids deprecated elements and everything active. The tables follow those chapters: https://www.w3.org/TR/html401/
"""

from __future__ import annotations

import re
from typing import Any, Final
from xml.parsers import expat

from hilum.validation.findings import Finding, Found, one, wrong

XHTML: Final = "http://www.w3.org/1999/xhtml"
_XML: Final = "http://www.w3.org/XML/1998/namespace"

_BLOCKS = "div span h1 h2 h3 h4 h5 h6 address"  # chapter 7, without the document itself (html, head, body)
_TEXT = "bdo em strong dfn code samp kbd var cite abbr acronym blockquote q sub sup p br pre"  # chapters 8 and 9
_LISTS = "ul ol li dl dt dd"  # chapter 10
_TABLES = "table caption thead tfoot tbody colgroup col tr th td"  # chapter 11
_STYLES = "tt i b big small hr"  # chapter 15, without the deprecated ones (center, font, s, strike, u)
_LINKS = "a img map area"

_COMMON = "id class style title lang dir accesskey tabindex"
_ALIGNED = "align valign char charoff"

_ATTRIBUTES = {
    "a": "href name charset type hreflang rel rev shape coords",
    "area": "href nohref shape coords alt",
    "blockquote": "cite",
    "caption": "align",
    "col": f"span width {_ALIGNED}",
    "colgroup": f"span width {_ALIGNED}",
    "div": "align",
    "hr": "align width size noshade",
    "img": "src alt longdesc height width usemap ismap border align",
    "li": "type value",
    "map": "name",
    "ol": "type start compact",
    "p": "align",
    "pre": "space width",
    "q": "cite",
    "table": "summary width border frame rules cellspacing cellpadding align",
    "tbody": _ALIGNED,
    "td": f"abbr axis headers scope rowspan colspan nowrap width height {_ALIGNED}",
    "tfoot": _ALIGNED,
    "th": f"abbr axis headers scope rowspan colspan nowrap width height {_ALIGNED}",
    "thead": _ALIGNED,
    "tr": _ALIGNED,
    "ul": "type compact",
    **{f"h{level}": "align" for level in range(1, 7)},
}

ALLOWED: Final[dict[str, frozenset[str]]] = {
    f"{XHTML} {name}": frozenset(
        [*_COMMON.split(), *_ATTRIBUTES.get(name, "").split(), f"{_XML} lang", f"{_XML} space"],
    )
    for name in f"{_BLOCKS} {_TEXT} {_LISTS} {_TABLES} {_STYLES} {_LINKS}".split()
}
"""Element -> its attributes, both as expat names them (namespace, space, name)."""

_DIV: Final = f"{XHTML} div"
_IMG: Final = f"{XHTML} img"

_ADDRESSES = frozenset(["href", "src", "cite", "longdesc", "usemap"])
_SCHEME = re.compile(r"[\x00-\x20]*([A-Za-z][A-Za-z0-9+.\-]*):")
_PASSIVE = frozenset(["http", "https", "ftp", "mailto", "tel", "urn", "cid"])
_IMAGE = re.compile(r"data:image/(?:png|gif|jpeg|jpg|webp|bmp)[;,]", re.IGNORECASE)
_LOCAL = r"\s*+['\"]?+\s*+(?:data:\s*image/|(?!//)[^:'\"()]*+['\"]?\s*\))"
_ACTIVE_STYLE = re.compile(
    rf"\\|/\*|@|expression\s*\(|javascript:|behaviou?r\s*:|-moz-binding|url\s*\((?!{_LOCAL})",
    re.IGNORECASE,
)
"""Escapes and comments would hide the rest; a url() may name an inline image or a file beside the page.

The quantifiers are possessive, so that no style can make the search slow.
"""


def div(value: Any, _: int) -> Found:
    """The div of a Narrative: well-formed, one XHTML div, only what is allowed in it, and something to read."""
    if type(value) is not str:
        return wrong(value, "a string of XHTML")
    # With this start there can be no document type declaration, so no entities that expand to more than they are.
    if not value.lstrip().startswith("<div"):
        return one("value", f'must be one element <div xmlns="{XHTML}">')
    reading = _Reading()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reading.start
    parser.CharacterDataHandler = reading.text
    parser.ProcessingInstructionHandler = _refuse_instruction
    parser.StartCdataSectionHandler = _refuse_cdata
    parser.CommentHandler = _comment
    try:
        parser.Parse(value, True)
    except expat.ExpatError as error:
        where = f"line {error.lineno}, column {error.offset}"
        return one("value", f"is not well-formed XHTML: {expat.ErrorString(error.code)} ({where})")
    except UnicodeEncodeError:
        return one("value", "holds half a surrogate pair")
    except _Refused as refused:
        return one("value", str(refused))
    if reading.faults:
        return [Finding("", "value", fault) for fault in reading.faults]
    if not reading.content:
        return one("invariant", "txt-2: must have some text or an image")
    return None


class _Refused(Exception):
    """Stop reading: nothing after this can be trusted."""


class _Reading:
    """What one pass of expat over one div has met."""

    def __init__(self) -> None:
        self.faults: dict[str, None] = {}  # a set that keeps its order
        self.content = False
        self.root = True

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self.root:
            self.root = False
            if name != _DIV:
                raise _Refused(f'must be one element <div xmlns="{XHTML}">: found another element or namespace')
        allowed = ALLOWED.get(name)
        if allowed is None:
            self.fault(f"has an element that narratives must not have: {_shown(name)}")
            return
        if name == _IMG:
            self.content = True
        if not attributes:
            return
        for attribute, value in attributes.items():
            if attribute not in allowed:
                self.fault(f"has an attribute that is not allowed: {_shown(attribute)} on {_shown(name)}")
            elif attribute == "style":
                if _ACTIVE_STYLE.search(value):
                    self.fault("has a style that could load or run something")
            elif attribute in _ADDRESSES and _unsafe(attribute, value):
                self.fault(f"has an address of a kind that is not allowed: {attribute} on {_shown(name)}")

    def text(self, data: str) -> None:
        if not self.content and not data.isspace():
            self.content = True

    def fault(self, text: str) -> None:
        if len(self.faults) < 50:
            self.faults[text] = None


def _unsafe(attribute: str, value: str) -> bool:
    """An address may be relative, a fragment, or of a scheme that runs nothing; an image may be inline."""
    address = "".join(value.split())
    match = _SCHEME.match(address)
    if match is None:
        return False
    return match.group(1).lower() not in _PASSIVE and not (attribute == "src" and _IMAGE.match(address))


def _shown(name: str) -> str:
    """The local part of a name, cut to what a person needs."""
    return name.rpartition(" ")[2][:32]


def _refuse_instruction(*_: object) -> None:
    raise _Refused("must not have processing instructions")


def _refuse_cdata() -> None:
    # HTML has no CDATA sections: a browser given this as innerHTML would read the text as elements.
    raise _Refused("must not have CDATA sections: escape < as &lt;")


def _comment(data: str) -> None:
    # HTML ends such a comment at once, and would read the rest of it as elements.
    if data.startswith((">", "->")):
        raise _Refused("has a comment that HTML reads in another way than XML")
