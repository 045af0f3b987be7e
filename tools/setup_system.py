"""Install the system programs that the tests and benches use as peers, or say which are missing and how to get them.

    python3 tools/setup_system.py

On Debian and its kin, as root, apt installs what is missing. Elsewhere the missing ones are named and the tests that
need them are skipped with that reason. Where the environment says CI=true a missing program is a failure: a check
that cannot run has not passed. The product itself and its demo need none of them. Run by the system's Python, so the
standard library only.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

Which = Callable[[str], str | None]
Exists = Callable[[str], bool]


@dataclass(frozen=True)
class Program:
    """One program: its Debian package, what it is for, and the commands or files any one of which shows that it is there."""

    package: str
    purpose: str
    commands: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


_OPENSSL_DRIVERS = tuple(f"/usr/lib/{machine}-linux-gnu/rsyslog/lmnsd_ossl.so" for machine in ("x86_64", "aarch64"))
PROGRAMS = (
    Program("dcmtk", "DICOM peer: storescu, findscu, movescu, getscu", ("storescu",)),
    Program("orthanc", "DICOM and DICOMweb peer, rival in the benches", ("Orthanc",)),
    Program("orthanc-dicomweb", "DICOMweb for Orthanc", (), ("/usr/share/orthanc/plugins/libOrthancDicomWeb.so",)),
    Program("dicom3tools", "dciodvfy, judges the objects we write", ("dciodvfy",)),
    Program("chromium", "browser tests and screenshots", ("chromium", "chromium-browser", "google-chrome")),
    Program("rsyslog", "collector of the audit trail", ("rsyslogd",)),
    Program("rsyslog-openssl", "TLS for rsyslog", (), _OPENSSL_DRIVERS),
    Program("wrk", "load for the retrieval benches", ("wrk",)),
    Program("fonts-noto-cjk", "Chinese text in screenshots", (), ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",)),
)


def found_on_path(command: str) -> str | None:
    """Find a command as `shutil.which` does, in the system folders too, which a plain user's PATH may lack."""
    folders = (os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin")
    return shutil.which(command, path=os.pathsep.join(folders))


def missing(
    programs: Iterable[Program] = PROGRAMS, which: Which = found_on_path, exists: Exists = os.path.exists
) -> list[Program]:
    """Return the programs of which neither a command nor a file can be found."""
    return [p for p in programs if not any(map(which, p.commands)) and not any(map(exists, p.files))]


def advice(programs: Iterable[Program]) -> str:
    """Say which programs are missing, what each is for and how to get them."""
    lines = [f"  {p.package:<18} {p.purpose}" for p in programs]
    packages = " ".join(p.package for p in programs)
    return "\n".join(
        (
            "Missing, so the tests that need them will be skipped:",
            *lines,
            f"On Debian or Ubuntu, as root:  apt-get install {packages}",
            "Elsewhere: the programs of the same names; CONTRIBUTING.md tells more.",
        )
    )


def can_install() -> bool:
    """Whether apt is here and we may use it."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(programs: Iterable[Program]) -> bool:
    """Install by apt, and stop the service that Orthanc's package starts, since its ports are the peers' own.

    Returns whether apt succeeded; an index that could not be renewed alone is no failure.
    """
    packages = [p.package for p in programs]
    print(f"Installing {', '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q=2"], env=environment, check=False)
    command = ["apt-get", "install", "-q=2", "--yes", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", *packages]
    installed = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode == 0
    if "orthanc" in packages:
        stop_orthanc()
    return installed


def stop_orthanc() -> None:
    """Stop the service that has just come with the package, and keep it from starting with the machine."""
    under_systemd = Path("/run/systemd/system").is_dir()
    commands = [["systemctl", "disable", "--now", "orthanc"]] if under_systemd else [["service", "orthanc", "stop"]]
    for command in commands:
        if shutil.which(command[0]):
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def status(lacking: list[Program], environment: Mapping[str, str]) -> int:
    """Return the exit status: a missing program fails the run in CI alone."""
    return 1 if lacking and environment.get("CI", "").lower() in ("1", "true", "yes") else 0


def main() -> int:
    """Run from the command line; returns the exit status."""
    lacking = missing()
    if lacking and can_install():
        install(lacking)
        lacking = missing()
    if lacking:
        print(advice(lacking), file=sys.stderr)
    return status(lacking, os.environ)


if __name__ == "__main__":
    sys.exit(main())
