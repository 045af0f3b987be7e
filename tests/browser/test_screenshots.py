"""The README's pictures: a region of three fictitious institutions, and a real chest CT in the viewer.

They are written into the folder that PANORAD_SCREENSHOTS names (`make screenshots`); without it this test is skipped and starts nothing.
What is computed or fetched (the CT comes from PyPI, 34 MB) is kept in `.demo/images`, where `make demo` keeps it too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from copy import deepcopy
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from panorad.access import gate
from panorad.cli.console import center_of
from panorad.model.actor import SYSTEM
from panorad.testing import lidc
from panorad.testing.center import serving
from panorad.testing.corpus import synthetic
from panorad.testing.demo import LOGIN, Place, region
from panorad.testing.encoding import file_meta, write
from panorad.testing.images import Study, chest_radiograph, patient, uid, ultrasound_cine
from panorad.testing.phantom import thorax
from panorad.testing.scanner import send
from tests.browser.conftest import ROOT
from tests.browser.test_looks import settled
from tests.browser.test_story import PATIENCE_S, wait_for_pixels

FOLDER = os.environ.get("PANORAD_SCREENSHOTS", "")
CACHE = ROOT / ".demo" / "images"
WINDOW = {"width": 1440, "height": 900}
LARGEST_BYTES = 600_000
NEWEST = datetime(2025, 6, 10, 10, 30)
"""Just after the newest synthetic study."""
TIME_ZONE = "Asia/Shanghai"
NODULE = 90
"""Instance number of a slice through the middle of the chest, with the nodule in it."""

NAMES = (
    ("CENTER", "Regional Center", "区域影像中心", None),
    ("COUNTY", "County Hospital", "县人民医院", "CENTER"),
    ("YUNLING", "Yunling Clinic", "云岭镇卫生院", "CENTER"),
)
"""What the pictures call the demo's institutions; the README says that they are made up."""
MORE = (
    ("YUNLING", 2, "20250606", "142700", "CR", "Chest PA"),
    ("COUNTY", 1, "20250607", "092300", "US", "Echocardiography"),
    ("COUNTY", 6, "20250608", "083400", "DX", "Chest PA"),
    ("YUNLING", 0, "20250608", "110800", "US", "Echocardiography"),
    ("CENTER", 9, "20250609", "101500", "US", "Echocardiography"),
    ("COUNTY", 4, "20250609", "143200", "DX", "Chest PA"),
    ("YUNLING", 5, "20250610", "084100", "CR", "Chest PA"),
    ("CENTER", 8, "20250610", "095200", "US", "Echocardiography"),
)
"""Small studies that fill the list: institution, number of the patient, date, time, modality, description."""

pytestmark = pytest.mark.skipif(not FOLDER, reason="PANORAD_SCREENSHOTS names no folder for pictures")


class Shown(NamedTuple):
    """A filled center: its address, and the password of LOGIN."""

    site: str
    password: str


def more(folder: Path) -> Iterator[tuple[str, Path]]:
    """Institution code and file of each study in MORE."""
    for number, (code, person, date, moment, modality, description) in enumerate(MORE):
        study = Study(date, moment, description, f"{code[0]}{date[2:]}{moment[:4]}", code.title())
        if modality == "US":
            made = ultrasound_cine(patient(person), study, frames=8)
        else:
            scan = thorax(30 + number, 150, 192, (2.0, 1.9, 1.9), nodules=1, table=False, mas=400)
            made = chest_radiograph(scan, patient(person), study, modality=modality, size=768)
        path = folder / f"more-{number}.dcm"
        write(made, path)
        yield code, path


def when(path: Path) -> str:
    """Date and time of the file's study."""
    dataset = dcmread(path, specific_tags=["StudyDate", "StudyTime"])
    return f"{dataset.StudyDate}{dataset.StudyTime}"


def recent(files: Iterable[tuple[str, Path]], folder: Path) -> Iterator[tuple[str, Path]]:
    """The same files with their dates moved by whole days, as late as they can be without lying in the future."""
    moved = timedelta((datetime.now(ZoneInfo(TIME_ZONE)).replace(tzinfo=None) - NEWEST).days)
    for number, (code, path) in enumerate(files):
        dataset = dcmread(path)
        for keyword in ("StudyDate", "SeriesDate", "ContentDate", "AcquisitionDate"):
            if keyword in dataset:
                dataset[keyword].value = (datetime.strptime(dataset[keyword].value, "%Y%m%d") + moved).strftime("%Y%m%d")
        copy = folder / f"{number:05d}.dcm"
        dataset.save_as(copy, enforce_file_format=True)
        yield code, copy


def reformatted(axial: list[Path], folder: Path) -> Iterator[Path]:
    """A coronal and a sagittal series computed from an axial one that goes from feet to head: each image is the mean of 5 mm."""
    slices = [dcmread(path) for path in axial]
    volume = np.stack([one.pixel_array for one in slices[::-1]]).astype(np.float32)
    pitch, rise = float(slices[0].PixelSpacing[0]), float(slices[0].SpacingBetweenSlices)
    left, front, top = (float(value) for value in slices[-1].ImagePositionPatient)
    count, size, thick = len(slices), volume.shape[1], round(5 / pitch)
    for number, name, axis, along in ((2, "Coronal", 1, ("1", "0", "0")), (3, "Sagittal", 2, ("0", "1", "0"))):
        for instance, at in enumerate(range(0, size - thick, thick)):
            plane = Image.fromarray(np.take(volume, range(at, at + thick), axis).mean(axis))
            pixels = np.asarray(plane.resize((size, round(count * rise / pitch)), Image.Resampling.BICUBIC))
            made = deepcopy(slices[0])
            made.SeriesNumber, made.InstanceNumber, made.SeriesDescription = number, instance + 1, f"{name} 5 mm"
            made.SeriesInstanceUID, made.SOPInstanceUID = uid(lidc.PATIENT_ID, name), uid(lidc.PATIENT_ID, name, instance)
            made.ImageType, made.DerivationDescription = ["DERIVED", "SECONDARY", "REFORMATTED"], f"{name} means of the axial series"
            middle = (at + (thick - 1) / 2) * pitch
            place = (left, front + middle, top) if number == 2 else (left + middle, front, top)
            made.ImagePositionPatient = [f"{value:.8g}" for value in place]
            made.ImageOrientationPatient, made.PixelSpacing = [*along, "0", "0", "-1"], [f"{pitch:.8g}"] * 2
            made.SliceThickness = made.SpacingBetweenSlices = f"{thick * pitch:.6g}"
            made.SliceLocation = f"{middle:.6g}"
            made.Rows, made.Columns = pixels.shape
            made.PixelData = pixels.clip(0, 32767).astype("<i2").tobytes()
            path = folder / f"{name}-{instance:03d}.dcm"
            made.file_meta = file_meta(made, ExplicitVRLittleEndian)
            write(made, path)
            yield path


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """The demo's region with recent studies, the chest CT received last."""
    folder = tmp_path_factory.mktemp("pictures")
    home, moved = folder / "home", folder / "moved"
    for made in (home, moved):
        made.mkdir()
    (home / "panorad.toml").write_text(f'time_zone = "{TIME_ZONE}"\n', "utf-8")
    axial = lidc.to_dicom(lidc.fetch(CACHE / "lidc"), CACHE / "lidc" / lidc.PATIENT_ID)
    with serving(home, open_center=False) as served:
        password = region(Place(home, served.url, f"127.0.0.1:{served.dimse}", CACHE))
        with center_of(home) as center, center.begin(SYSTEM) as tx:
            for code, name, name_zh, parent in NAMES:
                gate.describe_institution(tx, code, name, name_zh, parent)
        files = sorted([*synthetic(CACHE), *more(folder)], key=lambda one: when(one[1]))
        chest = [("CENTER", path) for path in (*axial, *reformatted(axial, folder))]
        for code, paths in groupby([*recent(files, moved), *chest], key=lambda pair: pair[0]):
            report = send((path for _, path in paths), "127.0.0.1", served.dimse, f"SCANNER_{code}", "PANORAD")
            assert not report.failures
        yield Shown(served.url, password)


def sign_in(page: Page, shown: Shown) -> None:
    """Sign in, and wait until every series has its picture."""
    page.goto(f"{shown.site}/sign-in")
    page.fill("[name=login]", LOGIN)
    page.fill("[name=password]", shown.password)
    page.click("button.primary")
    page.wait_for_url(f"{shown.site}/")
    end = time.monotonic() + PATIENCE_S
    for study in page.locator("tr[data-uid]").evaluate_all("rows => rows.map((row) => row.dataset.uid)"):
        while not all(one["settled"] for one in page.request.get(f"{shown.site}/studies/{study}.json").json()["series"]):
            assert time.monotonic() < end, f"{study} does not come to rest"
            time.sleep(0.5)


def open_list(page: Page, site: str, language: str = "en", theme: str = "light") -> None:
    """Open the list, in a language and a theme, with the chest CT chosen in it."""
    chosen = {"panorad_language": language, "panorad_theme": theme}
    page.context.add_cookies([{"name": name, "value": value, "url": site} for name, value in chosen.items()])
    page.goto(site)
    expect(page.locator("tr.chosen")).to_contain_text(lidc.PATIENT_ID)
    expect(page.locator("#preview img")).to_have_count(3)


def keep(page: Page, name: str) -> None:
    """Write the picture, and see that it is one: of moderate size, with everything in sight loaded."""
    path = Path(FOLDER) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    settled(page)
    page.screenshot(path=path)
    assert path.stat().st_size < LARGEST_BYTES, name
    assert page.evaluate("[...document.images].every((one) => one.naturalWidth)"), name


def test_pictures(browser: Browser, shown: Shown) -> None:
    context = browser.new_context(viewport=WINDOW, locale="en-GB")
    context.set_default_timeout(30_000)
    page = context.new_page()
    sign_in(page, shown)
    open_list(page, shown.site)
    keep(page, "study-list.png")
    study = page.get_attribute("tr.chosen", "data-uid")

    page.goto(f"{shown.site}/studies/{study}")
    expect(page.locator(".series-card")).to_have_count(3)
    keep(page, "study.png")

    open_list(page, shown.site, "zh-CN", "dark")
    keep(page, "study-list.zh.dark.png")

    open_list(page, shown.site)
    first = uid(lidc.PATIENT_ID, "instance", NODULE - 1)
    page.goto(f"{shown.site}/viewer/viewer?StudyInstanceUIDs={study}&initialSOPInstanceUID={first}")
    page.get_by_text("Confirm and hide").click()
    expect(page.get_by_text(f"({133 - NODULE + 1}/133)")).to_be_visible()
    expect(page.get_by_text("Sagittal 5 mm")).to_be_visible()
    wait_for_pixels(page)
    page.wait_for_timeout(2000)  # the notice glides away, and the small pictures come
    keep(page, "viewer.png")
    context.close()
