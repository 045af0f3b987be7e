"""Frames of RFC 5424 and RFC 5425: golden bytes, and lengths that count octets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from panorad.data.process.syslog import frame
from tests.data.process.traces import AT


def test_a_frame_byte_for_byte() -> None:
    made = frame(AT, "<AuditMessage/>", host="center.example.org", process=42)
    assert made == (
        b"98 <85>1 2026-03-11T06:30:15.123456Z center.example.org panorad 42 DICOM+RFC3881 - \xef\xbb\xbf<AuditMessage/>"
    )


@given(st.text(st.characters(exclude_categories=("Cs",))), st.text())
def test_the_length_is_that_of_the_octets(text: str, host: str) -> None:
    length, _, body = frame(AT, text, host=host, process=1).partition(b" ")
    assert int(length) == len(body)
    head, _, said = body.partition(b" - \xef\xbb\xbf")
    assert said.decode() == text
    assert len(head.split(b" ")) == 6
