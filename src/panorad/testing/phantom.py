"""A thorax that never lived: CT of plausible anatomy, sharpness and noise, with nodules whose place and size are known.

Each slice is painted from signed distances (`panorad.testing.anatomy`) with edges one voxel soft, thin things averaged over
the slice thickness, then blurred by the kernel's modulation transfer and covered with noise whose variance follows the
photons that survive the path (exp of the line integral, over the exposure) and whose spectrum is filtered back projection's:
a ramp under the kernel.

CT numbers are textbook physics: the Hounsfield scale puts water at 0 and air at -1000 by definition; lung at about a
seventh of water's density lies near -850; fat near -100, muscle near 50, marrow 150 to 200, cortical bone 500 and more, blood
about 40, or 200 to 300 while iodine passes. Nothing here is measured from a person.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panorad.testing.anatomy import (
    CLAVICLES,
    F32,
    GREAT_VESSELS,
    OESOPHAGUS,
    SPINE_Y,
    TRACHEA,
    VERTEBRA_PITCH,
    Build,
    Number,
    Tubes,
    ellipsoid,
    ribs,
    squircle,
)
from panorad.testing.trees import grow

FIELD_MM = 364.0
"""Width of the default field of view."""

KERNELS = {"soft": 0.42, "lung": 0.75}
"""Reconstruction kernels by the spatial frequency (cycles per mm) at which they pass 1/e."""

WATER_PER_MM = 0.0195
"""Linear attenuation of water (per mm) at the mean energy of a 120 kV beam."""


@dataclass(frozen=True)
class Nodule:
    """A sphere in a lung: centre in patient axes (mm) and in the array (slice, row, column), diameter in mm, CT number in HU."""

    centre: tuple[float, float, float]
    index: tuple[float, float, float]
    diameter: float
    hu: float

    @property
    def kind(self) -> str:
        """ "solid" or "ground-glass"."""
        return "solid" if self.hu > -300 else "ground-glass"


@dataclass(frozen=True)
class Thorax:
    """A CT volume: `hu` is (slices, rows, columns) from feet to head, `spacing` its (z, y, x) in mm, `origin` the patient
    position (x, y, z) in mm of the centre of the first voxel."""

    hu: NDArray[np.int16]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    nodules: tuple[Nodule, ...]
    mas: float
    kernel: str
    contrast: bool


def thorax(
    seed: int,
    slices: int = 60,
    size: int = 512,
    spacing: tuple[float, float, float] | None = None,
    *,
    nodules: int = 4,
    growth: float = 1.0,
    scan: int = 0,
    mas: float = 100.0,
    kernel: str = "soft",
    table: bool = True,
) -> Thorax:
    """Scan the person `seed`.

    The same seed is the same person with the same nodules; `scan` draws other noise and `growth` multiplies the nodules'
    diameters, so two calls make a study and its prior. `spacing` is (z, y, x) in mm; without it the slices span 300 mm and
    the rows 364 mm. `mas` is the tube current time product, `kernel` one of KERNELS.

    Raises ValueError for a size below 16, no slices, or an unknown kernel.
    """
    if size < 16 or slices < 1:
        raise ValueError("a thorax needs at least one slice and 16 x 16 pixels")
    if kernel not in KERNELS:
        raise ValueError(f"unknown kernel {kernel!r}: one of {', '.join(KERNELS)}")
    dz, dy, dx = spacing or (300.0 / slices, FIELD_MM / size, FIELD_MM / size)
    x = ((np.arange(size) - (size - 1) / 2) * dx).astype(np.float32)
    y = ((np.arange(size) - (size - 1) / 2) * dy).astype(np.float32) + np.float32(12)
    z = (np.arange(slices) - (slices - 1) / 2) * dz
    scene = _Scene.of(seed, nodules, growth, table, (float(x[0]), float(y[0]), float(z[0])), (dz, dy, dx), z)
    detector = _Detector(size, (dz, dy, dx), mas, KERNELS[kernel], np.random.default_rng((seed, 7, scan)))
    hu = np.empty((slices, size, size), np.int16)
    for n, height in enumerate(z):
        hu[n] = detector.read(scene.paint(x, y, np.float32(height), dz))
    return Thorax(hu, (dz, dy, dx), (float(x[0]), float(y[0]), float(z[0])), scene.nodules, mas, kernel, scene.build.contrast)


def _soft(distance: Number, width: float) -> F32:
    """How much of a voxel of this width (mm) lies inside."""
    share: F32 = np.clip(np.float32(0.5) - distance / np.float32(width), 0, 1)
    return share


def _mix(image: F32, hu: "float | F32", share: F32) -> None:
    image += (hu - image) * share


HILA = {
    "artery": ((-40, 10, 20), (43, 14, 32)),
    "vein": ((-46, 12, -6), (47, 14, -4)),
    "airway": ((-42, 18, 14), (46, 22, 16)),
}
"""Where the trees of the right and the left lung begin (mm)."""

TWIGS = {"artery": (850, 6.8, 0.42), "vein": (600, 5.8, 0.42), "airway": (90, 4.6, 0.46)}
"""How many ends each tree of a lung has, the radius of its trunk (mm) and its stretch."""


@lru_cache(maxsize=4)
def _trees(seed: int) -> tuple[Tubes, Tubes]:
    """Vessels and airways of a person."""
    build, rng = Build.of(seed), np.random.default_rng((seed, 2))
    grown: dict[str, list[Tubes]] = {name: [] for name in HILA}
    for side, cloud in enumerate([_cloud(build, sign, rng) for sign in (-1, 1)]):
        for name, (twigs, radius, stretch) in TWIGS.items():
            some = cloud[rng.permutation(len(cloud))[:twigs]]
            grown[name].append(grow(some, np.array(HILA[name][side], np.float32), radius, rng, stretch))
    bronchi = Tubes.join(*grown["airway"])
    keep = bronchi.radius[:, 1] > 0.9
    wide = Tubes(bronchi.start[keep], bronchi.end[keep], bronchi.radius[keep])
    return Tubes.join(*grown["artery"], *grown["vein"]), Tubes.join(TRACHEA, wide)


def _cloud(build: Build, side: int, rng: np.random.Generator) -> F32:
    """Points spread through one lung, off the pleura."""
    p = rng.uniform((5, -85, -130), (132, 85, 122), (5200, 3)).astype(np.float32)
    p[:, 0] *= side
    x, y, z = p.T
    kept: F32 = p[(build.lung(x, y, z) < -3.5) & (build.diaphragm(x, y, z) < -4)]
    return kept


class _Scene:
    """One person on the table, ready to be painted slice by slice."""

    def __init__(self, build: Build, seed: int, nodules: tuple[Nodule, ...], table: bool) -> None:
        self.build, self.nodules, self.table = build, nodules, table
        self.blood = 215.0 if build.contrast else 42.0
        self.vessels, self.airway = _trees(seed)
        pairs = list(ribs())
        self.ribs = Tubes.join(*(rib for rib, _ in pairs), CLAVICLES)
        self.cartilage = Tubes.join(*(cartilage for _, cartilage in pairs if cartilage is not None))
        self.grain = np.random.default_rng((seed, 3))
        self.texture: dict[str, F32] = {}

    @classmethod
    def of(
        cls,
        seed: int,
        count: int,
        growth: float,
        table: bool,
        origin: tuple[float, float, float],
        spacing: tuple[float, float, float],
        heights: NDArray[Any],
    ) -> "_Scene":
        """Draw the person and put nodules into the lungs within the scanned heights."""
        build, rng = Build.of(seed), np.random.default_rng((seed, 4))
        found: list[Nodule] = []
        low, high = max(-85.0, float(heights[0])), min(95.0, float(heights[-1]))
        for _ in range(4000):
            if len(found) == count:
                break
            diameter = float(np.round(rng.choice([4, 6, 8, 10, 14, 20]) * rng.uniform(0.9, 1.1), 1))
            hu = float(rng.choice([40.0, 40.0, 40.0, -600.0])) if diameter > 7 else 40.0
            at = rng.uniform((-125, -75, low), (125, 75, max(high, low + 0.1)))
            gap = diameter * max(growth, 1.0) / 2 + 1
            inside = build.lung(at[0], at[1], at[2]) < -gap and build.diaphragm(at[0], at[1], at[2]) < -gap - 5
            if inside and all(np.linalg.norm(at - n.centre) > 30 for n in found):
                index = tuple(float((at[a] - origin[a]) / spacing[2 - a]) for a in (2, 1, 0))
                found.append(
                    Nodule((float(at[0]), float(at[1]), float(at[2])), (index[0], index[1], index[2]), diameter * growth, hu)
                )
        return cls(build, seed, tuple(found), table)

    def paint(self, x: F32, y: F32, z: Number, thickness: float) -> F32:
        """One slice in HU without blur or noise."""
        gx, gy, w = x[None, :], y[:, None], max(float(x[1] - x[0]), 0.8)
        image = np.full((len(y), len(x)), -1000, np.float32)
        coarse = self._grain("coarse", image.shape, w, 5.0)
        fine = self._grain("fine", image.shape, w, 0.9)
        if self.table:
            self._couch(image, gx, gy, w)
        body = self.build.body(gx, gy, z)
        _mix(image, -102 + 6 * coarse, _soft(body, w))
        _mix(image, 15.0, _soft(np.abs(body + 1.2) - 0.9, w))
        self._wall(image, gx, gy, z, w, coarse)
        cavity = self.build.cavity(gx, gy, z)
        _mix(image, -92 + 14 * coarse, _soft(cavity + 1.5, w))
        self._abdomen(image, gx, gy, z, w, cavity, coarse)
        self._mediastinum(image, x, y, z, w, coarse)
        self._lungs(image, gx, gy, z, w, thickness, cavity, coarse, fine)
        self._thin(image, x, y, z, w, thickness)
        self._bones(image, x, y, z, w, fine)
        return image

    def _grain(self, name: str, shape: tuple[int, int], pixel: float, scale: float) -> F32:
        """Unit-variance texture of a scale in mm, two thirds the same from one slice to the next."""
        coarse = self.grain.standard_normal((shape[0] // 2 + 1, shape[1] // 2 + 1), np.float32) if scale > 2 * pixel else None
        noise = self.grain.standard_normal(shape, np.float32) if coarse is None else coarse
        step = pixel if coarse is None else 2 * pixel
        fy, fx = np.fft.fftfreq(noise.shape[0], step)[:, None], np.fft.rfftfreq(noise.shape[1], step)[None, :]
        pass_band = np.exp(-((fy * fy + fx * fx) * np.float32((2.5 * scale) ** 2))).astype(np.float32)
        out: F32 = np.fft.irfft2(np.fft.rfft2(noise) * pass_band, noise.shape).astype(np.float32)
        out /= out.std() + np.float32(1e-6)
        if coarse is not None:
            out = np.repeat(np.repeat(out, 2, 0), 2, 1)[: shape[0], : shape[1]]
        last = self.texture.get(name)
        mixed = out if last is None else np.float32(0.66) * last + np.float32(0.75) * out
        self.texture[name] = mixed
        return mixed

    def _couch(self, image: F32, gx: F32, gy: F32, w: float) -> None:
        """A curved carbon shell over foam under the back."""
        top = gy - 121 + gx * gx / 900
        shell = np.maximum(np.abs(top - 7) - 7, np.abs(gx) - 215)
        _mix(image, -925, _soft(shell, w))
        _mix(image, -150, _soft(np.abs(shell + 0.8) - 0.8, w))

    def _wall(self, image: F32, gx: F32, gy: F32, z: Number, w: float, coarse: F32) -> None:
        """Muscle in layers, with fat between them."""
        muscle = self.build.muscle(gx, gy, z)
        streak = _soft(np.abs(muscle + 9 + 2.2 * coarse) - 1.1, 1.5) * (np.abs(gx) > 22)
        _mix(image, 52 + 5 * coarse, _soft(muscle, w))
        _mix(image, -85, streak * _soft(muscle, w))
        for side in (-1, 1):
            spinal = np.maximum(squircle(gx - side * 27, gy - 89, 21, 13, 0.3), self.build.body(gx, gy, z) + 5)
            _mix(image, 55 + 6 * coarse, _soft(spinal, w))
            chest = np.maximum(np.abs(muscle + 15 - 1.5 * coarse) - 0.9, 60 - z)
            _mix(image, -80, _soft(np.maximum(chest, np.abs(np.abs(gx) - 75) - 45), 1.2))

    def _abdomen(self, image: F32, gx: F32, gy: F32, z: Number, w: float, cavity: F32, coarse: F32) -> None:
        """Liver, spleen and a stomach with its air level, under the diaphragm."""
        under = _soft(-(self.build.diaphragm(gx, gy, z) - 0.0), 4 * w) * _soft(cavity + 2, w)
        if not under.any():
            return
        iodine = 45.0 if self.build.contrast else 0.0
        liver = np.maximum(gx - 22 + 0.35 * gy - 0.25 * (z + 90), cavity + 4)
        liver = np.maximum(liver, 8 - squircle(gx, gy - SPINE_Y - 6, 32, 30))
        _mix(image, 60 + iodine + 6 * coarse, _soft(liver, w) * under)
        _mix(image, 50 + 1.4 * iodine + 5 * coarse, _soft(ellipsoid(gx, gy, z, (88, 40, -118), (27, 36, 42)), w) * under)
        stomach = _soft(ellipsoid(gx, gy, z, (62, -22, -122), (40, 36, 42)), w) * under
        _mix(image, 45.0, stomach)
        room = _soft(ellipsoid(gx, gy, z, (62, -22, -122), (36, 32, 38)), w) * under
        _mix(image, np.where(gy < -34, np.float32(-985), np.float32(18)), room)

    def _mediastinum(self, image: F32, x: F32, y: F32, z: Number, w: float, coarse: F32) -> None:
        """Heart, great vessels, oesophagus."""
        gx, gy = x[None, :], y[:, None]
        heart = self.build.heart_wall(gx, gy, z)
        above = _soft(self.build.diaphragm(gx, gy, z) - 6, 4 * w)
        _mix(image, 35.0, _soft(np.abs(heart) - 0.7, w) * above)
        muscle = 95.0 if self.build.contrast else 45.0
        _mix(image, muscle + 4 * coarse, _soft(heart + 5, w) * above)
        _mix(image, self.blood - 10 + 4 * coarse, _soft(self.build.chambers(gx, gy, z), w) * above)
        tube = np.full_like(image, 99)
        GREAT_VESSELS.grown(1.2).stamp(tube, x, y, z)
        _mix(image, 45.0, _soft(tube, w))
        _mix(image, self.blood + 3 * coarse, _soft(tube + 1.2, w))
        gullet = np.full_like(image, 99)
        OESOPHAGUS.stamp(gullet, x, y, z)
        _mix(image, 38.0, _soft(gullet, w))
        _mix(image, -500.0, _soft(gullet + 4.6, w))

    def _lungs(
        self, image: F32, gx: F32, gy: F32, z: Number, w: float, thickness: float, cavity: F32, coarse: F32, fine: F32
    ) -> None:
        """Parenchyma, denser where it hangs, with the oblique fissures."""
        lung = np.maximum(cavity, 1.5 - self.build.mediastinum(gx, gy, z))
        share = _soft(lung, w) * _soft(self.build.diaphragm(gx, gy, z) + 1, 0.7 * thickness + w)
        fissure = np.abs(z - 42 - (gy - 60) * 1.05) / 1.45
        depth = gy / 80
        tone = -862 + 30 * depth + 13 * coarse + 26 * fine + 70 * np.maximum(0, 1 - fissure / (0.35 * thickness + 0.8))
        _mix(image, tone.astype(np.float32), share)

    def _thin(self, image: F32, x: F32, y: F32, z: Number, w: float, thickness: float) -> None:
        """Vessels, airways and nodules, averaged over the slice."""
        steps = int(np.clip(round(thickness / 1.6), 1, 4))
        shares = {name: np.zeros_like(image) for name in ("vessel", "wall", "lumen")}
        balls = [np.zeros_like(image) for _ in self.nodules]
        thin = (("vessel", self.vessels.seen_by(w)), ("wall", self.airway.grown(0.7).seen_by(w)))
        for k in range(steps):
            height = z + ((k + 0.5) / steps - 0.5) * thickness
            for name, tubes in thin:
                distance = np.full_like(image, 9)
                tubes.stamp(distance, x, y, height)
                shares[name] += _soft(distance, w) / steps
                if name == "wall":
                    shares["lumen"] += _soft(distance + 1.5, w) / steps
            for ball, nodule in zip(balls, self.nodules, strict=True):
                cx, cy, cz = nodule.centre
                radius2 = (nodule.diameter / 2) ** 2 - (height - cz) ** 2
                if radius2 > 0:
                    ball += _soft(np.hypot(x[None, :] - cx, y[:, None] - cy) - np.float32(radius2**0.5), w) / steps
        _mix(image, self.blood * 0.9, shares["vessel"])
        _mix(image, 20.0, shares["wall"])
        _mix(image, -990.0, shares["lumen"])
        for ball, nodule in zip(balls, self.nodules, strict=True):
            _mix(image, nodule.hu, ball)

    def _bones(self, image: F32, x: F32, y: F32, z: Number, w: float, fine: F32) -> None:
        """Ribs, sternum, shoulder blades and spine: cortex over marrow."""
        gx, gy = x[None, :], y[:, None]
        soft_bone = np.full_like(image, 99)
        self.cartilage.stamp(soft_bone, x, y, z, 0.7)
        _mix(image, 105.0, _soft(soft_bone, w))
        bone = np.full_like(image, 99)
        self.ribs.stamp(bone, x, y, z, 0.6)
        if -55 < z < 92:
            front = float(self.build.cavity(np.float32(0), np.float32(-300), np.float32(z))) - 300 + 4
            wide = 17 + 7 * np.clip((z - 55) / 30, 0, 1)
            np.minimum(bone, squircle(gx - 1, gy - front + 10, wide, 6, 0.7), out=bone)
        if -20 < z < 118:
            rise = (z + 20) / 138
            back = 81 - 12 * max(0.0, rise - 0.6)
            blades = [Tubes.along(np.array([(s * (92 - 26 * rise), back, z), (s * 112, back - 22, z)]), 2.6) for s in (-1, 1)]
            spines = (
                [Tubes.along(np.array([(s * 84, back + 2, z), (s * 112, back - 30, z)]), 4.0) for s in (-1, 1)]
                if 82 < z < 104
                else []
            )
            Tubes.join(*blades, *spines).stamp(bone, x, y, z)
        bone = np.maximum(bone, self.build.body(gx, gy, z) + 4)
        _mix(image, 620.0, _soft(bone, w))
        _mix(image, 210 + 45 * fine, _soft(bone + 1.5, w))
        self._vertebra(image, x, y, z, w, fine)

    def _vertebra(self, image: F32, x: F32, y: F32, z: Number, w: float, fine: F32) -> None:
        gx, gy, phase = x[None, :], y[:, None] - np.float32(SPINE_Y), ((z + 480) % VERTEBRA_PITCH) / VERTEBRA_PITCH
        body = squircle(gx, gy, 18, 14, 0.25)
        canal = squircle(gx, gy - 22, 9.5, 8)
        body = np.maximum(body, -canal - 1)
        disc = float(np.clip((0.2 - phase) / 0.06, 0, 1))
        plate = float(np.clip(1 - abs(phase - 0.24) / 0.06, 0, 1) + np.clip(1 - abs(phase - 0.97) / 0.06, 0, 1))
        marrow = 85 * disc + (1 - disc) * (175 + 38 * fine + 260 * plate)
        cortex = 95 * disc + (1 - disc) * 520
        _mix(image, cortex, _soft(body, w))
        _mix(image, marrow, _soft(body + 1.4, w))
        arch = np.full_like(image, 99)
        if 0.3 < phase < 0.95:
            np.minimum(arch, np.maximum(squircle(gx, gy - 23, 16, 14), -canal), out=arch)
        parts = [Tubes.along(np.array([(0, SPINE_Y + 35, z), (0, SPINE_Y + 45, z)]), 3.2)] if phase > 0.25 else []
        if 0.5 < phase < 0.85:
            parts += [
                Tubes.along(np.array([(s * 10, SPINE_Y + 20, z), (s * 33, SPINE_Y + 27, z)]), np.array([5.5, 4.0]))
                for s in (-1, 1)
            ]
        if parts:
            Tubes.join(*parts).stamp(arch, x, y, z)
        arch = np.maximum(arch, -canal)
        _mix(image, 560.0, _soft(arch, w))
        _mix(image, 260 + 30 * fine, _soft(arch + 1.6, w))
        _mix(image, 18.0, _soft(canal, w))
        _mix(image, 42.0, _soft(squircle(gx, gy - 22, 5.5, 4.2), w))


class _Detector:
    """Blur and noise of a scanner."""

    def __init__(
        self, size: int, spacing: tuple[float, float, float], mas: float, cutoff: float, rng: np.random.Generator
    ) -> None:
        dz, dy, dx = spacing
        fy, fx = np.fft.fftfreq(size, dy)[:, None], np.fft.rfftfreq(size, dx)[None, :]
        f = np.sqrt(fy * fy + fx * fx)
        self.size, self.dx, self.dy, self.rng = size, dx, dy, rng
        self.transfer = np.exp(-((f / cutoff) ** 2)).astype(np.float32)
        spectrum = f * np.exp(-((f / (0.85 * cutoff)) ** 2))
        self.spectrum = (spectrum / np.sqrt(np.mean(spectrum**2))).astype(np.float32)
        # 300 mm of water at 100 mAs, 5 mm and the soft kernel leave about 11 HU; a sharper kernel passes more of the ramp.
        self.sigma = 11.0 * (100.0 / mas) ** 0.5 * (5.0 / dz) ** 0.5 * (cutoff / KERNELS["soft"]) ** 1.5

    def read(self, image: F32) -> NDArray[np.int16]:
        """The slice as a scanner stores it, in HU."""
        density = np.maximum(image + 1000, 0) * np.float32(WATER_PER_MM / 1000)
        lost = [np.exp((density.sum(axis) * step - 300 * WATER_PER_MM) * 0.7) for axis, step in ((1, self.dx), (0, self.dy))]
        variance = (_running(lost[0])[:, None] + _running(lost[1])[None, :]) * np.float32(0.7)
        white = self.rng.standard_normal((self.size, self.size), np.float32)
        seen = np.fft.irfft2(np.fft.rfft2(image) * self.transfer, image.shape)
        noise = np.fft.irfft2(np.fft.rfft2(white) * self.spectrum, image.shape)
        seen += noise * np.sqrt(variance) * np.float32(self.sigma)
        return np.clip(np.rint(seen), -1024, 3071).astype(np.int16)


def _running(line: F32) -> F32:
    """A mean over the neighbours, as the views of a whole turn give."""
    width = max(3, len(line) // 12)
    padded = np.pad(line, width, mode="edge")
    return np.convolve(padded, np.full(2 * width + 1, 1 / (2 * width + 1), np.float32), "valid").astype(np.float32)
