"""The demo's corpus: stable, resumable, told by content."""

import os
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from pydicom import dcmread

from panorad.testing.corpus import INSTITUTIONS, bundled, found_in, institution_of, synthetic
from panorad.testing.malformed import malformed


def test_a_study_is_computed_once_and_again_only_where_it_was_cut_short(tmp_path: Path) -> None:
    ((code, path),) = [next(synthetic(tmp_path))]
    assert code in INSTITUTIONS
    first, written = path.read_bytes(), path.stat().st_mtime_ns
    assert next(synthetic(tmp_path)) == (code, path)
    assert path.stat().st_mtime_ns == written
    (path.parent / ".complete").unlink()
    path.write_bytes(b"half")
    assert next(synthetic(tmp_path)) == (code, path)
    assert path.read_bytes() == first


@pytest.mark.filterwarnings("ignore::UserWarning")  # some of pydicom's files are odd on purpose
def test_bundled_files_need_no_network_and_each_patient_stays_at_one_institution() -> None:
    found = list(bundled())
    assert len(found) > 40
    homes = defaultdict(set)
    for code, path in found:
        ds = dcmread(path, force=True, specific_tags=["PatientID", "StudyInstanceUID"], stop_before_pixels=True)
        homes[str(ds.get("PatientID") or ds.StudyInstanceUID)].add(code)
    assert all(len(codes) == 1 for codes in homes.values())
    assert set(Counter(code for code, _ in found)) == set(INSTITUTIONS)
    assert list(bundled()) == found


def test_malformed_files_are_left_out_without_a_word(tmp_path: Path) -> None:
    for name, data in malformed():
        (tmp_path / name).write_bytes(data)
    names = {path.name for _, path in found_in(tmp_path)}
    assert not names & {"empty.dcm", "text.dcm", "noise.dcm", "no-study.dcm", "no-sop-instance.dcm", "preamble-only.dcm"}
    assert {"kept-no-meta-implicit.dcm", "kept-no-meta-explicit.dcm", "bomb-65535.dcm"} <= names


def test_the_dealing_of_patients_never_changes() -> None:
    assert [institution_of(key) for key in ("123", "LIDC-IDRI-0314", "ANON")] == ["COUNTY", "YUNLING", "CENTER"]
    assert {institution_of(str(n)) for n in range(60)} == set(INSTITUTIONS)


@pytest.mark.realdata
def test_real_images_are_found_by_content() -> None:
    folder = Path(os.environ.get("PANORAD_REALDATA", "../shared/data"))
    if not folder.is_dir():
        pytest.skip("no real data here")
    found = list(found_in(folder))
    assert len(found) > 400
    assert not any(path.suffix in (".png", ".csv", ".json", ".md") for _, path in found)
