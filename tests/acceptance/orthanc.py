"""Orthanc as a peer and as the rival of the benches: its Debian package, started in a folder of its own, reached by wire only."""

import json
from pathlib import Path
from typing import Any

import requests

from .processes import Listener, free_port, program

PLUGIN_FOLDERS = ("/usr/share/orthanc/plugins", "/usr/lib/orthanc", "/usr/local/share/orthanc/plugins")


class Orthanc:
    """An Orthanc with its SQLite index and the DICOMweb plug-in, synced to disk before it answers, called ORTHANC."""

    title = "ORTHANC"

    def __init__(self, folder: Path, peer_dimse: int | None = None, peer_dicomweb: str | None = None) -> None:
        """Start it. The peer, where given, is known to it as ``panorad`` (AE title PANORAD) over DIMSE and DICOMweb."""
        self.http, self.dimse, self.folder = free_port(), free_port(), folder
        plugin = next((p for d in PLUGIN_FOLDERS if (p := Path(d, "libOrthancDicomWeb.so")).exists()), None)
        if plugin is None:
            program("libOrthancDicomWeb.so")
        folder.mkdir(parents=True, exist_ok=True)
        configuration = {
            "Name": "Orthanc",
            "DefaultEncoding": "Utf8",
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "index"),
            "Plugins": [str(plugin)],
            "HttpPort": self.http,
            "DicomPort": self.dimse,
            "DicomAet": self.title,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "SyncStorageArea": True,
            "UnknownSopClassAccepted": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "DicomModalities": {"panorad": ["PANORAD", "127.0.0.1", peer_dimse]} if peer_dimse else {},
            "DicomWeb": {
                "Enable": True,
                "Root": "/dicom-web/",
                "Servers": {"panorad": [f"{peer_dicomweb}/"]} if peer_dicomweb else {},
            },
        }
        (folder / "orthanc.json").write_text(json.dumps(configuration, indent=2))
        self.listener = Listener([program("Orthanc"), str(folder / "orthanc.json")], self.http, folder)

    @property
    def pid(self) -> int:
        """The process."""
        return self.listener.process.pid

    @property
    def url(self) -> str:
        """The root of its REST API, without a slash at the end."""
        return f"http://127.0.0.1:{self.http}"

    @property
    def dicomweb(self) -> str:
        """The root of its DICOMweb services."""
        return f"{self.url}/dicom-web"

    def get(self, path: str) -> Any:
        """GET a JSON resource of the REST API."""
        answer = requests.get(f"{self.url}{path}", timeout=120)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Any) -> Any:
        """POST JSON, or bytes as they are, to the REST API and return the JSON answer."""
        data = body if isinstance(body, bytes) else json.dumps(body)
        answer = requests.post(f"{self.url}{path}", data=data, timeout=300)
        assert answer.ok, f"{path} -> {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def upload(self, file: bytes) -> str:
        """Put a file in and return Orthanc's own identifier of the instance."""
        return str(self.post("/instances", file)["ID"])

    def instances(self, study: str) -> set[str]:
        """Return the SOP Instance UIDs that it holds of a study."""
        found = self.post("/tools/find", {"Level": "Instance", "Query": {"StudyInstanceUID": study}, "Expand": True})
        return {item["MainDicomTags"]["SOPInstanceUID"] for item in found}

    def end(self) -> None:
        """Stop it."""
        self.listener.end()
