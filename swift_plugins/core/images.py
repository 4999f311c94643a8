"""An image as a model gets it, and the check that there is one to get."""

from __future__ import annotations

import contextlib
import hashlib
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from swift_plugins.core.media import MAX_PIXELS, Media, check_area, check_kind

if TYPE_CHECKING:
    from PIL import Image

# Pillow's names of what is read; it would hand some others, as EPS, to another program.
FORMATS = {"JPEG", "MPO", "PNG", "AVIF", "WEBP", "BMP", "GIF", "TIFF"}
# Pillow's modes of more than 8 bits, which it clips to 8 where it should scale them.
DEEP = {"I;16": "16 bits", "I": "32 bits", "F": "32 bits, as floating-point numbers,"}


def rgb(image: Image.Image) -> Image.Image:
    """The image as a model gets it, without its metadata.

    As qwen-vl-utils' to_rgb: RGBA on white, all else as Pillow converts it. ms-swift's load_image, for models that do
    without qwen-vl-utils, drops the alpha channel instead, which is the same for an opaque image. Neither turns an
    image by its EXIF orientation, so it is not turned here.
    """
    from PIL import Image

    if image.mode == "RGBA":
        shown = Image.new("RGB", image.size, "white")
        shown.paste(image, mask=image.getchannel("A"))
    else:
        shown = image.convert("RGB")
    shown.info = {}  # else colour profile, EXIF and comment would go into every file saved from it
    return shown


@contextlib.contextmanager
def opened(path: str) -> Iterator[Image.Image]:
    """An image, not yet decoded; ValueError where it cannot be. What is no image by its first bytes is not opened."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        if check_kind(path) is not None:
            raise ValueError("a video")
        with Image.open(path, formats=[*FORMATS - {"MPO"}]) as image:  # which what opens a JPEG finds out
            if image.width * image.height > MAX_PIXELS:
                raise ValueError("too large")
            yield image
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"the image cannot be read: {error}") from None


def check_image(path: str, level: str) -> Media:
    """Read an image's header and, at level "decode", its picture; ValueError says what is wrong with it."""
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with Image.open(path) as image:
            if image.format not in FORMATS:
                raise ValueError(f"{image.format} is none of the formats {', '.join(sorted(FORMATS))}")
            if bits := DEEP.get(image.mode.removesuffix("B").removesuffix("L").removesuffix("N")):
                raise ValueError(
                    f"its values have {bits} (mode {image.mode}), which training and prediction clip to 8, so that it "
                    "goes out white or black; save it with 8 bits a channel"
                )
            check_area(*image.size)
            if level == "decode":
                image.load()  # a truncated file passes the header and verify(); only decoding finds it out
                check_shown(image)
            return Media(image.width, image.height, format=image.format, quantisation=_tables(image))
    except UnidentifiedImageError:
        raise ValueError(f"the image cannot be read: {_unidentified(path)}") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"the image cannot be read: {error}") from None


def _unidentified(path: str) -> str:
    """What is said of a file that begins as an image and that Pillow does not know, such as a TIFF of 3 x 32 bits."""
    from PIL.TiffImagePlugin import BITSPERSAMPLE, ImageFileDirectory_v2

    with open(path, "rb") as file:
        try:
            tags = ImageFileDirectory_v2(file.read(8))
            file.seek(tags.next)
            tags.load(file)
            bits = tags.get(BITSPERSAMPLE, ())
        except (SyntaxError, ValueError, OSError, struct.error):  # no TIFF
            bits = ()
    if bits and max(bits) > 8:
        return f"Pillow does not know values of {' + '.join(map(str, bits))} bits; save it with 8 bits a channel"
    return "it is damaged, or of a kind that Pillow does not know"


def check_shown(image: Image.Image) -> None:
    """ValueError where a model would get one even colour of a picture that lies in its transparency, or nothing."""
    shown = rgb(image)
    if image.mode in ("RGBA", "LA", "PA") or (image.mode == "P" and "transparency" in image.info):
        flat = any(_is_flat(one) for one in (shown, image.convert("RGB")))
        if flat and not _is_flat(image.convert("RGBA")):
            raise ValueError(
                f"it goes out in one even colour, for what it shows lies in its transparency (mode {image.mode}), "
                "which training and prediction drop or lay on white; save it without"
            )


def _is_flat(image: Image.Image) -> bool:
    return all(low == high for low, high in image.getextrema())  # type: ignore[misc]


def _tables(image: Image.Image) -> str | None:
    """A short hash of a JPEG's quantisation tables, which give away its encoder and quality; None for other formats."""
    tables = getattr(image, "quantization", None)
    return hashlib.sha256(repr(sorted(tables.items())).encode()).hexdigest()[:12] if tables else None
