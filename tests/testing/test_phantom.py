"""The thorax phantom: anatomy where it belongs, truth that the voxels bear out, noise that obeys the exposure."""

import numpy as np
import pytest

from panorad.testing.phantom import Thorax, thorax


@pytest.fixture(scope="module")
def scan() -> Thorax:
    return thorax(2, slices=40, size=128)


def at(scan: Thorax, x: float, y: float, z: float, reach: int = 2) -> float:
    """Median HU about a point in patient axes (mm)."""
    k, j, i = (round((v - o) / s) for v, o, s in zip((z, y, x), scan.origin[::-1], scan.spacing, strict=True))
    return float(np.median(scan.hu[k, j - reach : j + reach + 1, i - reach : i + reach + 1]))


@pytest.mark.parametrize(
    "point,low,high",
    [
        ((90, 10, 0), -950, -700),  # left lung
        ((-90, 10, 0), -950, -700),  # right lung
        ((-70, 0, -120), 30, 140),  # liver
        ((0, 10, 90), -1024, -800),  # trachea
        ((0, 58, 8), 80, 600),  # vertebral body
        ((175, -150, 0), -1024, -950),  # air beside the patient
        ((30, -30, -50), 20, 260),  # heart
    ],
)
def test_organs_lie_where_they_should(scan: Thorax, point: tuple[float, float, float], low: float, high: float) -> None:
    assert low < at(scan, *point) < high


def test_the_same_seed_is_the_same_scan_and_another_scan_has_other_noise() -> None:
    first, again, later = thorax(5, 3, 64), thorax(5, 3, 64), thorax(5, 3, 64, scan=1)
    assert (first.hu == again.hu).all()
    assert (first.hu != later.hu).any()
    assert first.nodules == later.nodules


def test_nodules_are_where_the_truth_says_and_as_dense() -> None:
    with_nodules, without = thorax(2, 75, 128), thorax(2, 75, 128, nodules=0)
    solid = [n for n in with_nodules.nodules if n.kind == "solid" and n.diameter > 8]
    assert solid
    for nodule in solid:
        k, j, i = (round(v) for v in nodule.index)
        assert with_nodules.hu[k, j, i] > -250
    change = (with_nodules.hu.astype(int) - without.hu).sum() * np.prod(with_nodules.spacing)
    assert change == pytest.approx(sum(np.pi / 6 * n.diameter**3 * (n.hu + 850) for n in with_nodules.nodules), rel=0.12)


def test_growth_multiplies_diameters_in_place() -> None:
    now, prior = thorax(3, 2, 32), thorax(3, 2, 32, growth=0.5)
    assert [n.diameter * 0.5 for n in now.nodules] == pytest.approx([n.diameter for n in prior.nodules])


def test_noise_falls_with_the_root_of_the_exposure() -> None:
    def sigma(mas: float) -> float:
        pair = [thorax(2, 1, 128, (5, 2.8, 2.8), mas=mas, scan=s).hu[0, 50:75, 40:60].astype(float) for s in (0, 1)]
        return float((pair[0] - pair[1]).std() / 2**0.5)

    assert sigma(25) / sigma(400) == pytest.approx(4, rel=0.15)


def test_bad_sizes_and_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="16 x 16"):
        thorax(1, 1, 8)
    with pytest.raises(ValueError, match="unknown kernel"):
        thorax(1, 1, 32, kernel="wood")
