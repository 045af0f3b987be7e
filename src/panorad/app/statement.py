"""The DICOM Conformance Statement (PS3.2): the text of `statement.md.jinja` with the tables that the services themselves walk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from panorad import __version__
from panorad.access.dicomweb.forms import DEFAULTS
from panorad.access.dicomweb.routes import addresses
from panorad.access.dicomweb.target import ROOT
from panorad.access.dimse.conformance import IDENTIFIER_SYNTAXES, IMPLEMENTATION_UID, OFFERS, Service, storage_classes
from panorad.access.dimse.find import NOT_KEYS
from panorad.access.dimse.pdu import PduType
from panorad.access.dimse.sending import FALLBACK
from panorad.access.dimse.services import Limits
from panorad.access.dimse.status import BY_ERROR, BY_KIND, Status
from panorad.access.dimse.tls import SUITES_1_2, SUITES_1_3
from panorad.access.dimse.upper_layer import LONGEST
from panorad.app.dimse import limits_of
from panorad.app.markdown import NOTE, table
from panorad.app.reference import unopened
from panorad.app.web import dicomweb_deps
from panorad.data.imaging.attributes import LEVELS
from panorad.data.imaging.charset import ENCODINGS
from panorad.data.imaging.dictionary import entry
from panorad.data.imaging.matching import COLUMNS
from panorad.data.imaging.service import COUNT_CAP, RETURNED
from panorad.data.imaging.syntaxes import SYNTAXES
from panorad.kit.errors import Kind
from panorad.model.query import Level
from panorad.settings import Settings

_MATCHING: Mapping[str, str] = {
    "PN": "single value and wildcard, without regard to case, in any component group",
    "DA": "single value and range",
    "TM": "single value and range",
    "UI": "single value and list of UIDs",
    "CS[]": "single value and wildcard, against each value",
    "IS": "single value",
    "US": "single value",
}
_REJECTIONS = (
    ("permanent", "service user", "calling AE title not recognized", "it is not registered (`panorad node add`)"),
    ("permanent", "service user", "calling AE title not recognized", "it may not call like this: plainly, or with this certificate"),
    ("permanent", "service user", "called AE title not recognized", "it is not ours"),
    ("permanent", "service user", "application context name not supported", "it is not DICOM's"),
    ("permanent", "service provider (ACSE)", "protocol version not supported", "it is not 1"),
    ("transient", "service provider (presentation)", "temporary congestion", "the center cannot look up its nodes"),
    ("transient", "service provider (presentation)", "local limit exceeded", "too many associations, in all or of this peer"),
)


def statement() -> str:
    """The whole statement as Markdown."""
    here = Path(__file__).parent
    pages = Environment(loader=FileSystemLoader(here), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return pages.get_template("statement.md.jinja").render(
        note=NOTE,
        version=__version__,
        settings=Settings(),
        count_cap=COUNT_CAP,
        services=table(("service", "SOP class", "user (SCU)", "provider (SCP)"), _services()),
        web_services=table(("web service", "user agent", "origin server"), [(name, "no", "yes") for name in _WEB_SERVICES]),
        policies=table(("what", "value"), _policies()),
        tls=table(("what", "value"), _tls()),
        rejections=table(("rejected", "source", "reason", "when"), _REJECTIONS),
        contexts=table(("SOP class", "UID", "transfer syntaxes", "role"), _contexts()),
        storage_statuses=table(("status", "class", "meaning"), _storage_statuses()),
        keys=table(("level", "tag", "attribute", "matching"), _keys()),
        further_keys=table(("level", "attributes"), _further_keys()),
        steering=", ".join(map(_tag, sorted(NOT_KEYS))),
        find_statuses=table(("status", "meaning"), _find_statuses()),
        retrieve_statuses=table(("status", "meaning"), _retrieve_statuses()),
        fallback=" and ".join(map(_syntax, FALLBACK)),
        resources=table(("method", "resource", "what"), _resources()),
        returned=table(("level", "attributes"), _returned()),
        frame_types=table(("media type", "transfer syntax meant where none is named"), _frame_types()),
        syntaxes=table(("transfer syntax", "UID", "media type of frames", "decoded", "produced"), _syntaxes()),
        character_sets="; ".join(_character_sets()),
        storage_classes=table(("SOP class", "UID"), ((name, uid) for uid, name in storage_classes())),
    )


_WEB_SERVICES = ("QIDO-RS", "WADO-RS", "STOW-RS", "WADO-URI")


def _tag(tag: str) -> str:
    return f"({tag[:4]},{tag[4:]})"


def _keyword(tag: str) -> str:
    found = entry(int(tag, 16))
    return found.keyword if found else _tag(tag)


def _syntax(uid: str) -> str:
    return f"{SYNTAXES[uid].name} ({uid})"


def _status(status: Status, *meaning: str) -> tuple[str, ...]:
    return f"{status:04X}", *meaning


def _services() -> Iterator[tuple[str, ...]]:
    for offer in OFFERS.values():
        yield offer.name, offer.uid, "no", "yes"
    yield "Storage", "every one, private ones too (section 4.2.1.3)", "for C-MOVE and C-GET", "yes"


def _policies() -> Iterator[tuple[str, str]]:
    settings, limits = Settings(), limits_of(Settings())
    yield "application context", "1.2.840.10008.3.1.1.1"
    yield "longest P-DATA-TF announced", f"{limits.maximum_pdu} bytes (setting `maximum_pdu`)"
    served = f"{limits.associations} for each process (setting `associations`)"
    yield "associations at a time", f"{served}, {settings.dimse_workers} processes (setting `dimse_workers`)"
    yield "associations of one address, and of one AE title", f"{limits.each} of those (setting `associations_per_peer`)"
    yield "asynchronous operations", "none: one invoked, one performed"
    yield "Implementation Class UID", IMPLEMENTATION_UID
    yield "Implementation Version Name", f"PANORAD_{__version__}"
    yield "time for A-ASSOCIATE", f"{limits.request_seconds:g} s (setting `association_request_s`)"
    yield "longest A-ASSOCIATE-RQ taken", f"{LONGEST[PduType.ASSOCIATE_RQ]} bytes"
    yield "time waited for the rest of one P-DATA-TF", f"{limits.pdu_seconds:g} s"
    yield "silence after which an association is aborted", f"{limits.idle_seconds:g} s (setting `association_idle_s`)"
    yield "user identity", "not negotiated"


def _tls() -> Iterator[tuple[str, str]]:
    yield "versions", "TLS 1.3 and TLS 1.2"
    yield "cipher suites of TLS 1.2", ", ".join(f"`{name}`" for name in SUITES_1_2)
    yield "cipher suites of TLS 1.3", ", ".join(f"`{name}`" for name in SUITES_1_3)
    yield "least key", "RSA 2048 bits, elliptic curve 224 bits"
    yield "certificates", "both sides; of an authority in the file of the setting `dimse_tls_trusted`, and not on its revocation list"
    yield "name of a server we call", "one it is bound to; without a binding the host in its subject alternative name"
    yield "resumption, renegotiation, compression", "none"
    yield "time for the handshake", f"{limits_of(Settings()).request_seconds:g} s (setting `association_request_s`)"


def _contexts() -> Iterator[tuple[str, ...]]:
    identifiers = ", ".join(map(_syntax, IDENTIFIER_SYNTAXES))
    for offer in OFFERS.values():
        any_syntax = offer.service is Service.VERIFICATION
        yield offer.name, offer.uid, "the first proposed" if any_syntax else f"the first proposed of {identifiers}", "SCP"
    stored = "every storage SOP class but those of Non-Patient Object Storage, and every UID that PS3.6 does not name"
    yield "Storage", stored, "the first proposed", "SCP"
    yield "Storage, for C-GET", "as above, requestor in the SCP role", f"{_syntax(FALLBACK[0])}, else the first", "SCU"


def _storage_statuses() -> Iterator[tuple[str, ...]]:
    yield _status(Status.SUCCESS, "success", "The instance is on disk, and in the index now or after the next start")
    for error, status in BY_ERROR.items():
        yield _status(status, "refused: out of resources", (error.__doc__ or "").strip())
    yield _status(Status.DOES_NOT_MATCH, "error", "The data set is not the one that the command names")
    yield _status(BY_KIND[Kind.INVALID], "error", "The data set cannot be understood; Error Comment says why")
    yield _status(BY_KIND[Kind.FORBIDDEN], "refused", "The node may not do this")
    yield _status(Status.SOP_CLASS_NOT_SUPPORTED, "refused", "The presentation context is not one of storage")
    yield _status(BY_KIND[Kind.INTERNAL], "failure", "A fault of the center")


def _keys() -> Iterator[tuple[str, ...]]:
    for tag, column in sorted(COLUMNS.items(), key=lambda one: (one[1].level, one[0])):
        yield column.level.name.lower(), _tag(tag), _keyword(tag), _MATCHING.get(column.vr, "single value and wildcard")


def _further_keys() -> Iterator[tuple[str, str]]:
    for level in (Level.PATIENT, Level.STUDY, Level.SERIES):
        tags = (f"{tag:08X}" for tag in LEVELS[level])
        yield level.name.lower(), ", ".join(sorted(_keyword(tag) for tag in tags if tag not in COLUMNS))


def _find_statuses() -> Iterator[tuple[str, ...]]:
    yield _status(Status.PENDING, "A match")
    yield _status(Status.PENDING_WARNING, "A match; a key that cannot be matched was passed over")
    yield _status(Status.SUCCESS, "No more matches")
    yield _status(Status.CANCEL, "C-CANCEL came")
    yield _status(Status.OUT_OF_RESOURCES, f"There are more than {Limits().matches} matches")
    yield _status(Status.DATABASE_DOWN, "The center's database cannot be reached")
    yield _status(Status.DOES_NOT_MATCH, "The identifier does not fit the SOP class")
    yield _status(Status.CANNOT_UNDERSTAND, "A key cannot be understood; Error Comment names it")


def _retrieve_statuses() -> Iterator[tuple[str, ...]]:
    yield _status(Status.PENDING, "Sub-operations go on")
    yield _status(Status.SUCCESS, "Every sub-operation ended well")
    yield _status(Status.SUB_OPERATIONS_FAILED, "Some failed; Failed SOP Instance UID List names them")
    yield _status(Status.CANNOT_PERFORM, "None could be performed")
    yield _status(Status.CANNOT_COUNT, "More than 65535 instances match")
    yield _status(Status.MOVE_DESTINATION_UNKNOWN, "The move destination is not registered with host and port")
    yield _status(Status.DOES_NOT_MATCH, "A unique key is missing or holds a wildcard")
    yield _status(Status.CANCEL, "C-CANCEL came")


def _resources() -> Iterator[tuple[str, ...]]:
    for one in addresses(dicomweb_deps(unopened(), None)):
        yield one.method, f"`{ROOT}{one.path.replace(':path}', '}')}`", one.sentence


def _returned() -> Iterator[tuple[str, str]]:
    for level in (Level.STUDY, Level.SERIES, Level.INSTANCE):
        yield level.name.lower(), ", ".join(map(_keyword, RETURNED[level]))


def _frame_types() -> Iterator[tuple[str, str]]:
    for kind, uid in DEFAULTS.items():
        yield f"`{kind}`", _syntax(uid)


def _syntaxes() -> Iterator[tuple[str, ...]]:
    for one in SYNTAXES.values():
        produced = "yes" if one.encodes and not one.lossy else ""
        yield one.name, one.uid, f"`{one.media_type}`", "yes" if one.decodes else "", produced


def _character_sets() -> Iterator[str]:
    yield "none (ISO_IR 6)"
    for name in ENCODINGS:
        if name not in ("", "6"):
            yield name if name.startswith("GB") else f"ISO_IR {name} and ISO 2022 IR {name}"
