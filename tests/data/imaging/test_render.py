from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Picture
from pydicom.dataset import Dataset

from panorad.data.imaging.frames import FrameAbsent
from panorad.data.imaging.palette import expand_segments
from panorad.data.imaging.render import NotRenderable, RenderingInvalid, Viewport, Window, render, rendered_types, thumbnail
from panorad.data.imaging.syntaxes import HTJ2K_LOSSLESS
from panorad.data.imaging.transcode import transcode
from tests.data.imaging.bundled import bundled, image, part10

RAMP = np.arange(256, dtype="u2").reshape(16, 16)


def shown(data: bytes, **options) -> np.ndarray:
    png = render(data, options.pop("frame", 1), media_type="image/png", **options)
    return np.asarray(Picture.open(io.BytesIO(png)))


def table(first: int, bits: int, entries: list[int]) -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, "US", [len(entries), first, bits])
    item.add_new(0x00283006, "OW", np.array(entries, "<u2").tobytes())
    return item


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_the_window_is_the_standards_formula(function):
    center, width = 100.0, 50.0
    got = shown(image(RAMP), window=Window(center, width, function)).ravel()
    for x in range(256):
        if function == "SIGMOID":
            y = 255 / (1 + np.exp(-4 * (x - center) / width))
        elif function == "LINEAR_EXACT":
            y = min(max((x - center) / width + 0.5, 0), 1) * 255
        else:
            y = min(max((x - (center - 0.5)) / (width - 1) + 0.5, 0), 1) * 255
        assert abs(int(got[x]) - y) <= 0.51


def test_a_window_of_one_is_a_threshold():
    assert set(shown(image(RAMP), window=Window(100, 1)).ravel()[[98, 99, 100, 101]].tolist()) == {0, 255}


def test_the_data_sets_own_rescale_and_window_are_used():
    data = image(RAMP, RescaleSlope="2", RescaleIntercept="-100", WindowCenter="100\\7", WindowWidth="201\\7")
    got = shown(data).ravel()
    assert (got[0], got[50], got[200]) == (0, 1, 255)
    assert abs(int(got[100]) - 128) <= 1


def test_without_a_window_nearly_the_whole_range_is_shown():
    got = shown(image((RAMP * 100).astype("u2")))
    assert got.min() == 0
    assert got.max() == 255
    assert 120 < got.mean() < 135


def test_monochrome1_is_shown_inverted_once():
    plain = shown(image(RAMP))
    assert (shown(image(RAMP, PhotometricInterpretation="MONOCHROME1")) == 255 - plain).mean() > 0.9
    both = image(RAMP, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    assert (shown(both) == shown(image(RAMP, PhotometricInterpretation="MONOCHROME1"))).all()


def test_lookup_tables_of_both_kinds():
    modality = image(RAMP, ModalityLUTSequence=[table(10, 16, list(range(1000, 1100)))], WindowCenter="1050", WindowWidth="101")
    got = shown(modality).ravel()
    assert got[0] == got[10]
    assert got[200] == got[255] == got.max()
    voi = image(RAMP, VOILUTSequence=[table(0, 8, [255 - n for n in range(256)])])
    assert (shown(voi).ravel() == np.arange(255, -1, -1)).all()


def test_enhanced_frames_have_their_own_transformations():
    groups = []
    for center in (50, 200):
        voi, group = Dataset(), Dataset()
        voi.WindowCenter, voi.WindowWidth = center, 1
        group.FrameVOILUTSequence = [voi]
        groups.append(group)
    data = image(np.stack([RAMP, RAMP]), PerFrameFunctionalGroupsSequence=groups)
    assert (shown(data, frame=1) > 0).sum() == 206
    assert (shown(data, frame=2) > 0).sum() == 56


def test_overlay_bits_are_not_shown():
    data = image(RAMP | 0x4000, BitsStored=12, HighBit=11, WindowCenter="128", WindowWidth="256")
    assert (shown(data) == shown(image(RAMP, WindowCenter="128", WindowWidth="256"))).all()


@pytest.mark.parametrize("value, level", [(0, 0), (1, 255)])
def test_an_even_image_is_black_or_a_full_mask(value, level):
    assert (shown(image(np.full((4, 4), value, "u1"))) == level).all()


def test_a_palette_is_applied():
    index = np.arange(256, dtype="u1").reshape(16, 16)
    luts = {}
    for name, entries in (("Red", range(256)), ("Green", range(255, -1, -1)), ("Blue", [7] * 256)):
        luts[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        luts[f"{name}PaletteColorLookupTableData"] = np.array([n << 8 for n in entries], "<u2").tobytes()
    got = shown(image(index, PhotometricInterpretation="PALETTE COLOR", **luts)).reshape(-1, 3)
    assert (got[:, 0] == np.arange(256)).all()
    assert (got[:, 1] == np.arange(255, -1, -1)).all()
    assert (got[:, 2] == 7).all()


def test_segmented_palettes_are_expanded():
    assert expand_segments([0, 3, 5, 6, 7, 1, 4, 15]) == [5, 6, 7, 9, 11, 13, 15]
    assert expand_segments([0, 2, 1, 2, 1, 2, 6, 2, 2, 0, 0]) == [1, 2, 4, 6, 1, 2, 4, 6]
    assert expand_segments([9, 9, 9]) == []


def test_colour_is_shown_as_it_is():
    colours = np.random.default_rng(3).integers(0, 256, (6, 8, 3)).astype("u1")
    assert (shown(image(colours)) == colours).all()
    red = np.array([[[76, 85, 255]]], "u1").repeat(4, 0).repeat(4, 1)
    assert np.abs(shown(image(red, PhotometricInterpretation="YBR_FULL"))[0, 0].astype(int) - (254, 0, 0)).max() <= 1


def test_the_viewport_scales_crops_and_flips():
    data = image(np.arange(64, dtype="u1").reshape(8, 8), WindowCenter="32", WindowWidth="64")
    whole = shown(data)
    assert shown(data, viewport=Viewport(16, 32)).shape == (16, 16)
    assert (shown(data, viewport=Viewport(4, 2, 2, 3, 4, 2)) == whole[3:5, 2:6]).all()
    assert (shown(data, viewport=Viewport(8, 8, 0, 0, -8, 8)) == whole[:, ::-1]).all()
    assert (shown(data, viewport=Viewport(8, 8, 0, 0, 8, -8)) == whole[::-1]).all()
    assert (shown(data, region=(0.5, 0, 1, 0.25)) == whole[:2, 4:]).all()


@pytest.mark.parametrize("spacing, shape", [("2\\1", (16, 8)), ("1\\2", (8, 16)), ("1\\1.005", (8, 8)), ("0\\0", (8, 8))])
def test_pixels_are_shown_square(spacing, shape):
    assert shown(image(np.zeros((8, 8), "u1"), PixelSpacing=spacing)).shape == shape


@pytest.mark.parametrize(
    "parse, text",
    [
        (Window.parse, "1"),
        (Window.parse, "a,b,linear"),
        (Window.parse, "1,0,linear"),
        (Window.parse, "1,5,cubic"),
        (Window.parse, "nan,5,linear"),
        (Window.parse, "1,2,linear,3"),
        (Viewport.parse, "0,5"),
        (Viewport.parse, "99999,5"),
        (Viewport.parse, "5"),
        (Viewport.parse, "5,5,1"),
        (Viewport.parse, "5,5,nan,,,"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(parse, text):
    with pytest.raises(RenderingInvalid):
        parse(text)


def test_parameters_are_parsed():
    assert Window.parse("40,400,linear-exact") == Window(40, 400, "LINEAR_EXACT")
    assert Window.parse("40.5,80") == Window(40.5, 80)
    assert Viewport.parse("512,256,10,20,-100,50") == Viewport(512, 256, 10, 20, -100, 50)
    assert Viewport.parse("512,256,,,-100,") == Viewport(512, 256, 0, 0, -100, 0)


def test_what_cannot_be_done_is_refused():
    data = image(RAMP)
    with pytest.raises(RenderingInvalid):
        render(data, quality=0)
    with pytest.raises(RenderingInvalid):
        render(data, viewport=Viewport(8, 8, 99, 99, 5, 5))
    with pytest.raises(RenderingInvalid):
        render(data, region=(0.5, 0, 0.4, 1))
    with pytest.raises(NotRenderable):
        render(data, media_type="video/mp4")
    with pytest.raises(FrameAbsent):
        render(data, 2)
    with pytest.raises(NotRenderable):
        render(part10(PatientID="1"))


@pytest.mark.parametrize(
    "media, form", [("image/jpeg", "JPEG"), ("image/png", "PNG"), ("image/gif", "GIF"), ("image/jp2", "JPEG2000")]
)
def test_every_media_type_is_what_it_says(media, form):
    for data in (image(RAMP), bundled("examples_ybr_color.dcm"), transcode(image(RAMP), HTJ2K_LOSSLESS)):
        assert media in rendered_types(data)
        assert Picture.open(io.BytesIO(render(data, media_type=media))).format == form


def test_all_frames_make_an_animation():
    gif = Picture.open(
        io.BytesIO(render(image(np.random.default_rng(1).integers(0, 9, (4, 8, 8)).astype("u1")), None, media_type="image/gif"))
    )
    assert gif.n_frames == 4


def test_a_thumbnail_is_the_middle_frame_in_its_box():
    frames = np.stack([np.full((20, 40), n, "u1") for n in range(3)])
    picture = Picture.open(io.BytesIO(thumbnail(image(frames, WindowCenter="1.5", WindowWidth="4"), 16)))
    assert (picture.format, picture.size) == ("JPEG", (16, 8))
    assert 110 < np.asarray(picture).mean() < 200
    assert thumbnail(bundled("test-SR.dcm")) is None


def test_documents_are_rendered_as_themselves():
    pdf = part10(EncapsulatedDocument=b"%PDF-1.7", MIMETypeOfEncapsulatedDocument="application/pdf")
    assert rendered_types(pdf) == ("application/pdf",)
    assert render(pdf, media_type="application/pdf") == b"%PDF-1.7"
    with pytest.raises(NotRenderable):
        render(pdf, media_type="image/jpeg")


def test_a_structured_report_is_a_page():
    report = bundled("test-SR.dcm")
    assert rendered_types(report) == ("text/html",)
    page = render(report, media_type="text/html").decode()
    assert "<h1>" in page
    assert page.count("<ul>") == page.count("</ul>") > 0
    assert page.count("<section>") == page.count("</section>")


def test_text_of_a_report_cannot_become_markup():
    item = Dataset()
    item.ValueType, item.TextValue = "TEXT", "<script>alert(1)</script>"
    page = render(part10(ContentSequence=[item], ValueType="CONTAINER"), media_type="text/html").decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
