"""Branching trees that fill a lung: arteries, veins and airways grown towards a cloud of points.

A branch grows from its parent's tip towards the centre of the points it must supply, then the points are parted by a plane
through that centre and each half gets a branch, until one point is left. Radii follow a power law in the number of points
supplied, which is what a law of the Murray kind (the parent's power is the sum of the children's) amounts to.
"""

import numpy as np
from numpy.typing import NDArray

from panorad.testing.anatomy import F32, Tubes

MURRAY = 2.9


def grow(points: F32, root: NDArray[np.float32], radius: float, rng: np.random.Generator, stretch: float = 0.42) -> Tubes:
    """A tree from `root` to every point (n, 3), in mm; `radius` is the trunk's, `stretch` how much of its way a branch goes."""
    total = len(points)
    start: list[NDArray[np.float32]] = []
    end: list[NDArray[np.float32]] = []
    radii: list[tuple[float, float]] = []
    stack = [(root.astype(np.float32), points, np.float32(0) * root)]
    while stack:
        tip, cloud, heading = stack.pop()
        count = len(cloud)
        centre = cloud.mean(0)
        way = centre - tip
        goal = cloud[0] if count == 1 else tip + way * np.float32(stretch) + heading * np.float32(0.12)
        bend = (tip + goal) / 2 + rng.normal(0, 0.06, 3).astype(np.float32) * np.linalg.norm(goal - tip).astype(np.float32)
        wide = radius * (count / total) ** (1 / MURRAY)
        start += [tip, bend]
        end += [bend, goal]
        radii += [(wide, wide * 0.95), (wide * 0.95, wide * 0.88)]
        if count == 1:
            continue
        spread = cloud - centre
        normal = np.linalg.eigh(spread.T @ spread)[1][:, 2] + rng.normal(0, 0.25, 3)
        side = spread @ normal
        order = np.argsort(side)
        cut = int(np.clip(round(count * rng.uniform(0.35, 0.65)), 1, count - 1))
        stack += [(goal, cloud[order[:cut]], goal - tip), (goal, cloud[order[cut:]], goal - tip)]
    return Tubes(np.array(start, np.float32), np.array(end, np.float32), np.array(radii, np.float32))
