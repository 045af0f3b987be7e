"""Enough of NIfTI-1 to read a CT: a 348-byte header, then the voxels, first axis fastest (nifti1.h of the NIfTI group)."""

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DATATYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}


@dataclass(frozen=True)
class Nifti:
    """Voxels indexed (i, j, k), scaled, and the affine from index to RAS+ millimetres."""

    voxels: NDArray[Any]
    affine: NDArray[np.float64]


def read(path: Path) -> Nifti:
    """Read a three-dimensional .nii or .nii.gz file.

    Raises ValueError for what is not NIfTI-1, has other dimensions or an unknown data type, or ends too early.
    """
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        data = file.read()
    if len(data) < 352 or data[344:347] != b"n+1":
        raise ValueError(f"{path.name} is not a single-file NIfTI-1 image")
    order = "<" if struct.unpack_from("<i", data)[0] == 348 else ">"
    rank, *shape = struct.unpack_from(order + "4h", data, 40)
    code = struct.unpack_from(order + "h", data, 70)[0]
    if rank < 3 or code not in DATATYPES:
        raise ValueError(f"{path.name} has {rank} dimensions of data type {code}")
    offset, slope, intercept = struct.unpack_from(order + "3f", data, 108)
    count, start = int(np.prod(shape)), max(352, int(offset))
    kind = np.dtype(order + DATATYPES[code])
    if len(data) < start + count * kind.itemsize:
        raise ValueError(f"{path.name} ends before its last voxel")
    voxels: NDArray[Any] = np.frombuffer(data, kind, count, start).reshape(shape, order="F")
    if (np.isfinite(slope) and slope not in (0.0, 1.0)) or (np.isfinite(intercept) and intercept != 0):
        voxels = voxels * np.float32(slope) + np.float32(intercept)
    return Nifti(voxels, _affine(data, order))


def _affine(data: bytes, order: str) -> NDArray[np.float64]:
    """The sform where there is one, else the quaternion of the qform."""
    out = np.eye(4)
    if struct.unpack_from(order + "h", data, 254)[0] > 0:
        out[:3] = np.reshape(struct.unpack_from(order + "12f", data, 280), (3, 4))
        return out
    sign, *size = struct.unpack_from(order + "4f", data, 76)
    b, c, d, *shift = struct.unpack_from(order + "6f", data, 256)
    a = max(0.0, 1 - b * b - c * c - d * d) ** 0.5
    turn = np.array(
        [
            (a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)),
            (2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)),
            (2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c),
        ]
    )
    out[:3, :3] = turn * (size[0], size[1], size[2] * (-1 if sign < 0 else 1))
    out[:3, 3] = shift
    return out
