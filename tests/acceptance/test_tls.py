"""A guarded center over TLS, with dcmtk as the scanner and the workstation: who may call is whose certificate the node is bound to."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.access.dimse.authority import Authority, Issued

from .dcmtk import call, dcmtk
from .images import ct_series
from .processes import Center, Listener, free_port, program, wait_until

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    program("openssl")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def scanner(authority: Authority) -> Issued:
    return authority.issue("scanner", "DNS:ct1.clinic.example")


@pytest.fixture(scope="module")
def other(authority: Authority) -> Issued:
    return authority.issue("other")


class Secured(Center):
    """A center that asks who calls, with a plain and a TLS listener."""

    def __init__(self, home: Path, authority: Authority) -> None:
        ours = authority.issue("panorad", "DNS:localhost")
        self.tls = free_port()
        settings = {
            "DIMSE_TLS": f"127.0.0.1:{self.tls}",
            "DIMSE_TLS_CERTIFICATE": str(ours.certificate),
            "DIMSE_TLS_KEY": str(ours.key),
            "DIMSE_TLS_TRUSTED": str(authority.trusted),
            "ASSOCIATIONS_PER_PEER": "3",
            "ASSOCIATION_REQUEST_S": "3",
            "DIMSE_WORKERS": "1",
        }
        super().__init__(home, {f"PANORAD_{name}": value for name, value in settings.items()} | {"COLUMNS": "200"}, open_center=False)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, authority: Authority, scanner: Issued) -> Iterator[Secured]:
    center = Secured(tmp_path_factory.mktemp("guarded") / "home", authority)
    try:
        center.start()
        for title in ("BOUND", "NAMED", "PLAIN"):
            center.run("node", "add", title)
        center.run("node", "bind", "BOUND", "--certificate", str(scanner.certificate))
        center.run("node", "bind", "NAMED", "--name", "ct1.clinic.example")
        yield center
    finally:
        center.kill()


def words(issued: Issued, authority: Authority) -> list[str]:
    return ["+tls", str(issued.key), str(issued.certificate), "+cf", str(authority.trusted)]


def echo(center: Secured, title: str, issued: Issued | None, authority: Authority) -> tuple[bool, str]:
    where = ("localhost", str(center.tls)) if issued else ("127.0.0.1", str(center.dimse))
    done = call("echoscu", *(words(issued, authority) if issued else ()), "-aet", title, "-aec", "PANORAD", *where)
    return done.returncode == 0, done.stdout


def test_both_addresses_are_told(guarded: Secured) -> None:
    assert f"DICOM PANORAD@127.0.0.1:{guarded.dimse}, DICOM over TLS PANORAD@127.0.0.1:{guarded.tls}" in guarded.ready_line


@pytest.mark.parametrize(
    "title, certificate, let_in",
    [
        ("BOUND", "scanner", True),
        ("BOUND", "other", False),
        ("BOUND", None, False),
        ("NAMED", "scanner", True),
        ("NAMED", "other", False),
        ("NAMED", None, False),
        ("PLAIN", "scanner", False),
        ("PLAIN", None, True),
        ("NOBODY", "scanner", False),
        ("NOBODY", None, False),
    ],
)
def test_who_is_let_in(
    guarded: Secured, authority: Authority, scanner: Issued, other: Issued, title: str, certificate: str | None, let_in: bool
) -> None:
    issued = {"scanner": scanner, "other": other, None: None}[certificate]
    good, said = echo(guarded, title, issued, authority)
    assert good == let_in, said
    if not let_in:
        assert "Calling AE Title Not Recognized" in said


def test_a_certificate_of_a_strange_authority_ends_in_the_handshake(guarded: Secured, authority: Authority, tmp_path: Path) -> None:
    strange = Authority(tmp_path / "strange").issue("scanner")
    assert not echo(guarded, "BOUND", strange, authority)[0]
    assert echo(guarded, "BOUND", authority.issue("unused"), authority)[1].count("Calling AE Title Not Recognized") == 1


def test_bindings_are_listed_overlap_and_are_taken_back(guarded: Secured, authority: Authority, scanner: Issued, other: Issued) -> None:
    guarded.run("node", "add", "RENEWING", "--host", "127.0.0.1", "--port", "11113", "--tls")
    guarded.run("node", "bind", "RENEWING", "--sha256", scanner.fingerprint.upper())
    guarded.run("node", "bind", "RENEWING", "--certificate", str(other.certificate))
    listed = guarded.run("node", "list")
    assert "127.0.0.1:11113 TLS" in listed
    assert listed.count("sha256") >= 3
    for issued in (scanner, other):
        assert echo(guarded, "RENEWING", issued, authority)[0]
    guarded.run("node", "unbind", "RENEWING", "--certificate", str(scanner.certificate))
    assert not echo(guarded, "RENEWING", scanner, authority)[0]
    assert guarded.command("node", "unbind", "RENEWING", "--any").returncode == 1
    assert "no such binding" in guarded.command("node", "unbind", "RENEWING", "--any").stderr
    assert guarded.command("node", "bind", "RENEWING").returncode == 2
    assert guarded.command("node", "bind", "RENEWING", "--sha256", "12").returncode == 1
    assert guarded.command("node", "bind", "NOBODY", "--any").returncode == 1


def test_images_come_are_found_and_are_moved_over_tls(guarded: Secured, authority: Authority, scanner: Issued, tmp_path: Path) -> None:
    """C-STORE and C-FIND over TLS; C-MOVE, asked plainly as dcmtk's movescu does, to dcmtk's storescp over TLS."""
    sent, received = tmp_path / "sent", tmp_path / "received"
    for folder in (sent, received):
        folder.mkdir()
    for number, (_, raw) in enumerate(ct_series(3, patient="TLS-1", size=256)):
        (sent / f"{number}.dcm").write_bytes(raw)
    to = [*words(scanner, authority), "-aet", "BOUND", "-aec", "PANORAD", "localhost", str(guarded.tls)]
    dcmtk("storescu", *to, "+sd", str(sent))
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=TLS-1", "-k", "StudyInstanceUID"]
    dcmtk("findscu", "-S", "-X", "-od", str(tmp_path), *keys, *to)
    assert len(list(tmp_path.glob("rsp*.dcm"))) == 1

    port, reader = free_port(), authority.issue("reader", "DNS:localhost")
    command = [program("storescp"), "-aet", "READER", "+xa", "-od", str(received), *words(reader, authority), str(port)]
    listener = Listener(command, port, tmp_path)
    try:
        guarded.run("node", "add", "READER", "--host", "localhost", "--port", str(port), "--tls")
        keys = ["-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=TLS-1"]
        move = ["movescu", "-P", *keys, "-aem", "READER", "-aet", "PLAIN", "-aec", "PANORAD", "127.0.0.1", str(guarded.dimse)]
        dcmtk(*move)
        assert len(list(received.iterdir())) == 3
        guarded.run("node", "bind", "READER", "--certificate", str(scanner.certificate))
        assert call(*move).returncode != 0
        assert len(list(received.iterdir())) == 3
    finally:
        listener.end()


def test_one_address_that_floods_leaves_places_for_others(guarded: Secured, authority: Authority, scanner: Issued) -> None:
    """Half-open connections beyond the bound of one address; those are cut in time, and meanwhile another address comes in."""
    wait_until(lambda: echo(guarded, "BOUND", scanner, authority)[0], 10, "free places")
    flood = [socket.create_connection(("127.0.0.1", guarded.tls), 10) for _ in range(20)]
    try:
        assert not echo(guarded, "BOUND", scanner, authority)[0]
        with socket.create_connection(("127.0.0.1", guarded.dimse), 10, ("127.0.0.2", 0)) as other_address:
            other_address.sendall(b"\x01\x00\x00\x00\x00\x04abcd")
            assert other_address.recv(1) == b"\x07"
        wait_until(lambda: echo(guarded, "BOUND", scanner, authority)[0], 10, "the flood cut")
    finally:
        for sock in flood:
            sock.close()


def test_a_center_that_cannot_use_its_certificate_says_so_and_does_not_start(
    tmp_path: Path, authority: Authority, scanner: Issued
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "panorad.toml").write_text('dimse_tls = "127.0.0.1:2762"\ndimse_tls_certificate = "ours.pem"\n')
    center = Center(home, {"COLUMNS": "200"})
    with pytest.raises(RuntimeError, match="DICOM over TLS needs dimse_tls_certificate, dimse_tls_key and dimse_tls_trusted"):
        center.start()
    (home / "panorad.toml").write_text(
        'dimse_tls = "127.0.0.1:2762"\ndimse_tls_certificate = "ours.pem"\ndimse_tls_key = "ours.key"\ndimse_tls_trusted = "ca.pem"\n'
    )
    with pytest.raises(RuntimeError, match=r"ours\.pem:\s+No\s+such\s+file"):
        center.start()
