"""Bad input through every door: a reason that an operator can read, and the next image is taken as if nothing had happened."""

import random
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from pydicom.uid import generate_uid

from .dcmtk import dcmtk
from .dicomweb import BOUNDARY, DICOM_JSON, failed, instance_paths, multipart, retrieve, search, stored, stow
from .images import bundled, ct_series, ct_slice, encode, read
from .part10 import EXPLICIT, IMPLICIT, Part10, join, split
from .processes import Center
from .scu import SUCCESS, AssociationLostError, StoreAssociation

CT = "1.2.840.10008.5.1.4.1.1.2"


def good(patient: str = "GOOD-1") -> tuple[str, bytes]:
    """Return one small image as it should be."""
    [(uid, raw)] = ct_series(1, patient=patient, size=16)
    return uid, raw


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    """Encode a data element with a 16-bit length in Explicit VR Little Endian."""
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def without(keyword: str) -> bytes:
    ds = ct_slice(generate_uid(prefix=None), generate_uid(prefix=None), 1, patient="BAD-1", size=16)
    delattr(ds, keyword)
    return encode(ds)


def nested(depth: int) -> bytes:
    """Return a file with sequences of undefined length one in the other."""
    uid, raw = good("BAD-NESTED")
    deep = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return join(CT, uid, EXPLICIT, split(raw).dataset.split(b"\x08\0\x60\0CS")[0] + deep * depth)


def deflate_bomb() -> bytes:
    """Return a deflated data set (PS3.5 annex A.5) that unfolds into 400 MB."""
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 400 << 20)
    packer = zlib.compressobj(9, wbits=-15)
    head = split(good("BAD-BOMB")[1]).dataset.split(b"\xe0\x7f\x10\0")[0]
    packed = packer.compress(head + pixels) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(400)) + packer.flush()
    return join(CT, str(generate_uid(prefix=None)), "1.2.840.10008.1.2.1.99", packed)


def with_path() -> bytes:
    ds = ct_slice(generate_uid(prefix=None), generate_uid(prefix=None), 1, patient="BAD-PATH", size=16)
    uid = ds.SOPInstanceUID.encode()
    return encode(ds).replace(uid, b"../../../../../../tmp/panorad-out".ljust(len(uid), b"t"))


BAD: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"This is not an image.\n" * 40,
    "zeros": lambda: bytes(4096),
    "preamble only": lambda: bytes(128) + b"DICM",
    "truncated in the meta": lambda: good()[1][:180],
    "truncated in the header": lambda: good()[1][:600],
    "truncated in the pixels": lambda: good()[1][:-100],
    "no preamble": lambda: good()[1][132:],
    "data set alone": lambda: split(good()[1]).dataset,
    "no SOP Instance UID": lambda: without("SOPInstanceUID"),
    "no Study Instance UID": lambda: without("StudyInstanceUID"),
    "wrong transfer syntax": lambda: join(CT, good()[0], "1.2.840.10008.1.2.2", split(good()[1]).dataset),
    "unknown transfer syntax": lambda: join(CT, good()[0], "1.2.3.4.5", split(good()[1]).dataset),
    "length beyond the end": lambda: join(CT, good()[0], EXPLICIT, struct.pack("<HH2sHI", 8, 0x16, b"UN", 0, 0x7FFFFFFF)),
    "no such VR": lambda: join(CT, good()[0], EXPLICIT, element(8, 0x16, b"\xff\xfe", b"1.2 ") * 20),
    "nested 5,000 deep": lambda: nested(5000),
    "UID with a path": with_path,
    "deflate bomb": deflate_bomb,
    "bundled rtplan_truncated": lambda: bundled("rtplan_truncated.dcm").read_bytes(),
    "bundled badVR": lambda: bundled("badVR.dcm").read_bytes(),
    "bundled no_meta": lambda: bundled("no_meta.dcm").read_bytes(),
    "bundled UN_sequence": lambda: bundled("UN_sequence.dcm").read_bytes(),
}


def assert_fine(center: Center) -> None:
    """The center answers, takes an image over both protocols and gives it back."""
    assert center.alive()
    _, raw = good()
    with StoreAssociation(center.dimse, [(CT, EXPLICIT)]) as association:
        assert association.store(split(raw)).status == SUCCESS
    [url] = instance_paths(center.dicomweb, read(raw).StudyInstanceUID).values()
    assert split(retrieve(url)[0]).dataset == split(raw).dataset


@pytest.mark.parametrize("name", BAD)
def test_stow_takes_the_good_beside_the_bad(center: Center, name: str) -> None:
    before, after = good("BESIDE-1"), good("BESIDE-2")
    answer = stow(center.dicomweb, [before[1], BAD[name](), after[1]])
    assert answer.status_code in (200, 202), answer.text[:500]
    assert {before[0], after[0]} <= stored(answer)
    kept_as_it_is = len(stored(answer)) == 3
    assert kept_as_it_is or all(failed(answer).values()), "neither stored nor failed with a reason"
    assert kept_as_it_is or answer.status_code == 202
    for uid, raw in (before, after):
        assert uid in instance_paths(center.dicomweb, read(raw).StudyInstanceUID)


@pytest.mark.parametrize("name", BAD)
def test_c_store_answers_the_bad_and_takes_the_good_after_it(center: Center, name: str) -> None:
    raw = BAD[name]()
    dataset = raw[132:] if raw[128:132] == b"DICM" else raw
    with suppress(ValueError, struct.error, IndexError):
        dataset = split(raw).dataset
    bad = Part10({0x02: CT.encode(), 0x03: generate_uid(prefix=None).encode(), 0x10: EXPLICIT.encode()}, dataset)
    uid, fine = good("BESIDE-3")
    try:
        with StoreAssociation(center.dimse, [(CT, EXPLICIT)]) as association:
            answer = association.store(bad)
            assert answer.status == SUCCESS or answer.comment, f"status 0x{answer.status:04X} without a comment"
            assert association.store(split(fine)).status == SUCCESS
    except AssociationLostError as error:
        pytest.fail(f"the bad data set ended the association: {error}")
    assert uid in instance_paths(center.dicomweb, read(fine).StudyInstanceUID)


def test_import_reports_the_bad_and_takes_the_good(fresh_center: Callable[..., Center], tmp_path: Path) -> None:
    center, folder, wanted = fresh_center(), tmp_path / "in", {}
    folder.mkdir()
    for number, (name, make) in enumerate(BAD.items()):
        (folder / f"{number:02}-{name.replace(' ', '_').replace(',', '')}.dcm").write_bytes(make())
        uid, raw = good(f"BESIDE-{number}")
        wanted[uid] = raw
        (folder / f"{number:02}-good.dcm").write_bytes(raw)
    with zipfile.ZipFile(folder / "broken.zip", "w") as archive:
        archive.writestr("a.dcm", good()[1])
    whole = (folder / "broken.zip").read_bytes()
    (folder / "broken.zip").write_bytes(whole[: len(whole) // 2])

    done = center.command("import", str(folder))
    listed = {match["00080018"]["Value"][0] for match in search(center.dicomweb, "instances")}
    assert wanted.keys() <= listed
    report = done.stdout + done.stderr
    for word in ("text.dcm", "zeros.dcm", "truncated_in_the_header.dcm", "no_SOP_Instance_UID.dcm", "broken.zip"):
        assert word in report.replace("\n", ""), f"{word} is not in the report:\n{report}"
    assert "Traceback" not in report


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("text/plain", 415),
        ("multipart/related", 400),
        (f'multipart/related; type="application/zip"; boundary={BOUNDARY}', 415),
        (f'multipart/related; type="application/dicom"; boundary={"x" * 4000}', 400),
    ],
)
def test_a_body_of_the_wrong_kind_is_refused(center: Center, kind: str, status: int) -> None:
    answer = requests.post(f"{center.dicomweb}/studies", data=multipart([good()[1]]), headers={"Content-Type": kind}, timeout=30)
    assert answer.status_code in (status, 400), answer.text
    assert_fine(center)


def test_http_bodies_of_noise_never_end_in_an_internal_error(center: Center) -> None:
    chance = random.Random(7)
    whole = multipart([good()[1]])
    for _ in range(150):
        body = bytearray(whole)
        for _ in range(chance.randrange(1, 20)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        del body[chance.randrange(len(body)) :]
        answer = requests.post(
            f"{center.dicomweb}/studies",
            data=bytes(body),
            headers={"Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}', "Accept": DICOM_JSON},
            timeout=30,
        )
        assert answer.status_code < 500, f"{answer.status_code} for {bytes(body)!r}"
    assert_fine(center)


def test_queries_of_noise_never_end_in_an_internal_error(center: Center) -> None:
    chance = random.Random(8)
    words = ["PatientName", "StudyDate", "limit", "offset", "includefield", "0020000D", "fuzzymatching"]
    words += ["\0", "张", "'", '"', "%", "\\", "*" * 50]
    for level in ("studies", "series", "instances", "studies/1/series", "studies/../x", "studies/1'/metadata"):
        for _ in range(25):
            params = {chance.choice(words): "".join(chance.choices(words, k=chance.randrange(4))) for _ in range(3)}
            answer = requests.get(f"{center.dicomweb}/{level}", params=params, headers={"Accept": DICOM_JSON}, timeout=30)
            assert answer.status_code < 500, f"{answer.status_code} for {answer.url}"
    assert_fine(center)


def exchange(port: int, *pieces: bytes) -> bytes:
    """Write to the DIMSE port and read until the peer closes or one second has passed."""
    got = b""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.settimeout(0.2)
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65536):
            got += piece
    return got


def test_dimse_sockets_of_noise_leave_the_next_association_alone(center: Center) -> None:
    chance = random.Random(9)
    whole = recorded_association(center)
    for turn in range(120):
        noise = bytearray(whole if turn % 2 else chance.randbytes(chance.randrange(1, 3000)))
        for _ in range(chance.randrange(1, 10)):
            noise[chance.randrange(len(noise))] = chance.randrange(256)
        exchange(center.dimse, bytes(noise[: chance.randrange(1, len(noise) + 1)]))
    exchange(center.dimse, bytes([1, 0]) + struct.pack(">I", 0xFFFFFFFF), bytes(100_000))
    exchange(center.dimse, bytes([4, 0]) + struct.pack(">I", 100), bytes(100))
    dcmtk("echoscu", "-aec", center.title, "127.0.0.1", str(center.dimse))
    assert_fine(center)


def recorded_association(center: Center) -> bytes:
    """Return the bytes that a whole C-STORE association sends, recorded between the sender and the center."""
    sent = bytearray()
    with StoreAssociation(center.dimse, [(CT, EXPLICIT), (CT, IMPLICIT)], tap=sent.extend) as association:
        association.store(split(good("FUZZ-1")[1]))
    return bytes(sent)


def test_silent_peers_do_not_keep_others_out(center: Center) -> None:
    silent = [socket.create_connection(("127.0.0.1", center.dimse), 5) for _ in range(40)]
    try:
        assert_fine(center)
    finally:
        for connection in silent:
            connection.close()
