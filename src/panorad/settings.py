"""Every setting with its sentence and its unit: from `panorad.toml` in the home folder, then from `PANORAD_*` in the environment."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from panorad.kit.errors import Kind, PanoradError


class SettingInvalid(PanoradError):
    """A setting cannot be used"""

    kind = Kind.INVALID


def setting(default: Any, sentence: str) -> Any:
    """A field of `Settings` with the sentence that documents it."""
    return field(default=default, metadata={"sentence": sentence})


_HOME = Path("panorad-home")
_VIEWER = Path(".viewer")


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may set. The reference page is made from this class."""

    home: Path = setting(_HOME, "Folder that holds everything: objects, database, cache.")
    http: str = setting("127.0.0.1:8080", "Address and port of the web server.")
    dimse: str = setting("127.0.0.1:11112", "Address and port of the DICOM server; empty for none.")
    dimse_tls: str = setting("", "Address and port of the DICOM server over TLS (usually 2762); empty for none.")
    dimse_tls_certificate: str = setting("", "PEM file of our certificate for DICOM over TLS and its chain; relative to the home folder.")
    dimse_tls_key: str = setting("", "PEM file of that certificate's private key, without a password; relative to the home folder.")
    dimse_tls_trusted: str = setting(
        "", "PEM file of the authorities whose certificates peers must have, and of their revocation lists; relative to the home folder."
    )
    ae_title: str = setting("PANORAD", "Our AE title, at most 16 characters.")
    open: bool = setting(False, "No sign-in, any calling AE title accepted; loopback addresses only.")
    database: str = setting("", "PostgreSQL connection string (version 15 or later); empty starts the embedded one under the home folder.")
    institution: str = setting("CENTER", "Code of the institution that exists from the start and receives for `open`.")
    institution_name: str = setting("Imaging center", "Its name.")
    time_zone: str = setting("", "IANA name of the site's time zone, such as Asia/Shanghai; empty takes the machine's.")
    language: str = setting("en", "Language for visitors whose browser asks for none that we speak: en or zh-CN.")
    public_origins: tuple[str, ...] = setting((), "Further origins (https://host) under which a reverse proxy serves the center.")
    trusted_proxies: tuple[str, ...] = setting(
        ("127.0.0.1", "::1"), "Addresses or networks of reverse proxies whose X-Forwarded-For header is believed."
    )
    session_idle_s: float = setting(1800.0, "Seconds without anybody's doing after which a session ends.")
    session_longest_s: float = setting(43200.0, "Seconds after the password was given when it is asked for again.")
    reading_grace_s: float = setting(14400.0, "Seconds by which the viewer stays open past that while somebody reads.")
    source_failures: int = setting(60, "Refused sign-ins from one address in a quarter of an hour, after which it has to wait.")
    breach_list: str = setting("", "File of SHA-1 hashes of breached passwords, sorted (the Pwned Passwords download); empty for none.")
    oidc_issuer: str = setting("", "Issuer of the OpenID provider where persons may sign in; empty for none.")
    oidc_client_id: str = setting("", "Our client id at the provider.")
    oidc_client_secret: str = setting("", "Our client secret there; `file:PATH` reads it from a file.")
    oidc_scopes: str = setting("openid profile email", "Scopes that we ask the provider for.")
    oidc_name: str = setting("", "What the button for it says; empty takes the issuer's host.")
    oidc_roles_claim: str = setting("groups", "Claim that holds a person's roles; dots reach into objects, such as `realm_access.roles`.")
    oidc_institution_claim: str = setting("", "Claim that holds the code of a person's institution, for rules with `*`.")
    oidc_login_claim: str = setting("preferred_username", "Claim that a new account takes its login from.")
    oidc_roles: tuple[str, ...] = setting((), "What the roles claim means: `VALUE=INSTITUTION:ROLE`, `*` for the claimed institution.")
    viewer: Path = setting(_VIEWER, "Folder of the prepared OHIF viewer.")
    web_workers: int = setting(3, "Web server processes.")
    dimse_workers: int = setting(2, "DICOM server processes.")
    associations: int = setting(50, "DICOM associations that one process serves at a time; more are refused for the moment.")
    associations_per_peer: int = setting(
        25, "Of these, how many one network address and how many one calling AE title may hold; more are refused for the moment; 0: all."
    )
    association_request_s: float = setting(30.0, "Seconds for a peer's TLS handshake, and again for it to say whom it calls (ARTIM timer).")
    association_idle_s: float = setting(600.0, "Seconds of silence after which an association is aborted.")
    maximum_pdu: int = setting(131072, "Longest P-DATA-TF PDU that we announce, in bytes.")
    settle_after_s: float = setting(5.0, "Seconds of quiet after which a series' metadata document and picture are made.")
    largest_instance: int = setting(8 << 30, "Largest instance taken over HTTP or out of a zip archive, in bytes.")
    default_page: int = setting(200, "Answers of a search that names no limit.")
    largest_page: int = setting(5000, "Most answers of one search; more are paged.")
    database_connections: int = setting(6, "PostgreSQL connections of each process at most.")
    audit_collector: str = setting("", "HOST:PORT of the syslog collector that the audit trail goes to over TLS; empty for none.")
    audit_ca: str = setting("", "File of the certificates that vouch for the collector's; empty takes the system's.")
    audit_certificate: str = setting("", "File of our certificate for the collector, where it asks for one.")
    audit_key: str = setting("", "File of the private key of `audit_certificate`.")
    log_level: str = setting("warning", "Least level of log lines: debug, info, warning or error.")

    @property
    def tls_files(self) -> tuple[Path, Path, Path] | None:
        """Certificate, key and trusted authorities for DICOM over TLS; None when none is set. Raises SettingInvalid."""
        named = (self.dimse_tls_certificate, self.dimse_tls_key, self.dimse_tls_trusted)
        if not any(named) and not self.dimse_tls:
            return None
        if not all(named):
            raise SettingInvalid("DICOM over TLS needs dimse_tls_certificate, dimse_tls_key and dimse_tls_trusted")
        certificate, key, trusted = (self.home / name for name in named)
        return certificate, key, trusted

    @property
    def objects(self) -> Path:
        """Folder of the stored objects."""
        return self.home / "objects"

    @property
    def cache(self) -> Path:
        """Folder of derived files, which may be deleted at any time."""
        return self.home / "cache"

    @property
    def quarantine(self) -> Path:
        """Folder of input that could not be taken."""
        return self.home / "quarantine"

    @property
    def key(self) -> Path:
        """File of the key that secrets in the database are encrypted with."""
        return self.home / "secret.key"

    @property
    def open_marks(self) -> Path:
        """Folder that names the segments being written."""
        return self.home / "open"


def _read(known: Field[Any], value: Any) -> Any:
    kind = known.type
    try:
        if kind == "bool":
            if isinstance(value, bool):
                return value
            return {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}[
                str(value).lower()
            ]
        if kind == "tuple[str, ...]":
            if isinstance(value, dict):
                return tuple(f"{name}={one}" for name, one in value.items())
            return (
                tuple(value) if isinstance(value, list | tuple) else tuple(part.strip() for part in str(value).split(",") if part.strip())
            )
        return {"int": int, "float": float, "str": str, "Path": Path}[str(kind)](value)
    except (KeyError, ValueError, TypeError) as error:
        raise SettingInvalid(f"{known.name} = {value!r} is not a {kind}") from error


def load(home: Path | None = None, environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """The settings in force: defaults, `panorad.toml` in the home folder, `PANORAD_*` variables, then what the command line gave.

    Raises SettingInvalid for an unknown name or a value of the wrong kind.
    """
    known = {one.name: one for one in fields(Settings)}
    environment = os.environ if environment is None else environment
    base = Path(home or environment.get("PANORAD_HOME") or Settings().home).absolute()
    values: dict[str, Any] = {}
    file = base / "panorad.toml"
    if file.is_file():
        try:
            written = tomllib.loads(file.read_text("utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise SettingInvalid(f"{file.name}: {error}") from error
        for name, value in written.items():
            if name not in known:
                raise SettingInvalid(f"{file.name} has {name}, which is not a setting")
            values[name] = _read(known[name], value)
    for name, one in known.items():
        if (variable := environment.get(f"PANORAD_{name.upper()}")) is not None:
            values[name] = _read(one, variable)
    values |= {name: _read(known[name], value) for name, value in given.items() if value is not None}
    values["home"] = base
    settings = Settings(**values)
    viewer = settings.viewer
    return replace(settings, viewer=viewer if viewer.is_absolute() else Path.cwd() / viewer)


def to_json(settings: Settings) -> str:
    """For handing the settings in force to a child process."""
    return json.dumps({one.name: getattr(settings, one.name) for one in fields(settings)}, default=str)


def from_json(text: str) -> Settings:
    """What `to_json` wrote."""
    known = {one.name: one for one in fields(Settings)}
    return Settings(**{name: _read(known[name], value) for name, value in json.loads(text).items()})


def address(text: str) -> tuple[str, int]:
    """Host and port of an address such as `127.0.0.1:8080` or `[::1]:8080`. Raises SettingInvalid."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 <= int(port) < 65536:
        raise SettingInvalid(f"{text!r} is not HOST:PORT")
    return host.strip("[]") or "0.0.0.0", int(port)
