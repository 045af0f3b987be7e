"""DICOM over TLS: dcmtk and openssl as peers; who has no certificate of ours, or an old protocol, does not come in."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove

from panorad.access.dimse import Credentials, CredentialsUnusable, Destination
from panorad.access.dimse.tls import handshake
from panorad.access.dimse.transport import transport_of
from panorad.model.certificate import Binding, Certificate, fingerprint_of_pem

from .archive import keep, make, save
from .authority import Authority, Issued
from .conftest import Center
from .raw import Peer, pdata, pdv, request, store_command
from .test_retrieve import free_port, identifier

Dcmtk = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def ours(authority: Authority) -> Issued:
    return authority.issue("panorad", "DNS:localhost,IP:127.0.0.1")


@pytest.fixture(scope="module")
def scanner(authority: Authority) -> Issued:
    return authority.issue("scanner", "DNS:ct1.clinic.example")


@pytest.fixture
def center(start: Callable[..., Center], authority: Authority, ours: Issued) -> Center:
    return start(Credentials(ours.certificate, ours.key, authority.trusted), request_seconds=5)


def client(authority: Authority, issued: Issued | None, **changes: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.trusted))
    if issued is not None:
        context.load_cert_chain(issued.certificate, issued.key)
    for name, value in changes.items():
        setattr(context, name, value)
    return context


class SecurePeer(Peer):
    """A peer of the raw kind over TLS."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(port)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")


def options(issued: Issued, trusted: Path) -> list[Any]:
    return ["+tls", issued.key, issued.certificate, "+cf", trusted]


def refusals(center: Center) -> list[Any]:
    return [event for event in center.archive.events if event.kind == "association.refused"]


@pytest.mark.peers
def test_dcmtk_stores_echoes_and_finds(center: Center, authority: Authority, scanner: Issued, dcmtk: Dcmtk, tmp_path: Path) -> None:
    dataset = make(PixelData=os.urandom(2 * 1024 * 1024), Rows=1024, Columns=1024)
    file = save(dataset, tmp_path / "ct.dcm")
    tls, where = options(scanner, authority.trusted), ("-aec", "PANORAD", "localhost", center.port)
    for program, extra in (("echoscu", []), ("storescu", [file])):
        done = dcmtk(program, *tls, *where, *extra)
        assert done.returncode == 0, done.stderr
    [stored] = center.archive.instances
    assert dataset.PixelData in center.archive.data_set(stored)
    done = dcmtk("findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3.1", "-k", "PatientName", *tls, *where)
    assert done.returncode == 0
    assert "Doe^Jane" in done.stdout + done.stderr


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_serve(center: Center, authority: Authority, scanner: Issued, version: ssl.TLSVersion) -> None:
    with SecurePeer(center.port, client(authority, scanner, maximum_version=version)) as peer:
        peer.associate()
        assert peer.echo() == 0
        peer.release()
        assert peer.ended() is None
    assert center.archive.certificates[-1] == Certificate(scanner.fingerprint, ("ct1.clinic.example",))


WEAK = {
    "TLS 1.1": ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"],
    "TLS 1.0": ["-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"],
    "CBC": ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256:@SECLEVEL=0"],
    "no forward secrecy": ["-tls1_2", "-cipher", "AES128-GCM-SHA256:@SECLEVEL=0"],
    "no authentication": ["-tls1_2", "-cipher", "AECDH-AES128-SHA:@SECLEVEL=0"],
    "no encryption": ["-tls1_2", "-cipher", "ECDHE-RSA-NULL-SHA:@SECLEVEL=0"],
}


@pytest.mark.peers
@pytest.mark.parametrize("words", [*WEAK.values(), ["-tls1_2"], ["-tls1_3"]], ids=[*WEAK, "good 1.2", "good 1.3"])
def test_what_openssl_may_negotiate(center: Center, authority: Authority, scanner: Issued, words: list[str]) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("program 'openssl' is not installed")
    command = ["openssl", "s_client", "-connect", f"localhost:{center.port}", "-CAfile", str(authority.trusted), *words]
    command += ["-cert", str(scanner.certificate), "-key", str(scanner.key), "-verify_return_error"]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=30, check=False)
    weak = words in WEAK.values()
    assert (done.returncode != 0) == weak, done.stdout + done.stderr
    if weak:
        assert "alert" in done.stderr
        center.wait(lambda: bool(refusals(center)))


def test_a_peer_without_a_trusted_certificate_is_refused_and_told_of(
    center: Center, authority: Authority, scanner: Issued, tmp_path: Path
) -> None:
    strange = Authority(tmp_path / "strange").issue("scanner")
    for issued in (strange, None):
        count = len(refusals(center))
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)), SecurePeer(center.port, client(authority, issued)) as peer:
            peer.associate()
        center.wait(lambda count=count: len(refusals(center)) > count)  # type: ignore[misc]
        assert refusals(center)[-1].objects == {"peer": "127.0.0.1"}
    reasons = [event.detail["reason"] for event in refusals(center)]
    assert "not accepted" in reasons[0]
    assert "did not return a certificate" in reasons[1]


def test_plain_words_on_the_port_of_tls_are_refused(center: Center) -> None:
    with Peer(center.port) as peer:
        peer.send(request())
        last = peer.ended()
        assert last is None or last[0] == 0x15
    center.wait(lambda: center.server.associations == 0)
    assert center.archive.certificates == []


def test_an_expired_and_a_revoked_certificate_are_refused(start: Callable[..., Center], ours: Issued, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    old, gone, good = other.issue("old", days=-1), other.issue("gone"), other.issue("good")
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(other.trusted.read_text() + other.revoke(gone))
    center = start(Credentials(ours.certificate, ours.key, trusted))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for issued, reason in ((old, "expired"), (gone, "revoked")):
        context.load_cert_chain(issued.certificate, issued.key)
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)), SecurePeer(center.port, context) as peer:
            peer.associate()
        center.wait(lambda reason=reason: any(reason in one.detail["reason"] for one in refusals(center)))  # type: ignore[misc]
    context.load_cert_chain(good.certificate, good.key)
    with SecurePeer(center.port, context) as peer:
        peer.associate()


def test_a_renewed_certificate_is_taken_up_and_a_broken_one_is_not(
    start: Callable[..., Center], authority: Authority, ours: Issued, scanner: Issued, tmp_path: Path
) -> None:
    certificate, key = tmp_path / "ours.pem", tmp_path / "ours.key"

    def install(issued: Issued) -> None:
        certificate.write_bytes(issued.certificate.read_bytes())
        key.write_bytes(issued.key.read_bytes())

    def shown() -> str:
        with SecurePeer(center.port, client(authority, scanner)) as peer:
            peer.associate()
            der = peer.socket.getpeercert(binary_form=True)  # type: ignore[attr-defined]
            return fingerprint_of_pem(ssl.DER_cert_to_PEM_cert(der)) or ""

    install(ours)
    center = start(Credentials(certificate, key, authority.trusted))
    assert shown() == ours.fingerprint
    renewed = authority.issue("panorad-2", "DNS:localhost")
    install(renewed)
    assert shown() == renewed.fingerprint
    key.write_text("half a fi")
    assert shown() == renewed.fingerprint
    certificate.unlink()
    assert shown() == renewed.fingerprint
    install(ours)
    assert shown() == ours.fingerprint


def test_files_that_cannot_be_used_are_named(authority: Authority, ours: Issued, scanner: Issued, tmp_path: Path) -> None:
    with pytest.raises(CredentialsUnusable, match=r"absent\.pem: No such file"):
        Credentials(tmp_path / "absent.pem", ours.key, authority.trusted)
    with pytest.raises(CredentialsUnusable, match="mismatch"):
        Credentials(ours.certificate, scanner.key, authority.trusted)
    locked = tmp_path / "locked.key"
    subprocess.run(["openssl", "rsa", "-aes128", "-passout", "pass:x", "-in", ours.key, "-out", locked], check=True, capture_output=True)
    with pytest.raises(CredentialsUnusable):
        Credentials(ours.certificate, locked, authority.trusted)


def test_half_a_record_is_nothing_to_read(authority: Authority, ours: Issued, scanner: Issued) -> None:
    """C-CANCEL is looked for without waiting, so what TLS says to itself must not look like it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = client(authority, scanner).wrap_bio(incoming, outgoing, server_hostname="localhost")
    here, there = socket.socketpair()
    secured = Credentials(ours.certificate, ours.key, authority.trusted).wrap(here)
    server = threading.Thread(target=handshake, args=(secured, 10))
    server.start()
    there.settimeout(10)
    while True:
        try:
            peer.do_handshake()
            break
        except ssl.SSLWantReadError:
            there.sendall(outgoing.read())
            incoming.write(there.recv(1 << 16))
    there.sendall(outgoing.read())
    server.join(10)
    transport = transport_of(secured)
    transport.patience(5)
    peer.write(b"C-CANCEL")
    record = outgoing.read()
    assert not transport.waiting()
    there.sendall(record[:10])
    assert not transport.waiting()
    there.sendall(record[10:])
    assert transport.waiting()
    assert transport.waiting()
    found = bytearray(100)
    assert transport.receive(memoryview(found)[:3]) == 3
    assert transport.receive(memoryview(found)[3:]) == 5
    assert found.startswith(b"C-CANCEL")
    transport.patience(0.1)
    with pytest.raises(TimeoutError):
        transport.receive(memoryview(found))
    there.close()
    assert transport.waiting()
    assert transport.receive(memoryview(found)) == 0
    transport.close()


# -- slow and many ---------------------------------------------------------------------------------------------------------------------


def test_handshakes_that_do_not_end_hold_nobody_up_and_are_cut(
    start: Callable[..., Center], authority: Authority, ours: Issued, scanner: Issued
) -> None:
    center = start(Credentials(ours.certificate, ours.key, authority.trusted), request_seconds=1.0)
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    silent = [socket.create_connection(("127.0.0.1", center.port), 10) for _ in range(8)]
    stop = threading.Event()

    def drip() -> None:
        for byte in hello + bytes(400):
            for sock in silent[4:]:
                try:
                    sock.send(bytes((byte,)))
                except OSError:
                    return
            if stop.wait(0.05):
                return

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        began = time.monotonic()
        with SecurePeer(center.port, client(authority, scanner)) as peer:
            peer.associate()
            assert peer.echo() == 0
        assert time.monotonic() - began < 1.0
        center.wait(lambda: center.server.associations == 0, 4)
    finally:
        stop.set()
        dripping.join()
        for sock in silent:
            sock.close()


def test_a_request_and_a_pdu_that_drip_through_tls_are_cut(
    start: Callable[..., Center], authority: Authority, ours: Issued, scanner: Issued
) -> None:
    center = start(Credentials(ours.certificate, ours.key, authority.trusted), request_seconds=0.5, pdu_seconds=0.5)
    context = client(authority, scanner)

    def drip(peer: Peer, data: bytes) -> None:
        with pytest.raises((OSError, EOFError)):
            for byte in data:
                peer.send(bytes((byte,)))
                time.sleep(0.02)
            peer.pdu()

    with SecurePeer(center.port, context) as peer:
        began = time.monotonic()
        drip(peer, request())
        assert time.monotonic() - began < 5
    with SecurePeer(center.port, context) as peer:
        peer.associate()
        peer.send(pdata(pdv(1, 3, store_command("1.2.3"))))
        began = time.monotonic()
        drip(peer, pdata(pdv(1, 2, bytes(3000))))
        assert time.monotonic() - began < 5
    center.wait(lambda: center.server.associations == 0)
    assert center.archive.aborted == 1


# -- sending ---------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def storescp(tmp_path: Path, authority: Authority, dcmtk: Dcmtk) -> Any:
    """dcmtk's storescp over TLS with a certificate of the name it is given; gives its port and folder."""
    running = []

    def start(issued: Issued) -> tuple[int, Path]:
        port, folder = free_port(), tmp_path / f"received{len(running)}"
        folder.mkdir()
        command = ["storescp", "-aet", "READER", *map(str, options(issued, authority.trusted)), "-od", str(folder), str(port)]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        return port, folder

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.peers
@pytest.mark.parametrize(
    "names, host, binding, sent",
    [
        ("DNS:localhost", "localhost", "none", True),
        ("IP:127.0.0.1", "127.0.0.1", "none", True),
        ("DNS:elsewhere.example", "localhost", "none", False),
        ("DNS:elsewhere.example", "localhost", "own", True),
        ("DNS:elsewhere.example", "localhost", "name", True),
        ("DNS:elsewhere.example", "localhost", "any", True),
        ("DNS:localhost", "localhost", "foreign", False),
    ],
)
def test_a_move_goes_over_tls_to_whom_it_should(
    center: Center, authority: Authority, scanner: Issued, storescp: Any, names: str, host: str, binding: str, sent: bool
) -> None:
    reader = authority.issue(f"reader {names} {binding}", names)
    port, folder = storescp(reader)
    bindings: dict[str, tuple[Binding, ...]] = {
        "none": (),
        "own": (Binding("sha256", reader.fingerprint),),
        "name": (Binding("name", "Elsewhere.example"),),
        "any": (Binding("any"),),
        "foreign": (Binding("sha256", scanner.fingerprint),),
    }
    center.archive.destinations["READER"] = Destination("READER", host, port, True, bindings[binding])
    keep(center.archive, make())
    mover = AE()
    mover.add_requested_context(StudyRootQueryRetrieveInformationModelMove)
    association = mover.associate("127.0.0.1", center.port, ae_title="PANORAD", tls_args=(client(authority, scanner), "localhost"))
    [*_, (last, _)] = association.send_c_move(identifier(), "READER", StudyRootQueryRetrieveInformationModelMove)
    association.release()
    assert (last.Status == 0) == sent, last
    if not sent:
        assert "certificate" in last.ErrorComment
    assert len(list(folder.iterdir())) == int(sent)


def test_a_destination_over_tls_is_not_reached_without_a_certificate_of_ours(start: Callable[..., Center], dcmtk: Dcmtk) -> None:
    center = start()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        center.archive.destinations["READER"] = Destination("READER", "127.0.0.1", listener.getsockname()[1], True)
        keep(center.archive, make())
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3.1")
        done = dcmtk("movescu", "-S", *keys, "-aem", "READER", "-aec", "PANORAD", "127.0.0.1", center.port)
        assert done.returncode != 0
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.accept()
