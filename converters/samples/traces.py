"""Traces of the nine categories of DeepTraceReward (section 2.3), drawn."""

from __future__ import annotations

import numpy as np

from converters.samples.drawing import CELL, CRATE, SIZE, XX, YY, bar, disc


def trace_masks(category: str, cx: float, cy: float, age: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a trace paints in the ball's colour and where in white, `age` frames after its onset."""
    none = np.zeros((SIZE, SIZE), bool)
    wobble = 2 * (age % 2)
    if category == "object distortion":
        angle = np.arctan2(YY - cy, XX - cx)
        radius = 13 + 8 * np.sign(np.sin(7 * angle + age))
        return (XX - cx) ** 2 + (YY - cy) ** 2 <= radius**2, none
    if category == "object trajectory":
        path = cy + 14 * (2 * abs(((XX - cx + 2 * age) / 16) % 1 - 0.5) * 2 - 1)
        return disc(cx + 12 - wobble, cy, 6), (abs(YY - path) <= 3) & (abs(XX - cx) <= 22)
    if category == "redundant object":
        corners = [(-13, -13), (13, -13), (-13, 13), (13, 13)]
        return np.any([disc(cx + x, cy + y, 8) for x, y in corners], axis=0), none
    if category == "object merging":
        return disc(cx - 13, cy, 10) | disc(cx + 13, cy, 10) | bar(cx, cy, 14, 5), none
    if category == "object splitting":
        gap = 5 + wobble
        return (disc(cx - gap, cy, 16) & (cx - gap >= XX)) | (disc(cx + gap, cy, 16) & (cx + gap <= XX)), none
    if category == "background distortion":
        return none, (np.sin((YY + 5 * np.sin(XX / 5 + age)) / 2.2) > 0.2) & bar(cx, cy, 24, 24)
    if category == "object disappearance":
        return none, disc(cx, cy, 19) & ~disc(cx, cy, 14)
    raise ValueError(category)


def paint_trace(picture: np.ndarray, category: str, corner: tuple[int, int], colour: tuple, age: int) -> None:
    """Draw one frame of a trace into the cell whose upper left corner is given."""
    cx, cy = corner[0] + CELL / 2, corner[1] + CELL / 2
    if category == "sudden blurring":
        haze = np.clip(1.2 - np.hypot(XX - cx, YY - cy) / 24, 0, 0.95)[..., None]
        picture[:] = picture * (1 - haze) + (0.5 * np.array(colour) + 127) * haze
    elif category == "unexpected move":
        x = cx - 10 + (3 * age) % 20
        picture[disc(cx, cy - 16, 6)] = colour
        picture[bar(x, cy + 6, 11, 11)] = CRATE
        picture[bar(x, cy + 6, 7, 7)] = (30, 25, 20)
        picture[bar(cx, cy + 20, 22, 2)] = CRATE
    else:
        coloured, white = trace_masks(category, cx, cy, age)
        picture[white] = 250
        picture[coloured] = colour
