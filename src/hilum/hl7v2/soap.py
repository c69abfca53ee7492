"""IHE's web service of PCD-01: CommunicatePCDData, in SOAP 1.2 with WS-Addressing. IHE PCD TF-2, 3.1 and appendix J.

Names as its WSDL has them (DeviceObservationConsumer, namespace urn:ihe:pcd:dec:2010), and as Inera's contract IHE PCD
DEC 1.0.1 (2017-10-18) repeats them. The body is a message of HL7 v2 as text, the answer is its acknowledgement.

SOAP's XML has neither document type nor processing instructions (https://www.w3.org/TR/soap12-part1/#soapenv): what has
is refused at the first byte of it, so no entity is ever read; size, depth and the number of elements are bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape

from hilum.hl7v2.message import Message
from hilum.hl7v2.refused import Condition, Refused

ENVELOPE: Final = "http://www.w3.org/2003/05/soap-envelope"
ENVELOPE_1_1: Final = "http://schemas.xmlsoap.org/soap/envelope/"
ADDRESSING: Final = "http://www.w3.org/2005/08/addressing"
SERVICE: Final = "urn:ihe:pcd:dec:2010"
ACTION: Final = "urn:ihe:pcd:2010:CommunicatePCDData"
RESPONSE_ACTION: Final = "urn:ihe:pcd:2010:CommunicatePCDDataResponse"
FAULT_ACTION: Final = "http://www.w3.org/2005/08/addressing/soap/fault"
CONTENT_TYPE: Final = f'application/soap+xml; charset=UTF-8; action="{ACTION}"'

SIZE: Final = 16 << 20
DEPTH: Final = 40
ELEMENTS: Final = 2_000

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPACE: Final = " \t\r\n"
_ULTIMATE: Final = ("", f"{ENVELOPE}/role/ultimateReceiver", f"{ENVELOPE}/role/next")


class Code(Enum):
    """Whose fault it is. https://www.w3.org/TR/soap12-part1/#faultcodes"""

    SENDER = "Sender"
    RECEIVER = "Receiver"
    VERSION = "VersionMismatch"
    NOT_UNDERSTOOD = "MustUnderstand"
    ENCODING = "DataEncodingUnknown"


class Fault(Refused):
    """An envelope that isn't taken, or a fault that came back. `reason`: of a fault that came back, its own words."""

    def __init__(self, code: Code, why: str, reason: str = "") -> None:
        super().__init__(Condition.INTERNAL, why)
        self.fault, self.reason = code, reason


@dataclass(frozen=True, slots=True)
class Envelope:
    """What an envelope carries. `content`: the message, in UTF-8 whatever its MSH-18 says."""

    content: bytes
    action: str = ""
    to: str = ""
    message_id: str = ""
    relates_to: str = ""


def request(message: Message, *, to: str, message_id: str) -> bytes:
    """The call. `message_id`: an IRI, such as urn:uuid:…. Raises Refused: a character that XML does not have."""
    header = (("To", to), ("MessageID", message_id), ("Action", ACTION))
    return _envelope(header, _body("CommunicatePCDData", message))


def response(message: Message, *, message_id: str, relates_to: str) -> bytes:
    """The answer: an acknowledgement. `relates_to`: the call's message id, or "" if it had none."""
    header = (("MessageID", message_id), ("RelatesTo", relates_to), ("Action", RESPONSE_ACTION))
    return _envelope(header, _body("CommunicatePCDDataResponse", message))


def fault(error: Fault, *, message_id: str, relates_to: str = "") -> bytes:
    """The answer to an envelope that isn't taken."""
    header = (("MessageID", message_id), ("RelatesTo", relates_to), ("Action", FAULT_ACTION))
    code = f"<soap:Code><soap:Value>soap:{error.fault.value}</soap:Value></soap:Code>"
    reason = f'<soap:Reason><soap:Text xml:lang="en">{_text(error.why)}</soap:Text></soap:Reason>'
    return _envelope(header, f"<soap:Fault>{code}{reason}</soap:Fault>")


def parse_request(data: bytes) -> Envelope:
    """The call in an envelope. Raises Fault."""
    return _read(data, "CommunicatePCDData", ACTION)


def parse_response(data: bytes) -> Envelope:
    """The answer in an envelope. Raises Fault, also the one that came back."""
    return _read(data, "CommunicatePCDDataResponse", RESPONSE_ACTION)


def _envelope(header: tuple[tuple[str, str], ...], body: str) -> bytes:
    lines = "".join(f"<wsa:{name}{_understand(name)}>{_text(value)}</wsa:{name}>" for name, value in header if value)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<soap:Envelope xmlns:soap="{ENVELOPE}" xmlns:wsa="{ADDRESSING}">'
        f"<soap:Header>{lines}</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
    ).encode()


def _understand(name: str) -> str:
    return ' soap:mustUnderstand="true"' if name in ("To", "Action") else ""


def _body(name: str, message: Message) -> str:
    text = message.write().decode(message.codec)
    return f'<{name} xmlns="{SERVICE}">{_text(text)}</{name}>'


def _text(text: str) -> str:
    """A carriage return stays one only as a character reference: XML reads a bare one as a line feed."""
    if _NOT_XML.search(text):
        raise Refused(Condition.DATA_TYPE, "a control character, which XML has no way to say")
    return escape(text, {"\r": "&#xD;"})


@dataclass(slots=True)
class _Element:
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[_Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def find(self, *names: str) -> _Element | None:
        found: _Element | None = self
        for name in names:
            found = next((child for child in found.children if child.name == name), None) if found else None
        return found


def _read(data: bytes, name: str, action: str) -> Envelope:
    root = _tree(data)
    if root.name == f"{ENVELOPE_1_1} Envelope":
        raise Fault(Code.VERSION, "expected an envelope of SOAP 1.2, this is SOAP 1.1")
    if root.name != f"{ENVELOPE} Envelope":
        raise Fault(Code.VERSION, "expected an envelope of SOAP 1.2")
    header, body = root.find(f"{ENVELOPE} Header"), root.find(f"{ENVELOPE} Body")
    if body is None or len(body.children) != 1:
        raise Fault(Code.SENDER, "expected one element in soap:Body")
    content = body.children[0]
    if content.name == f"{ENVELOPE} Fault":
        raise _fault(content)
    if content.name != f"{SERVICE} {name}" or content.children:
        raise Fault(Code.SENDER, f"expected {name} of {SERVICE} with nothing but text")
    told = {} if header is None else _addressed(header)
    if told.get("Action", action) != action:
        raise Fault(Code.SENDER, f"expected {action} as wsa:Action")
    return Envelope(
        _unwrapped(content.text).encode(),
        told.get("Action", ""),
        told.get("To", ""),
        told.get("MessageID", ""),
        told.get("RelatesTo", ""),
    )


def _unwrapped(text: str) -> str:
    """The message without the white space that XML was laid out with: before it, and after its last line's end."""
    text = text.lstrip(_SPACE)
    tail = text[len(text.rstrip(_SPACE)) :]
    ends = [at for at in (tail.find("\r"), tail.find("\n")) if at >= 0]
    return text if not ends else f"{text[: len(text) - len(tail) + min(ends)]}\r"


def _addressed(header: _Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in header.children:
        namespace, _, name = one.name.rpartition(" ")
        if namespace == ADDRESSING:
            found.setdefault(name, one.text.strip())
            continue
        must = one.attributes.get(f"{ENVELOPE} mustUnderstand", "").strip() in ("true", "1")
        if must and one.attributes.get(f"{ENVELOPE} role", "") in _ULTIMATE:
            raise Fault(Code.NOT_UNDERSTOOD, "a header that must be understood, and is not WS-Addressing")
    return found


def _fault(one: _Element) -> Fault:
    value, text = one.find(f"{ENVELOPE} Code", f"{ENVELOPE} Value"), one.find(f"{ENVELOPE} Reason", f"{ENVELOPE} Text")
    named = "" if value is None else value.text.strip().rpartition(":")[2]
    code = next((code for code in Code if code.value == named), Code.RECEIVER)
    return Fault(code, f"the far side answered with a SOAP fault: {code.value}", "" if text is None else text.text)


def _tree(data: bytes) -> _Element:
    if len(data) > SIZE:
        raise Fault(Code.SENDER, f"{len(data)} bytes, at most {SIZE} are read")
    parser = expat.ParserCreate("UTF-8", " ")
    top = _Element("")
    open_, count = [top], 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if len(open_) > DEPTH or count > ELEMENTS:
            raise Fault(Code.SENDER, f"more than {DEPTH} levels or {ELEMENTS} elements")
        element = _Element(name, attributes)
        open_[-1].children.append(element)
        open_.append(element)

    def end(name: str) -> None:
        open_.pop()

    def text(piece: str) -> None:
        open_[-1].pieces.append(piece)

    def forbidden(*_: object) -> None:
        raise Fault(Code.SENDER, "SOAP has neither a document type nor processing instructions")

    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = forbidden
    parser.ProcessingInstructionHandler = forbidden
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        where = f"line {error.lineno}, column {error.offset + 1}"
        raise Fault(Code.SENDER, f"no well-formed XML in UTF-8: {expat.ErrorString(error.code)} ({where})") from None
    return top.children[0]
