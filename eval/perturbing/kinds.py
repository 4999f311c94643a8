"""Ways in which an image changes on its way from hand to hand, each in five graded strengths.

FakeVLM (Wen et al., section 5.5) names a study of robustness to perturbations, in its appendix C, of which no levels
are printed: kinds and levels here are this project's own. Pillow and NumPy do them all, so that the command needs no
torch; a JPEG or WebP here is what people's programs write, by the same libraries.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, features

from swift_plugins.core.images import rgb
from swift_plugins.core.media import MAX_PIXELS

Size = tuple[int, int]
STRENGTHS = (1, 2, 3, 4, 5)


class Screen(NamedTuple):
    """The long side in px of a captured picture as it arrives, and the JPEG quality and number of its savings."""

    side: int
    quality: int
    hops: int


@dataclass(frozen=True)
class Kind:
    """A perturbation: `apply(image, level, rng)` for each of its levels, mildest first, and how a level is told.

    `size(level, width, height)` is the size of what comes out; None where it is the image's own and nothing moves.
    """

    apply: Callable[[Image.Image, Any, np.random.Generator], Image.Image]
    levels: tuple[Any, Any, Any, Any, Any]
    text: str
    size: Callable[[Any, int, int], Size] | None = None


def encoded(image: Image.Image, form: str, quality: int) -> Image.Image:
    """What is left of an image after it was saved with loss, at Pillow's defaults (JPEG: colour at half the size)."""
    data = io.BytesIO()
    image.save(data, form, quality=quality)
    return rgb(Image.open(data))


def scaled(factor: float, width: int, height: int) -> Size:
    return max(1, round(width * factor)), max(1, round(height * factor))


def down_and_up(image: Image.Image, factor: float, _: np.random.Generator) -> Image.Image:
    small = image.resize(scaled(factor, *image.size), Image.Resampling.LANCZOS)
    return small.resize(image.size, Image.Resampling.BICUBIC)


def enlarge(image: Image.Image, factor: float, _: np.random.Generator) -> Image.Image:
    return image.resize(scaled(factor, *image.size), Image.Resampling.LANCZOS)


def crop(image: Image.Image, part: float, _: np.random.Generator) -> Image.Image:
    width, height = scaled(part, *image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def noise(image: Image.Image, sigma: float, rng: np.random.Generator) -> Image.Image:
    """Independent Gaussian noise on each value of each channel, rounded and clipped to 0..255."""
    pixels = np.asarray(image, np.float32)
    noisy = pixels + sigma * rng.standard_normal(pixels.shape, np.float32)
    return Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))


def brightness(image: Image.Image, factor: float, _: np.random.Generator) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


def contrast(image: Image.Image, factor: float, _: np.random.Generator) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(factor)


def shown_on(level: Screen, width: int, height: int) -> Size:
    return scaled(level.side / max(width, height), width, height)


def screenshot(image: Image.Image, level: Screen, _: np.random.Generator) -> Image.Image:
    """Shown to fit a display, captured without anything around it and saved as JPEG; each time it is passed on, a
    messenger makes it a tenth smaller and saves it again, down to the level's size.

    A display's pixels do not lie on the image's: each resampling begins half a pixel further in.
    """
    size = shown_on(level, *image.size)
    for later in reversed(range(level.hops)):
        shown = image.resize(scaled(0.9**-later, *size), Image.Resampling.BICUBIC, box=(0.5, 0.5, *image.size))
        image = encoded(shown, "JPEG", level.quality)
    return image


KINDS = {
    "jpeg": Kind(lambda image, quality, _: encoded(image, "JPEG", quality), (90, 70, 50, 30, 10), "quality {}"),
    "webp": Kind(lambda image, quality, _: encoded(image, "WEBP", quality), (90, 70, 50, 30, 10), "quality {}"),
    "downscale": Kind(down_and_up, (0.75, 0.5, 0.35, 0.25, 0.125), "to {} of each side and back"),
    "upscale": Kind(enlarge, (1.25, 1.5, 2, 2.5, 3), "to {} times each side", scaled),
    "crop": Kind(crop, (0.95, 0.9, 0.8, 0.65, 0.5), "the middle {} of each side", scaled),
    "blur": Kind(
        lambda image, sigma, _: image.filter(ImageFilter.GaussianBlur(sigma)),
        (0.5, 1, 2, 3, 5),
        "Gaussian, sigma {} px",
    ),
    "noise": Kind(noise, (5, 10, 20, 40, 60), "Gaussian, sigma {} of 255"),
    "darker": Kind(brightness, (0.85, 0.7, 0.55, 0.4, 0.25), "brightness times {}"),
    "brighter": Kind(brightness, (1.15, 1.3, 1.5, 1.75, 2), "brightness times {}"),
    "less_contrast": Kind(contrast, (0.8, 0.65, 0.5, 0.35, 0.2), "contrast times {}"),
    "more_contrast": Kind(contrast, (1.25, 1.5, 1.75, 2, 2.5), "contrast times {}"),
    "screenshot": Kind(
        screenshot,
        (Screen(1280, 95, 1), Screen(1080, 85, 1), Screen(800, 75, 2), Screen(640, 60, 2), Screen(480, 40, 3)),
        "long side {0.side} px, JPEG quality {0.quality} x{0.hops}",
        shown_on,
    ),
}


def parameter(kind: str, strength: int, kinds: Mapping[str, Any] = KINDS) -> str:
    """What a kind's strength (1..5) is, in words."""
    return kinds[kind].text.format(kinds[kind].levels[strength - 1])


def size_after(kind: str, strength: int, width: int, height: int) -> Size:
    """(width, height) of the perturbed image."""
    size, level = KINDS[kind].size, KINDS[kind].levels[strength - 1]
    return size(level, width, height) if size else (width, height)


def perturb(image: Image.Image, kind: str, strength: int, seed: int, name: str) -> Image.Image:
    """The RGB image perturbed; noise follows from (seed, name, kind, strength) alone.

    ValueError if it would have more than MAX_PIXELS.
    """
    width, height = size_after(kind, strength, *image.size)
    if width * height > MAX_PIXELS:
        raise ValueError(f"too large: {kind}/{strength} gives {width}x{height} and more than {MAX_PIXELS} pixels")
    return KINDS[kind].apply(image, KINDS[kind].levels[strength - 1], chance(seed, name, kind, strength))


def chance(seed: int, name: str, kind: str, strength: int) -> np.random.Generator:
    """The random numbers of one copy, whatever else is made before it."""
    digest = hashlib.sha256(f"{seed}/{name}/{kind}/{strength}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def codec_versions() -> dict[str, str | None]:
    """The versions of the C libraries that decide what a saved image looks like."""
    return {name: features.version(name) for name in ("jpg", "libjpeg_turbo", "webp", "zlib", "zlib_ng")}
