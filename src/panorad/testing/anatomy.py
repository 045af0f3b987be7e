"""The shapes of a thorax, as signed distances and tubes in millimetres.

Coordinates are DICOM's patient axes (PS3.3 section C.7.6.2.1.1): x to the patient's left, y to the back, z to the head,
with the origin in the middle of the chest. A signed distance is negative inside. Distances are first order, which is
enough for soft edges a voxel wide. All functions take arrays that broadcast, so one formula serves slices and point clouds.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Number = Any
"""A float or an array of float32; both broadcast."""

BODY = np.array(
    [
        (-160, 158, 106),
        (-100, 163, 110),
        (-20, 167, 112),
        (60, 164, 106),
        (90, 150, 99),
        (115, 130, 95),
        (135, 108, 90),
        (165, 76, 82),
    ]
)
CAVITY = np.array(
    [
        (-160, 128, 80),
        (-100, 132, 86),
        (-20, 130, 84),
        (40, 123, 79),
        (70, 110, 71),
        (95, 88, 58),
        (112, 60, 40),
        (122, 34, 18),
        (127, 4, 3),
    ]
)
VERTEBRA_PITCH = 24.0
SPINE_Y = 58.0


def squircle(x: Number, y: Number, a: Number, b: Number, square: float = 0.0) -> Number:
    """Radial distance to an ellipse of half axes a and b (mm), pressed towards a rectangle as `square` goes from 0 to 1."""
    u, v = (x / np.asarray(a, np.float32)) ** 2, (y / np.asarray(b, np.float32)) ** 2
    s = u + v
    if square:
        s = s - square * np.minimum(u, 1) * np.minimum(v, 1)
    return np.sqrt(x * x + y * y) * (1 - 1 / np.sqrt(np.maximum(s, 1e-6)))


def ellipsoid(
    x: Number, y: Number, z: Number, centre: tuple[float, float, float], axes: tuple[float, float, float], turn: float = 0.0
) -> Number:
    """Radial distance (mm) to an ellipsoid turned by `turn` radians about z."""
    dx, dy, dz = x - centre[0], y - centre[1], z - centre[2]
    if np.ndim(dz) == 0 and abs(dz) > axes[2] + 12:
        return np.float32(abs(dz) - axes[2])
    c, s = math.cos(turn), math.sin(turn)
    dx, dy = c * dx + s * dy, c * dy - s * dx
    s2 = (dx / axes[0]) ** 2 + (dy / axes[1]) ** 2 + (dz / axes[2]) ** 2
    return np.sqrt(dx * dx + dy * dy + dz * dz) * (1 - 1 / np.sqrt(np.maximum(s2, 1e-6)))


def profile(table: NDArray[np.float64], z: Number) -> tuple[Number, Number]:
    """Half axes (mm) of a tabled outline at height z."""
    a, b = (np.interp(z, table[:, 0], table[:, i]) for i in (1, 2))
    return (np.float32(a), np.float32(b)) if np.ndim(z) == 0 else (a.astype(np.float32), b.astype(np.float32))


@dataclass(frozen=True)
class Build:
    """What differs from one person to the next (factors of 1, and the fat layer in mm)."""

    fat: float
    heart: float
    dome: float
    contrast: bool

    @classmethod
    def of(cls, seed: int) -> "Build":
        """Draw a person."""
        rng = np.random.default_rng((seed, 1))
        return cls(float(rng.uniform(8, 17)), float(rng.uniform(0.92, 1.1)), float(rng.uniform(-8, 10)), bool(rng.random() < 0.6))

    def body(self, x: Number, y: Number, z: Number) -> Number:
        """The skin."""
        a, b = profile(BODY, z)
        return squircle(x, y - 15 * np.clip((z - 60) / 60, 0, 1), a, b, 0.45)

    def muscle(self, x: Number, y: Number, z: Number) -> Number:
        """The chest wall inside the subcutaneous fat, thick at the flanks and thin over the spine."""
        a, b = profile(BODY, z)
        u, v = x / a, y / b
        return self.body(x, y, z) + self.fat * (0.8 + 0.55 * u * u - 0.45 * np.maximum(v, 0) ** 2 - 0.2 * np.maximum(-v, 0))

    def cavity(self, x: Number, y: Number, z: Number) -> Number:
        """The inside of the ribs."""
        a, b = profile(CAVITY, z)
        return squircle(x, y + 4 - 14 * np.clip((z - 60) / 60, 0, 1), a, b, 0.4)

    def diaphragm(self, x: Number, y: Number, z: Number) -> Number:
        """Height (mm) of the dome above z; positive means that z lies in the abdomen."""
        right = -60 + self.dome - 58 * (((x + 66) / 80) ** 2 + ((y + 8) / 84) ** 2)
        left = -72 + self.dome - 56 * (((x - 68) / 80) ** 2 + ((y + 4) / 84) ** 2)
        return np.maximum(right, left) - z

    def heart_wall(self, x: Number, y: Number, z: Number) -> Number:
        """Pericardium about ventricles and right atrium."""
        k = self.heart
        ventricles = ellipsoid(x, y, z, (24, -30, -48), (63 * k, 41 * k, 50 * k), -0.62)
        atrium = ellipsoid(x, y, z, (-24, -22, -36), (29 * k, 32 * k, 42 * k))
        return np.minimum(ventricles, atrium)

    def chambers(self, x: Number, y: Number, z: Number) -> Number:
        """The blood in the four chambers."""
        k = self.heart
        rooms = (
            ellipsoid(x, y, z, (36, -24, -50), (38 * k, 19 * k, 34 * k), -0.62),
            ellipsoid(x, y, z, (10, -50, -46), (40 * k, 14 * k, 36 * k), -0.5),
            ellipsoid(x, y, z, (-25, -22, -36), (24 * k, 26 * k, 36 * k)),
            ellipsoid(x, y, z, (2, 14, -12), (37 * k, 17 * k, 24 * k)),
        )
        return np.minimum(np.minimum(rooms[0], rooms[1]), np.minimum(rooms[2], rooms[3]))

    def mediastinum(self, x: Number, y: Number, z: Number) -> Number:
        """All between the lungs: great vessels with their fat, heart, spine."""
        above = np.clip((z + 25) / 45, 0, 1)
        upper = squircle(x + 2, y - 8, 17 + 17 * above - 7 * np.clip((z - 40) / 60, 0, 1), 44, 0.3)
        front = np.maximum(np.abs(x - 4 - 0.12 * y) - 2.6, y)
        root = ellipsoid(x, y, z, (0, 14, 12), (48, 24, 34))
        left_atrium = ellipsoid(x, y, z, (2, 14, -12), (40, 21, 27))
        arch = ellipsoid(x, y, z, (13, 8, 62), (23, 44, 22))
        spine = squircle(x, y - SPINE_Y - 10, 27, 32)
        aorta = squircle(x - 21, y - 44, 15, 15)
        walls = (front, root, left_atrium, arch, spine, aorta, self.heart_wall(x, y, z))
        out = upper
        for wall in walls:
            out = np.minimum(out, wall)
        return out

    def lung(self, x: Number, y: Number, z: Number) -> Number:
        """Both lungs, but for the diaphragm's slope in z, which the caller softens by its slice thickness."""
        return np.maximum(self.cavity(x, y, z), 1.5 - self.mediastinum(x, y, z))


@dataclass(frozen=True)
class Tubes:
    """Capsules with a radius at each end: `start` and `end` are (n, 3), `radius` is (n, 2), all mm."""

    start: F32
    end: F32
    radius: F32

    @classmethod
    def along(cls, points: NDArray[Any], radii: NDArray[Any] | float) -> "Tubes":
        """One bent tube through the points."""
        p = np.asarray(points, np.float32)
        r = np.broadcast_to(np.asarray(radii, np.float32), len(p))
        return cls(p[:-1], p[1:], np.stack([r[:-1], r[1:]], 1))

    @classmethod
    def join(cls, *parts: "Tubes") -> "Tubes":
        """All parts as one set."""
        return cls(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("start", "end", "radius")))

    def grown(self, by: float) -> "Tubes":
        """The same tubes with `by` mm more radius."""
        return Tubes(self.start, self.end, self.radius + np.float32(by))

    def seen_by(self, width: float) -> "Tubes":
        """The tubes thinned so that an edge `width` mm soft gives one thinner than a voxel its share of the voxel and no more."""
        half = np.float32(width / 2)
        return Tubes(self.start, self.end, np.where(self.radius < half, 2 * self.radius - half, self.radius))

    def stamp(self, distance: F32, x: F32, y: F32, z: float, flatten: float = 1.0, margin: float = 1.5) -> None:
        """Lower `distance` (rows, columns) to the tubes' own at height z. `flatten` under 1 stretches cross sections along z."""
        step_x, step_y = float(x[1] - x[0]), float(y[1] - y[0])
        reach = self.radius.max(1) + margin
        low, high = np.minimum(self.start, self.end), np.maximum(self.start, self.end)
        near = np.flatnonzero((low[:, 2] - reach / flatten <= z) & (high[:, 2] + reach / flatten >= z))
        for n in near:
            p, v, r = self.start[n], self.end[n] - self.start[n], self.radius[n]
            c0, c1 = _window(low[n, 0] - reach[n], high[n, 0] + reach[n], x, step_x)
            r0, r1 = _window(low[n, 1] - reach[n], high[n, 1] + reach[n], y, step_y)
            if c0 >= c1 or r0 >= r1:
                continue
            dx, dy, dz = x[None, c0:c1] - p[0], y[r0:r1, None] - p[1], np.float32((z - p[2]) * flatten)
            vz = v[2] * np.float32(flatten)
            length2 = float(v[0] * v[0] + v[1] * v[1] + vz * vz) + 1e-9
            t = np.clip((dx * v[0] + dy * v[1] + dz * vz) / np.float32(length2), 0, 1)
            d = np.sqrt((dx - t * v[0]) ** 2 + (dy - t * v[1]) ** 2 + (dz - t * vz) ** 2) - (r[0] + t * (r[1] - r[0]))
            view = distance[r0:r1, c0:c1]
            np.minimum(view, d, out=view)


def _window(low: float, high: float, axis: F32, step: float) -> tuple[int, int]:
    first = float(axis[0])
    return max(0, int((low - first) / step)), min(len(axis), int((high - first) / step) + 2)


AORTA = Tubes.along(
    np.array(
        [
            (-6, -18, -18),
            (-14, -24, 15),
            (-13, -22, 45),
            (-3, -10, 62),
            (11, 14, 68),
            (20, 36, 58),
            (22, 44, 35),
            (21, 45, -40),
            (14, 42, -165),
        ]
    ),
    np.array([16, 16, 15.5, 15, 14, 13, 12.5, 12, 11]),
)
PULMONARY_TRUNK = Tubes.along(np.array([(20, -42, -15), (24, -28, 8), (22, -8, 27), (42, 14, 33)]), np.array([14, 14, 13, 9]))
RIGHT_PULMONARY = Tubes.along(np.array([(22, -8, 27), (-8, 4, 24), (-40, 10, 20)]), np.array([12, 10, 8.5]))
VEINS = Tubes.join(
    Tubes.along(np.array([(-30, 16, -10), (-46, 12, -6)]), np.array([8, 6])),
    Tubes.along(np.array([(32, 18, -8), (47, 14, -4)]), np.array([8, 6])),
)
CAVA = Tubes.along(
    np.array([(-25, -14, -5), (-27, -16, 40), (-26, -18, 75), (-30, -18, 100), (-44, -16, 130)]), np.array([10, 9, 8.5, 8, 6])
)
INNOMINATE = Tubes.along(np.array([(-26, -18, 80), (0, -26, 88), (32, -20, 112), (60, -12, 130)]), np.array([6.5, 6, 6, 5]))
ARCH_BRANCHES = Tubes.join(
    Tubes.along(np.array([(-4, -10, 72), (-16, -6, 105), (-22, -2, 160)]), np.array([6.5, 6, 4])),
    Tubes.along(np.array([(7, 4, 76), (14, 2, 115), (17, 0, 160)]), np.array([4.2, 4, 3.6])),
    Tubes.along(np.array([(16, 22, 74), (24, 22, 105), (48, 12, 135)]), np.array([5, 4.6, 4.2])),
)
GREAT_VESSELS = Tubes.join(AORTA, PULMONARY_TRUNK, RIGHT_PULMONARY, VEINS, CAVA, INNOMINATE, ARCH_BRANCHES)
TRACHEA = Tubes.join(
    Tubes.along(np.array([(0, 2, 165), (0, 6, 110), (1, 14, 60), (0, 17, 47)]), np.array([8.6, 8.8, 8.6, 8.6])),
    Tubes.along(np.array([(0, 17, 47), (-18, 19, 31), (-42, 18, 14)]), np.array([7.6, 7, 5.6])),
    Tubes.along(np.array([(0, 17, 47), (20, 21, 31), (46, 22, 16)]), np.array([7, 6.2, 5.2])),
)
OESOPHAGUS = Tubes.along(
    np.array([(3, 22, 165), (5, 30, 60), (4, 34, 0), (12, 30, -90), (30, 10, -130)]), np.array([5, 6, 6.5, 7, 8])
)
CLAVICLES = Tubes.join(
    *(
        Tubes.along(
            np.array([(s * 16, -56, 92), (s * 55, -58, 104), (s * 84, -34, 118), (s * 104, -4, 130)]), np.array([8, 6, 5.5, 6])
        )
        for s in (-1, 1)
    )
)


def ribs() -> Iterator[tuple[Tubes, Tubes | None]]:
    """Each rib with its cartilage: from the spine round the flank, falling forwards."""
    for side in (-1, 1):
        for n in range(12):
            reach = (150, 152, 152, 152, 150, 146, 140, 134, 126, 118, 95, 70)[n]
            theta = np.radians(np.linspace(18, reach, 22))
            top, fall = 124 - 23.5 * n, (30, 46, 58, 66, 72, 76, 78, 78, 74, 66, 40, 22)[n]
            z = top - fall * (1 - np.cos(theta)) / 2 - 4 * np.sin(theta)
            a, b = profile(CAVITY, np.minimum(z, 112))
            y = -4 + 14 * np.clip((z - 60) / 60, 0, 1) + (b + 6) * np.cos(theta)
            path = np.stack([side * (a + 6.5) * np.sin(theta), y, z], 1)
            path = np.concatenate([[(side * 24, SPINE_Y + 17, top - 1.0)], path])
            radii = np.concatenate([[4.0], np.full(22, 4.4)])
            cartilage = None
            if n < 7:
                end = path[-1]
                sternum = np.array([side * 15, -profile(CAVITY, 80 - 20.0 * n)[1] - 8.0, 82 - 17.0 * n])
                cartilage = Tubes.along(np.stack([end, (end + sternum) / 2 + (0, -3, -6 - n), sternum]), np.array([5, 5.2, 4.6]))
            yield Tubes.along(path, radii), cartilage
