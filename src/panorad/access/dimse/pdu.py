"""Protocol data units of the DICOM upper layer as dataclasses with their codec (PS3.8 section 9.3).

Only association control is coded here; P-DATA-TF is cut and built in `upper_layer`, where no byte of it is copied.
Decoding never trusts a length and raises `InvalidPdu`; unknown items and sub-items are skipped, as PS3.8 section 9.3.1 asks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
"""DICOM Application Context Name (PS3.7 section A.2.1)."""

_HEADER = struct.Struct(">BxI")
_ITEM = struct.Struct(">BxH")
_FIXED = struct.Struct(">H2x16s16s32x")


class PduType(IntEnum):
    """The seven types of PDU (PS3.8 section 9.3.1)."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class Item(IntEnum):
    """Items and sub-items of the association PDUs (PS3.8 section 9.3.2, Annex D; PS3.7 section D.3.3)."""

    APPLICATION_CONTEXT = 0x10
    CONTEXT_RQ = 0x20
    CONTEXT_AC = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAXIMUM_LENGTH = 0x51
    IMPLEMENTATION_UID = 0x52
    ASYNC_WINDOW = 0x53
    ROLE_SELECTION = 0x54
    IMPLEMENTATION_VERSION = 0x55
    EXTENDED_NEGOTIATION = 0x56
    COMMON_EXTENDED_NEGOTIATION = 0x57
    USER_IDENTITY = 0x58


class InvalidPdu(Exception):
    """The bytes are not a PDU as PS3.8 section 9.3 defines it."""


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """One presentation context as the requestor proposes it (PS3.8 section 9.3.2.2)."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextResult:
    """The acceptor's answer to one presentation context (PS3.8 section 9.3.3.2): result 0 accepts, 1 to 4 reject."""

    id: int
    result: int
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class UserInformation:
    """The user information item (PS3.8 section 9.3.2.3, PS3.7 section D.3.3). `maximum_length` 0 means no limit.

    `roles` maps a SOP class to (SCU role, SCP role); `extended` a SOP class to its service class application information;
    `asynchronous` is (operations invoked, operations performed); `identity_type` tells that user identity was proposed.
    """

    maximum_length: int = 0
    implementation_uid: str = ""
    implementation_version: str = ""
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)
    asynchronous: tuple[int, int] | None = None
    identity_type: int = 0


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """A-ASSOCIATE-RQ (PS3.8 section 9.3.2). AE titles are kept without their padding."""

    called: str
    calling: str
    contexts: tuple[ProposedContext, ...]
    user: UserInformation = UserInformation()
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1

    def encode(self) -> bytes:
        """The whole PDU."""
        contexts = b"".join(
            _item(
                Item.CONTEXT_RQ,
                bytes((context.id, 0, 0, 0))
                + _text(Item.ABSTRACT_SYNTAX, context.abstract_syntax)
                + b"".join(_text(Item.TRANSFER_SYNTAX, syntax) for syntax in context.transfer_syntaxes),
            )
            for context in self.contexts
        )
        return _associate(PduType.ASSOCIATE_RQ, self, contexts)

    @classmethod
    def decode(cls, body: bytes) -> AssociateRequest:
        """From the PDU's bytes after its six byte header; raises InvalidPdu."""
        version, called, calling, items = _associate_parts(body)
        contexts, context_name, user = [], "", UserInformation()
        for kind, value in items:
            if kind == Item.APPLICATION_CONTEXT:
                context_name = _uid(value)
            elif kind == Item.CONTEXT_RQ:
                contexts.append(_proposed(value))
            elif kind == Item.USER_INFORMATION:
                user = _user_information(value)
        if len({context.id for context in contexts}) != len(contexts):
            raise InvalidPdu("a presentation context ID is used twice")
        return cls(called, calling, tuple(contexts), user, context_name, version)


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """A-ASSOCIATE-AC (PS3.8 section 9.3.3). The AE titles are the request's, sent back unchanged."""

    called: str
    calling: str
    contexts: tuple[ContextResult, ...]
    user: UserInformation = UserInformation()
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1

    def encode(self) -> bytes:
        """The whole PDU."""
        contexts = b"".join(
            _item(
                Item.CONTEXT_AC,
                bytes((context.id, 0, context.result, 0)) + _text(Item.TRANSFER_SYNTAX, context.transfer_syntax),
            )
            for context in self.contexts
        )
        return _associate(PduType.ASSOCIATE_AC, self, contexts)

    @classmethod
    def decode(cls, body: bytes) -> AssociateAccept:
        """From the PDU's bytes after its six byte header; raises InvalidPdu."""
        version, called, calling, items = _associate_parts(body)
        contexts, context_name, user = [], "", UserInformation()
        for kind, value in items:
            if kind == Item.APPLICATION_CONTEXT:
                context_name = _uid(value)
            elif kind == Item.CONTEXT_AC:
                contexts.append(_result(value))
            elif kind == Item.USER_INFORMATION:
                user = _user_information(value)
        return cls(called, calling, tuple(contexts), user, context_name, version)


@dataclass(frozen=True, slots=True)
class AssociateReject:
    """A-ASSOCIATE-RJ (PS3.8 Table 9-21): result 1 permanent, 2 transient; source 1 user, 2 ACSE, 3 presentation."""

    result: int
    source: int
    reason: int

    def encode(self) -> bytes:
        """The whole PDU."""
        return _HEADER.pack(PduType.ASSOCIATE_RJ, 4) + bytes((0, self.result, self.source, self.reason))

    @classmethod
    def decode(cls, body: bytes) -> AssociateReject:
        """From the PDU's bytes after its six byte header; raises InvalidPdu."""
        if len(body) != 4:
            raise InvalidPdu("A-ASSOCIATE-RJ is not 4 bytes long")
        return cls(body[1], body[2], body[3])


@dataclass(frozen=True, slots=True)
class Abort:
    """A-ABORT (PS3.8 Table 9-26): source 0 service user, 2 service provider."""

    source: int = 0
    reason: int = 0

    def encode(self) -> bytes:
        """The whole PDU."""
        return _HEADER.pack(PduType.ABORT, 4) + bytes((0, 0, self.source, self.reason))

    @classmethod
    def decode(cls, body: bytes) -> Abort:
        """From the PDU's bytes after its six byte header; raises InvalidPdu."""
        if len(body) != 4:
            raise InvalidPdu("A-ABORT is not 4 bytes long")
        return cls(body[2], body[3])


RELEASE_RQ = _HEADER.pack(PduType.RELEASE_RQ, 4) + bytes(4)
RELEASE_RP = _HEADER.pack(PduType.RELEASE_RP, 4) + bytes(4)


def _item(kind: int, value: bytes) -> bytes:
    return _ITEM.pack(kind, len(value)) + value


def _text(kind: int, value: str) -> bytes:
    return _item(kind, value.encode("ascii"))


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    at, end = 0, len(data)
    while at < end:
        if at + 4 > end:
            raise InvalidPdu("an item header is cut short")
        kind, length = _ITEM.unpack_from(data, at)
        at += 4
        if at + length > end:
            raise InvalidPdu("an item is longer than what holds it")
        yield kind, data[at : at + length]
        at += length


def _uid(value: bytes) -> str:
    try:
        return value.rstrip(b"\0 ").decode("ascii")
    except UnicodeDecodeError:
        raise InvalidPdu("a UID is not ASCII") from None


def _associate_parts(body: bytes) -> tuple[int, str, str, Iterator[tuple[int, bytes]]]:
    if len(body) < _FIXED.size:
        raise InvalidPdu("the association PDU is cut short")
    version, called, calling = _FIXED.unpack_from(body)
    return version, _title(called), _title(calling), _items(body[_FIXED.size :])


def _title(raw: bytes) -> str:
    return raw.decode("latin-1").strip(" \0")


def _proposed(value: bytes) -> ProposedContext:
    if len(value) < 4:
        raise InvalidPdu("a presentation context is cut short")
    if not value[0] & 1:
        raise InvalidPdu("a presentation context ID is even")
    parts = list(_items(value[4:]))
    abstract = [_uid(part) for kind, part in parts if kind == Item.ABSTRACT_SYNTAX]
    transfer = tuple(_uid(part) for kind, part in parts if kind == Item.TRANSFER_SYNTAX)
    if len(abstract) != 1 or not transfer:
        raise InvalidPdu("a presentation context lacks its abstract or transfer syntax")
    return ProposedContext(value[0], abstract[0], transfer)


def _result(value: bytes) -> ContextResult:
    if len(value) < 4:
        raise InvalidPdu("a presentation context is cut short")
    transfer = [_uid(part) for kind, part in _items(value[4:]) if kind == Item.TRANSFER_SYNTAX]
    return ContextResult(value[0], value[2], transfer[0] if transfer else "")


def _user_information(data: bytes) -> UserInformation:
    found: dict[int, bytes] = {}
    roles: dict[str, tuple[bool, bool]] = {}
    extended: dict[str, bytes] = {}
    for kind, value in _items(data):
        if kind == Item.ROLE_SELECTION:
            uid, rest = _named(value)
            if len(rest) != 2:
                raise InvalidPdu("a role selection is not two bytes long")
            roles[uid] = (rest[0] == 1, rest[1] == 1)
        elif kind == Item.EXTENDED_NEGOTIATION:
            uid, rest = _named(value)
            extended[uid] = rest
        else:
            found[kind] = value
    length, window = found.get(Item.MAXIMUM_LENGTH, bytes(4)), found.get(Item.ASYNC_WINDOW)
    if len(length) != 4 or (window is not None and len(window) != 4):
        raise InvalidPdu("a user information sub-item is not 4 bytes long")
    identity = found.get(Item.USER_IDENTITY, b"")
    return UserInformation(
        struct.unpack(">I", length)[0],
        _uid(found.get(Item.IMPLEMENTATION_UID, b"")),
        found.get(Item.IMPLEMENTATION_VERSION, b"").decode("latin-1").strip(" \0"),
        roles,
        extended,
        None if window is None else struct.unpack(">HH", window),
        identity[0] if identity else 0,
    )


def _named(value: bytes) -> tuple[str, bytes]:
    if len(value) < 2 or len(value) < 2 + (length := int.from_bytes(value[:2], "big")):
        raise InvalidPdu("a sub-item's UID is cut short")
    return _uid(value[2 : 2 + length]), value[2 + length :]


def _name(uid: str, rest: bytes) -> bytes:
    return len(uid).to_bytes(2, "big") + uid.encode("ascii") + rest


def _encoded_user(user: UserInformation) -> bytes:
    parts: Sequence[bytes] = (
        _item(Item.MAXIMUM_LENGTH, struct.pack(">I", user.maximum_length)),
        _text(Item.IMPLEMENTATION_UID, user.implementation_uid),
        b"" if user.asynchronous is None else _item(Item.ASYNC_WINDOW, struct.pack(">HH", *user.asynchronous)),
        *(_item(Item.ROLE_SELECTION, _name(uid, bytes(role))) for uid, role in user.roles.items()),
        _text(Item.IMPLEMENTATION_VERSION, user.implementation_version) if user.implementation_version else b"",
        *(_item(Item.EXTENDED_NEGOTIATION, _name(uid, value)) for uid, value in user.extended.items()),
    )
    return _item(Item.USER_INFORMATION, b"".join(parts))


def _associate(kind: PduType, pdu: AssociateRequest | AssociateAccept, contexts: bytes) -> bytes:
    titles = (title.encode("latin-1")[:16].ljust(16) for title in (pdu.called, pdu.calling))
    body = _FIXED.pack(pdu.protocol_version, *titles)
    body += _text(Item.APPLICATION_CONTEXT, pdu.application_context) + contexts + _encoded_user(pdu.user)
    return _HEADER.pack(kind, len(body)) + body
