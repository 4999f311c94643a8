"""What a camera makes of a display's pixel grid: moiré, bands of brightness and colour that a filmed screen shows.

Each pixel of a display is a red, a green and a blue stripe of light, side by side, with dark between the pixels. A
camera samples that mask on a grid of its own, which is neither as fine nor as upright: what is too fine for it comes
out as beats of both grids, coarse bands in which the colours follow one another by a third of a pixel (Amidror 2009,
"The theory of the moiré phenomenon", chapters 2 and 9).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image

import swift_plugins  # noqa: F401

FACTOR = 1.02, 1.07  # pixels of the display to one of the camera: beats of 14 to 50 px
TILT = 0.5, 2.5  # degrees by which the camera is turned against the display, either way
ROWS = 0.5  # how dark the gaps between rows of pixels are, beside those between stripes
GAMMA = 2.2  # of the display


def filmed(size: tuple[int, int], depth: float, rng: np.random.Generator) -> Callable[[Image.Image], Image.Image]:
    """A camera before a display, as a function of the frames of `size` that it films: it holds still for all of them.

    Of the mask's light the lens lets the first harmonic through, `depth` (0..1) of the brightness; the content, which
    is coarser, passes as it is, and stands upright again. Where and how the grids meet follows from `rng` alone.
    """
    factor = rng.uniform(*FACTOR)
    tilt = math.radians(rng.uniform(*TILT)) * rng.choice((-1, 1))
    begin_across, begin_down = rng.random(2)
    y, x = np.mgrid[: size[1], : size[0]].astype(np.float32)
    across = begin_across + factor * (x * math.cos(tilt) + y * math.sin(tilt))  # in pixels of the display
    down = begin_down + factor * (y * math.cos(tilt) - x * math.sin(tilt))
    stripes = np.cos(2 * np.pi * (across[..., None] - np.arange(3, dtype=np.float32) / 3))
    light = (1 + depth * stripes) * (1 + ROWS * depth * np.cos(2 * np.pi * down))[..., None]
    factors = (light ** (1 / GAMMA)).astype(np.float32)

    def film(image: Image.Image) -> Image.Image:
        return Image.fromarray(np.clip(np.rint(np.asarray(image) * factors), 0, 255).astype(np.uint8))

    return film
