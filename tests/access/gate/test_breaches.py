"""Passwords that attackers know: the list that is shipped, and an operator's own of SHA-1 digests."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panorad.access.gate import passwords
from panorad.access.gate.breaches import BreachList, BreachListUnreadable


def digest(text: str) -> str:
    return sha1(text.encode()).hexdigest().upper()


def written(path: Path, texts: list[str], end: str = "\n", last: bool = True) -> BreachList:
    lines = [f"{one}:{number * 7919 % 9_999_999 + 1}" for number, one in enumerate(sorted(map(digest, texts)))]
    path.write_bytes((end.join(lines) + (end if last and lines else "")).encode())
    return BreachList(path)


@settings(max_examples=60)
@given(st.lists(st.text(max_size=8), max_size=40, unique=True), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_everything_in_the_list_is_found_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], end: str, last: bool
) -> None:
    texts = [text for text in texts if not any("\ud800" <= letter <= "\udfff" for letter in text)]
    found = written(tmp_path_factory.mktemp("list") / "hashes.txt", texts, end, last)
    assert all(found.holds(text) for text in texts)
    assert not any(found.holds(f"{text} not there") for text in [*texts, ""])


def test_a_long_list_is_not_read_whole(tmp_path: Path) -> None:
    found = written(tmp_path / "hashes.txt", [f"password {number}" for number in range(50_000)])
    with pytest.raises(passwords.PasswordKnown):
        found.check("password 31415")
    found.check("password 50000")
    size = (tmp_path / "hashes.txt").stat().st_size
    with (tmp_path / "hashes.txt").open("r+b") as file:  # a hole of zeros that a search elsewhere never meets
        file.seek(size // 2 + 2000)
        file.write(bytes(size // 8))
    low = min((f"password {number}" for number in range(50_000)), key=digest)
    assert found.holds(low)


@pytest.mark.parametrize("content", [b"not a list\n" * 99, b"\0" * 5000, b"ABC:1\nDEF:2\n", b"A" * 10_000])
def test_what_is_no_list_is_said_not_taken_for_an_empty_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hashes.txt").write_bytes(content)
    with pytest.raises(BreachListUnreadable):
        BreachList(tmp_path / "hashes.txt").check("seven quiet herons wade")
    with pytest.raises(BreachListUnreadable):
        BreachList(tmp_path / "gone.txt").check("seven quiet herons wade")


def test_without_a_list_nothing_is_refused() -> None:
    BreachList(None).check("password")


def test_the_list_that_is_shipped_is_one_of_breaches() -> None:
    assert len(passwords._words()) > 30_000
    assert {"trustno1", "qwertyuiop", "woaini", "fangshe"} <= passwords._words()


@pytest.mark.parametrize(
    "password",
    ["Sunshine2026!!", "monkeymonkeymonkey", "liverpool-1892", "1q2w3e4r5t6y", "qwertyuiopasdf",
     "Radiology!2026", "woaini5201314", "123123123123",
     "98765432109876543210", "fangsheke-2026", "1234-5678-9012"],
)  # fmt: skip
def test_known_words_with_signs_or_twice_are_known(password: str) -> None:
    with pytest.raises(passwords.PasswordKnown):
        passwords.check(password)


@pytest.mark.parametrize(
    "password", ["blue heron reads film", "three otters x9 lamp", "云岭卫生院的三棵银杏树很高", "kq7-vmx2-9wtd-b31", "4829 1105 7736 29"]
)
def test_others_are_not(password: str) -> None:
    passwords.check(password)
