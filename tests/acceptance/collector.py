"""A real syslog collector: rsyslogd, receiving over TLS with certificates of a throw-away authority."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path


def certificates(folder: Path) -> None:
    """An authority `ca.pem`, and `server.pem` and `client.pem` with their keys, for 127.0.0.1."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    authority = ("-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test authority")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", *authority)
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", f"{name}.pem",
        )  # fmt: skip


@dataclass
class Rsyslog:
    """One rsyslogd, which writes what it receives to a file."""

    program: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def received(self) -> list[tuple[str, str]]:
        """MSGID and text of every message so far."""
        file = self.folder / "received"
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        return [(msgid, text.strip().removeprefix("\ufeff")) for msgid, _, text in (line.partition("|") for line in lines)]

    def start(self) -> None:
        """Begin to listen."""
        (self.folder / "rsyslog.conf").write_text(f"""
global(workDirectory="{self.folder}" maxMessageSize="64k" defaultNetstreamDriver="ossl" parser.escapeControlCharactersOnReceive="off"
  defaultNetstreamDriverCAFile="{self.folder}/ca.pem" defaultNetstreamDriverCertFile="{self.folder}/server.pem"
  defaultNetstreamDriverKeyFile="{self.folder}/server.key")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
template(name="kept" type="string" string="%msgid%|%msg%\\n")
ruleset(name="keep") {{ action(type="omfile" file="{self.folder}/received" template="kept" fileCreateMode="0644") }}
input(type="imtcp" address="127.0.0.1" port="{self.port}" ruleset="keep")
""")
        arguments = [self.program, "-n", "-f", str(self.folder / "rsyslog.conf"), "-i", str(self.folder / "pid")]
        log = (self.folder / "rsyslog.log").open("ab")
        self.process = subprocess.Popen(arguments, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None, (self.folder / "rsyslog.log").read_text()
                time.sleep(0.05)
        raise AssertionError((self.folder / "rsyslog.log").read_text())

    def stop(self, *, kill: bool = False) -> None:
        """End it: in order, or as a crash does."""
        if self.process is not None:
            (self.process.kill if kill else self.process.terminate)()
            self.process.wait(20)
            self.process = None
