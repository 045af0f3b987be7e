"""Certificates for tests, made by openssl: an authority of the test's own and whom it vouches for."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Issued:
    """A certificate and its key as PEM files."""

    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        said = _openssl("x509", "-in", self.certificate, "-noout", "-fingerprint", "-sha256")
        return said.strip().rpartition("=")[2].replace(":", "").lower()


class Authority:
    """A certificate authority in a folder; its own certificate is `trusted`."""

    def __init__(self, folder: Path, name: str = "Test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.trusted, self._key = folder, folder / "authority.pem", folder / "authority.key"
        _openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/CN={name}",
            "-keyout", self._key, "-out", self.trusted,
        )  # fmt: skip

    def issue(self, name: str, alternatives: str = "", key: tuple[str, ...] = ("rsa:2048",), days: int = 30) -> Issued:
        """A certificate for a common name and, as openssl writes them, alternative names (`DNS:ct1.example,IP:127.0.0.1`)."""
        stem = self.folder / name.replace("/", "_")
        made = Issued(stem.with_suffix(".pem"), stem.with_suffix(".key"))
        request, extensions = stem.with_suffix(".csr"), stem.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={alternatives}\n" if alternatives else "basicConstraints=CA:FALSE\n")
        _openssl("req", "-new", "-newkey", *key, "-nodes", "-subj", f"/CN={name}", "-keyout", made.key, "-out", request)
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.trusted, "-CAkey", self._key, "-CAcreateserial", "-days", str(days),
            "-extfile", extensions, "-out", made.certificate,
        )  # fmt: skip
        return made

    def revoke(self, issued: Issued) -> str:
        """A revocation list with this certificate, in PEM form."""
        index, config = self.folder / "index.txt", self.folder / "ca.cnf"
        index.touch()
        config.write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={index}\ndefault_md=sha256\ndefault_crl_days=30\n")
        own = ("-config", config, "-cert", self.trusted, "-keyfile", self._key)
        _openssl("ca", *own, "-revoke", issued.certificate)
        return _openssl("ca", *own, "-gencrl")


def _openssl(*words: str | Path) -> str:
    if shutil.which("openssl") is None:
        pytest.skip("program 'openssl' is not installed")
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
