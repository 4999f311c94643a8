"""The scene that all samples share, and shapes to draw into it."""

from __future__ import annotations

import numpy as np

import swift_plugins  # noqa: F401

CELL, GRID = 56, 3  # a frame is GRID x GRID cells of CELL px; a trace fills one of them
SIZE, FRAMES, FPS = CELL * GRID, 8, 4
INSET = 4
COLOURS = {"red": (205, 45, 45), "yellow": (225, 190, 40), "white": (235, 235, 235), "purple": (130, 60, 170)}
CRATE = (120, 80, 45)
YY, XX = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)


def disc(cx: float, cy: float, radius: float) -> np.ndarray:
    return (XX - cx) ** 2 + (YY - cy) ** 2 <= radius**2


def bar(cx: float, cy: float, half_width: float, half_height: float) -> np.ndarray:
    return (abs(XX - cx) <= half_width) & (abs(YY - cy) <= half_height)


def background(rng: np.random.Generator) -> np.ndarray:
    """Sky over ground under a sun at the left, with grain: brightness and hue say where in the frame a patch lies."""
    t = YY[..., None] / SIZE
    sky, ground = np.array([120.0, 160.0, 225.0]), np.array([75.0, 120.0, 55.0])
    picture = np.where(YY[..., None] < SIZE / 2, sky * (1 - 0.3 * t), ground * (1.2 - 0.4 * t))
    light = 1.25 - 0.6 * XX / SIZE
    picture = picture * light[..., None] * rng.uniform(0.95, 1.05)
    grain = np.kron(rng.normal(0, 1, (SIZE // 4, SIZE // 4, 1)), np.ones((4, 4, 1)))
    return picture + 4 * grain
