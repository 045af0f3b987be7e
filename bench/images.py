"""The images of the benches: CT slices of 512 x 512 pixels, 525 KB each, every series under new UIDs."""

from pathlib import Path

from tests.acceptance.images import ct_series, read

SLICE_BYTES = 512 * 512 * 2


def write_series(folder: Path, count: int, patient: str) -> Path:
    """Write one series as files and return its folder."""
    folder.mkdir(parents=True)
    for number, (_, raw) in enumerate(ct_series(count, patient=patient)):
        (folder / f"{number:05}.dcm").write_bytes(raw)
    return folder


def series(count: int, patient: str, size: int = 512) -> tuple[str, str, dict[str, bytes]]:
    """Return (Study Instance UID, Series Instance UID, files by SOP Instance UID) of a new series."""
    files = dict(ct_series(count, patient=patient, size=size))
    first = read(next(iter(files.values())))
    return str(first.StudyInstanceUID), str(first.SeriesInstanceUID), files
