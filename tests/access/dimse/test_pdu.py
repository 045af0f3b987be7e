"""The association PDUs against pynetdicom's codec, both ways, and against arbitrary bytes."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom import pdu as theirs
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation, SOPClassExtendedNegotiation, UserIdentityNegotiation

from panorad.access.dimse.pdu import (
    RELEASE_RP,
    RELEASE_RQ,
    Abort,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ContextResult,
    InvalidPdu,
    ProposedContext,
    UserInformation,
)

from .raw import CT, EXPLICIT, IMPLICIT, request, window

uids = st.lists(st.integers(0, 99999).map(str), min_size=2, max_size=8).map(lambda parts: "1." + ".".join(parts))
titles = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_- ", min_size=1, max_size=16).map(str.strip).filter(bool)
users = st.builds(
    UserInformation,
    st.integers(0, 1 << 31),
    uids,
    titles,
    st.dictionaries(uids, st.tuples(st.booleans(), st.booleans()), max_size=3),
    st.dictionaries(uids, st.binary(min_size=1, max_size=6), max_size=3),
    st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
proposals = st.lists(st.tuples(uids, st.lists(uids, min_size=1, max_size=3)), min_size=1, max_size=4).map(
    lambda pairs: tuple(ProposedContext(2 * at + 1, uid, tuple(syntaxes)) for at, (uid, syntaxes) in enumerate(pairs))
)
results = st.lists(st.tuples(st.integers(0, 4), uids), min_size=1, max_size=4).map(
    lambda pairs: tuple(ContextResult(2 * at + 1, result, uid) for at, (result, uid) in enumerate(pairs))
)


@settings(max_examples=40)
@given(st.builds(AssociateRequest, titles, titles, proposals, users))
def test_request_round_trip_and_pynetdicom_agrees(pdu: AssociateRequest) -> None:
    raw = pdu.encode()
    assert AssociateRequest.decode(raw[6:]) == pdu
    peer = theirs.A_ASSOCIATE_RQ()
    peer.decode(raw)
    assert peer.encode() == raw
    assert (peer.called_ae_title, peer.calling_ae_title) == (pdu.called, pdu.calling)
    contexts = [(item.context_id, item.abstract_syntax, tuple(item.transfer_syntax)) for item in peer.presentation_context]
    assert contexts == [(context.id, context.abstract_syntax, context.transfer_syntaxes) for context in pdu.contexts]
    assert peer.user_information.maximum_length == pdu.user.maximum_length


@settings(max_examples=40)
@given(st.builds(AssociateAccept, titles, titles, results, users))
def test_accept_round_trip_and_pynetdicom_agrees(pdu: AssociateAccept) -> None:
    raw = pdu.encode()
    assert AssociateAccept.decode(raw[6:]) == pdu
    peer = theirs.A_ASSOCIATE_AC()
    peer.decode(raw)
    assert peer.encode() == raw
    items = [(item, item.transfer_syntax_sub_item[0].transfer_syntax_name) for item in peer.presentation_context]
    assert [(item.context_id, item.result, syntax) for item, syntax in items] == [
        (context.id, context.result, context.transfer_syntax) for context in pdu.contexts
    ]


def test_everything_a_requestor_may_say_is_read() -> None:
    role, extended, identity = SCP_SCU_RoleSelectionNegotiation(), SOPClassExtendedNegotiation(), UserIdentityNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = CT, False, True
    extended.sop_class_uid, extended.service_class_application_information = "1.2.840.10008.5.1.4.1.2.2.1", b"\1\0\1"
    identity.user_identity_type, identity.primary_field = 1, b"somebody"
    raw = request([(CT, [IMPLICIT, EXPLICIT])], called="PANORAD", calling="A B", items=[role, extended, identity, window(5, 6)])
    assert AssociateRequest.decode(raw[6:]) == AssociateRequest(
        "PANORAD",
        "A B",
        (ProposedContext(1, CT, (IMPLICIT, EXPLICIT)),),
        UserInformation(
            16384, "1.2.3.4", "", {CT: (False, True)}, {"1.2.840.10008.5.1.4.1.2.2.1": b"\1\0\1"}, (5, 6), identity_type=1
        ),
    )


@pytest.mark.parametrize(
    "ours, peer",
    [
        (AssociateReject(1, 1, 3).encode(), theirs.A_ASSOCIATE_RJ()),
        (AssociateReject(2, 3, 2).encode(), theirs.A_ASSOCIATE_RJ()),
        (RELEASE_RQ, theirs.A_RELEASE_RQ()),
        (RELEASE_RP, theirs.A_RELEASE_RP()),
        (Abort(2, 6).encode(), theirs.A_ABORT_RQ()),
    ],
)
def test_short_pdus_are_the_bytes_that_pynetdicom_writes(ours: bytes, peer: Any) -> None:
    peer.decode(ours)
    assert peer.encode() == ours


def test_short_pdus_are_read_back() -> None:
    assert AssociateReject.decode(AssociateReject(1, 2, 3).encode()[6:]) == AssociateReject(1, 2, 3)
    assert Abort.decode(Abort(2, 6).encode()[6:]) == Abort(2, 6)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_read_or_called_invalid(data: bytes) -> None:
    for codec in (AssociateRequest, AssociateAccept, AssociateReject, Abort):
        with suppress(InvalidPdu):
            assert isinstance(codec.decode(data), codec)


@given(st.data())
def test_damaged_requests_are_read_or_called_invalid(data: st.DataObject) -> None:
    raw = bytearray(request([(CT, [IMPLICIT, EXPLICIT])])[6:])
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    with suppress(InvalidPdu):
        assert AssociateRequest.decode(bytes(raw[:cut])).contexts is not None


@pytest.mark.parametrize("context_id", [0, 2])
def test_an_even_context_id_is_invalid(context_id: int) -> None:
    raw = bytearray(request([(CT, [IMPLICIT])]))
    at = raw.index(b"\x20\x00", 74)
    raw[at + 4] = context_id
    with pytest.raises(InvalidPdu, match="even"):
        AssociateRequest.decode(bytes(raw[6:]))
