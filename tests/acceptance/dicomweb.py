"""DICOMweb by hand (PS3.18): requests and bodies as bytes, so that a test sees exactly what a server sends."""

import email.policy
import re
from collections.abc import Iterable, Iterator
from email.message import Message
from typing import Any

import requests

BOUNDARY = "panorad-acceptance-7f1d2c"
DICOM_JSON = "application/dicom+json"
AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'

Json = dict[str, Any]


def multipart(parts: Iterable[bytes], kind: str = "application/dicom") -> bytes:
    """Join parts into a multipart/related body."""
    head = f"--{BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n".encode()
    return b"".join(piece for part in parts for piece in (head, part, b"\r\n")) + f"--{BOUNDARY}--\r\n".encode()


def stow(root: str, files: Iterable[bytes], session: requests.Session | None = None, seconds: float = 300) -> requests.Response:
    """Store files (PS3.18 section 10.5) and return the response, whatever it says."""
    return (session or requests).post(
        f"{root}/studies",
        data=multipart(files),
        headers={"Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}', "Accept": DICOM_JSON},
        timeout=seconds,
    )


def stored(answer: requests.Response) -> set[str]:
    """Return the SOP Instance UIDs of the Referenced SOP Sequence (0008,1199)."""
    return {item["00081155"]["Value"][0] for item in answer.json().get("00081199", {}).get("Value", [])}


def failed(answer: requests.Response) -> dict[str, int]:
    """Return SOP Instance UID -> Failure Reason (0008,1197) of the Failed SOP Sequence (0008,1198)."""
    items = answer.json().get("00081198", {}).get("Value", [])
    return {item.get("00081155", {}).get("Value", [""])[0]: item["00081197"]["Value"][0] for item in items}


def others(answer: requests.Response) -> list[int]:
    """Return the Failure Reasons of the Other Failures Sequence (0008,119A): instances whose SOP UIDs could not be determined."""
    return [item["00081197"]["Value"][0] for item in answer.json().get("0008119A", {}).get("Value", [])]


def parts(answer: requests.Response) -> Iterator[tuple[Message, bytes]]:
    """Cut a multipart/related body into (headers, bytes)."""
    found = re.search(r'boundary="?([^";,]+)"?', answer.headers["Content-Type"])
    assert found, answer.headers["Content-Type"]
    for piece in (b"\r\n" + answer.content).split(b"\r\n--" + found[1].encode())[1:]:
        if piece.startswith(b"--"):
            return
        head, _, body = piece.lstrip(b"\r\n").partition(b"\r\n\r\n")
        yield email.message_from_bytes(head, policy=email.policy.HTTP), body
    raise AssertionError("the multipart body has no closing boundary")


def retrieve(url: str, accept: str = AS_STORED, session: requests.Session | None = None) -> list[bytes]:
    """Get a resource and return its parts; a single-part answer is one part."""
    answer = (session or requests).get(url, headers={"Accept": accept}, timeout=300)
    assert answer.status_code == 200, f"{url} -> {answer.status_code} {answer.text[:500]}"
    if answer.headers["Content-Type"].startswith("multipart/"):
        return [body for _, body in parts(answer)]
    return [answer.content]


def search(root: str, level: str, page: int = 500, session: requests.Session | None = None, **keys: str | int) -> list[Json]:
    """Return all matches of a search, page by page: ``level`` is ``studies``, ``series``, ``studies/UID/instances``..."""
    found: list[Json] = []
    while True:
        answer = (session or requests).get(
            f"{root}/{level}", params={**keys, "limit": page, "offset": len(found)}, headers={"Accept": DICOM_JSON}, timeout=120
        )
        assert answer.status_code in (200, 204), f"{answer.url} -> {answer.status_code} {answer.text[:500]}"
        more: list[Json] = answer.json() if answer.status_code == 200 and answer.content else []
        found += more
        if len(more) < page:
            return found


def value(match: Json, tag: str) -> Any:
    """Return the first value of an attribute of a DICOM JSON object, or None."""
    return next(iter(match.get(tag, {}).get("Value", [])), None)


def instance_paths(root: str, study: str) -> dict[str, str]:
    """Return SOP Instance UID -> URL for every instance of a study, and fail when one is listed twice."""
    found: dict[str, str] = {}
    for match in search(root, f"studies/{study}/instances"):
        uid = value(match, "00080018")
        assert uid not in found, f"listed twice: {uid}"
        found[uid] = f"{root}/studies/{study}/series/{value(match, '0020000E')}/instances/{uid}"
    return found
