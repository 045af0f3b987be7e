"""The upper layer protocol machine as one table (PS3.8 section 9.2, Tables 9-6 to 9-10).

Each PDU that arrives is an event; the table gives what to do in each state. Local primitives (accept, reject, release) are plain
calls of `UpperLayer`, so only the states in which bytes are awaited have rows: Sta2, Sta5, Sta6, Sta7 and Sta13. While the local
user decides (Sta3) or closes its books before A-RELEASE-RP (Sta8) nothing is read, so a peer's PDU waits in the socket.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from panorad.access.dimse.pdu import PduType


class State(Enum):
    """States of PS3.8 Tables 9-1 to 9-5."""

    IDLE = "Sta1"
    AWAIT_REQUEST = "Sta2"
    AWAIT_LOCAL_ANSWER = "Sta3"
    AWAIT_ANSWER = "Sta5"
    READY = "Sta6"
    AWAIT_RELEASE = "Sta7"
    AWAIT_LOCAL_RELEASE = "Sta8"
    AWAIT_CLOSE = "Sta13"


class Action(Enum):
    """What an arriving PDU causes, with the actions of PS3.8 Tables 9-6 to 9-9 that it stands for."""

    REQUESTED = "AE-6"
    ACCEPTED = "AE-3"
    REJECTED = "AE-4"
    DATA = "DT-2"
    RELEASE_ASKED = "AR-2"
    RELEASED = "AR-3"
    ABORTED = "AA-2, AA-3"
    ABORT_AS_USER = "AA-1"
    ABORT_AS_PROVIDER = "AA-8"
    IGNORE = "AA-6"


def _row(default: Action, **actions: Action) -> Mapping[int, Action]:
    return {kind: actions.get(kind.name, Action.ABORTED if kind is PduType.ABORT else default) for kind in PduType}


TABLE: Mapping[State, Mapping[int, Action]] = {
    State.AWAIT_REQUEST: _row(Action.ABORT_AS_USER, ASSOCIATE_RQ=Action.REQUESTED),
    State.AWAIT_ANSWER: _row(Action.ABORT_AS_PROVIDER, ASSOCIATE_AC=Action.ACCEPTED, ASSOCIATE_RJ=Action.REJECTED),
    State.READY: _row(Action.ABORT_AS_PROVIDER, DATA=Action.DATA, RELEASE_RQ=Action.RELEASE_ASKED),
    State.AWAIT_RELEASE: _row(
        Action.ABORT_AS_PROVIDER, DATA=Action.DATA, RELEASE_RP=Action.RELEASED, RELEASE_RQ=Action.RELEASE_ASKED
    ),
    State.AWAIT_CLOSE: _row(Action.IGNORE),
}
"""Table 9-10, by state and PDU type."""


UNRECOGNIZED: Mapping[State, Action] = {
    State.AWAIT_REQUEST: Action.ABORT_AS_USER,
    State.AWAIT_CLOSE: Action.IGNORE,
}
"""Event 19, an unrecognized or invalid PDU; in every other state AA-8."""


def action(state: State, kind: int) -> Action:
    """What the arrival of a PDU of this type causes in this state."""
    found = TABLE[state].get(kind)
    return found if found is not None else UNRECOGNIZED.get(state, Action.ABORT_AS_PROVIDER)
