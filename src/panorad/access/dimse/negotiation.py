"""Association negotiation of the acceptor: requests and presentation contexts (PS3.8 section 7.1, PS3.7 Annex D)."""

from __future__ import annotations

from dataclasses import dataclass

from panorad.access.dimse.conformance import (
    EXPLICIT_LITTLE,
    IDENTIFIER_SYNTAXES,
    IMPLEMENTATION_UID,
    IMPLEMENTATION_VERSION,
    Offer,
    Service,
    offer,
)
from panorad.access.dimse.pdu import (
    APPLICATION_CONTEXT,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ContextResult,
    ProposedContext,
    UserInformation,
)

ACCEPTANCE, ABSTRACT_SYNTAX_UNKNOWN, TRANSFER_SYNTAXES_UNKNOWN = 0, 3, 4
"""Results of a presentation context (PS3.8 Table 9-18)."""

CONTEXT_NAME_UNKNOWN = AssociateReject(1, 1, 2)
CALLING_UNKNOWN = AssociateReject(1, 1, 3)
CALLED_UNKNOWN = AssociateReject(1, 1, 7)
VERSION_UNKNOWN = AssociateReject(1, 2, 2)
CONGESTION = AssociateReject(2, 3, 1)
LIMIT_EXCEEDED = AssociateReject(2, 3, 2)
"""Answers of PS3.8 Table 9-21; the last two are transient, so a sender comes again."""

RELATIONAL, FUZZY = 0, 2
"""Bytes of the C-FIND extended negotiation: relational queries, fuzzy semantic matching (PS3.4 section C.5.1.1)."""

SUPPORTED = {Service.FIND: bytes((1, 0, 1, 0, 0)), Service.MOVE: bytes((1, 0)), Service.GET: bytes((1, 0))}
"""What extended negotiation is answered with, where the requestor proposes it too (PS3.4 sections C.5.1, C.5.2, C.5.3)."""


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context. `sends` tells that the requestor takes the SCP role, so that C-GET may send under it."""

    id: int
    offer: Offer
    transfer_syntax: str
    sends: bool = False
    fuzzy: bool = False


def objection(request: AssociateRequest) -> AssociateReject | None:
    """What is wrong with a request before anybody asks who calls."""
    if not request.protocol_version & 1:
        return VERSION_UNKNOWN
    return None if request.application_context == APPLICATION_CONTEXT else CONTEXT_NAME_UNKNOWN


def negotiate(request: AssociateRequest, maximum: int) -> tuple[AssociateAccept, dict[int, Context]]:
    """The answer to a request that is let in, and its accepted contexts. `maximum` is the P-DATA-TF length we take, in bytes."""
    proposed = request.user
    extended = {
        uid: _common(value, SUPPORTED[found.service])
        for uid, value in proposed.extended.items()
        if (found := offer(uid)) is not None and found.service in SUPPORTED
    }
    results, contexts = [], {}
    for context in request.contexts:
        found = offer(context.abstract_syntax)
        syntax = _syntax(context, found, proposed.roles.get(context.abstract_syntax, (True, False))[1])
        result = ABSTRACT_SYNTAX_UNKNOWN if found is None else ACCEPTANCE if syntax else TRANSFER_SYNTAXES_UNKNOWN
        results.append(ContextResult(context.id, result, syntax or context.transfer_syntaxes[0]))
        if found is not None and syntax:
            fuzzy = extended.get(context.abstract_syntax, b"")[FUZZY : FUZZY + 1] == b"\1"
            sends = found.service is Service.STORAGE and proposed.roles.get(context.abstract_syntax, (True, False))[1]
            contexts[context.id] = Context(context.id, found, syntax, sends, fuzzy)
    accepted = {context.offer.uid: context.offer for context in contexts.values()}
    roles = {
        uid: (scu, scp and accepted[uid].service is Service.STORAGE)
        for uid, (scu, scp) in proposed.roles.items()
        if uid in accepted
    }
    user = UserInformation(
        maximum,
        IMPLEMENTATION_UID,
        IMPLEMENTATION_VERSION,
        roles,
        {uid: value for uid, value in extended.items() if uid in accepted},
        None if proposed.asynchronous is None else (1, 1),
    )
    return AssociateAccept(request.called, request.calling, tuple(results), user), contexts


def _syntax(context: ProposedContext, found: Offer | None, sends: bool) -> str:
    """The requestor's first transfer syntax; for what we shall have to send, one into which everything can be transcoded."""
    proposed = context.transfer_syntaxes
    if found is None:
        return ""
    if found.service in SUPPORTED:
        return next((syntax for syntax in proposed if syntax in IDENTIFIER_SYNTAXES), "")
    return EXPLICIT_LITTLE if sends and EXPLICIT_LITTLE in proposed else proposed[0]


def _common(proposed: bytes, supported: bytes) -> bytes:
    return bytes(a & b for a, b in zip(proposed, supported, strict=False))
