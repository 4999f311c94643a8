"""An image that would go out white, black or even is refused, with the reason; all others pass by their content."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from swift_plugins.core.checks import check_media

RAMP = np.linspace(3000, 60000, 32 * 32).reshape(32, 32)
GREY = (RAMP / 256).astype(np.uint8)


def with_alpha(grey: int) -> Image.Image:
    """One grey everywhere, of which only the transparency differs."""
    return Image.fromarray(np.dstack([np.full((32, 32, 3), grey, np.uint8), GREY]))


def ink() -> Image.Image:
    image = Image.fromarray(GREY).convert("P")
    image.putpalette([0, 0, 0] * 256)
    image.info["transparency"] = bytes(range(256))
    return image


@pytest.mark.parametrize("level", ["header", "decode"])
@pytest.mark.parametrize(
    ("name", "image", "bits"),
    [
        ("x.png", Image.fromarray(RAMP.astype(np.uint16)), "16 bits"),
        ("x.tif", Image.fromarray(RAMP.astype(np.uint16)), "16 bits"),
        ("b.tif", Image.fromarray(RAMP.astype(">u2")), "16 bits"),
        ("i.tif", Image.fromarray(RAMP.astype(np.int32)), "32 bits"),
        ("f.tif", Image.fromarray((RAMP / 65535).astype(np.float32)), "32 bits, as floating-point"),
    ],
)
def test_values_of_more_than_8_bits_are_refused_by_their_depth(tmp_path, name, image, bits, level):
    image.save(tmp_path / name)
    with pytest.raises(ValueError, match=f"its values have {bits}.*save it with 8 bits a channel"):
        check_media(str(tmp_path / name), level)


def test_three_floats_a_pixel_are_refused_by_their_depth(tmp_path):
    """A TIFF that Pillow does not open at all."""
    values = np.dstack([RAMP / 65535] * 3).astype("<f4").tobytes()
    tags = [(256, 32), (257, 32), (258, 146), (259, 1), (262, 2), (273, 158), (277, 3), (278, 32), (279, len(values))]
    table = b"".join(struct.pack("<HHII", tag, 3 if tag == 258 else 4, 3 if tag == 258 else 1, v) for tag, v in tags)
    table += struct.pack("<HHII", 339, 3, 3, 152) + struct.pack("<I", 0)
    head = struct.pack("<2sHIH", b"II", 42, 8, 10) + table
    head += b"\0" * (146 - len(head)) + struct.pack("<6H", 32, 32, 32, 3, 3, 3)
    (tmp_path / "x.tif").write_bytes(head + values)
    with pytest.raises(ValueError, match=r"values of 32 \+ 32 \+ 32 bits; save it with 8 bits a channel"):
        check_media(str(tmp_path / "x.tif"), "header")


@pytest.mark.parametrize(
    ("image", "mode"),
    [
        (with_alpha(0), "RGBA"),
        (with_alpha(255), "RGBA"),
        (ink(), "P"),
        (Image.fromarray(np.dstack([np.zeros_like(GREY), GREY])), "LA"),
    ],
)
def test_a_picture_that_lies_in_its_transparency_is_refused(tmp_path, image, mode):
    image.save(tmp_path / "x.png")
    with pytest.raises(ValueError, match=f"it goes out in one even colour, .* transparency .mode {mode}."):
        check_media(str(tmp_path / "x.png"), "decode")


def write_rgb48(path) -> None:
    """Pillow takes the upper 8 of each 16 bits of a coloured PNG."""
    rows = b"".join(b"\0" + np.dstack([row] * 3).astype(">u2").tobytes() for row in RAMP)
    parts = ((b"IHDR", struct.pack(">IIBBBBB", 32, 32, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def test_what_pillow_converts_as_it_should_passes(tmp_path):
    grey = Image.fromarray(GREY)
    colour = Image.merge("RGB", [grey, grey.rotate(90), grey.rotate(180)])
    for name, image in {
        "palette.png": colour.quantize(32),
        "two.png": colour.quantize(2),
        "bits.png": grey.convert("1"),
        "cmyk.jpg": colour.convert("CMYK"),
        "opaque.png": colour.convert("RGBA"),
        "white.png": Image.new("RGB", (32, 32), "white"),
        "x.gif": colour.quantize(64),
        "no_suffix": colour,
        "lies.mp4": colour,
    }.items():
        image.save(tmp_path / name, format=None if name[-4] == "." and name != "lies.mp4" else "PNG")
        assert check_media(str(tmp_path / name), "decode").width == 32
    write_rgb48(tmp_path / "deep.png")
    assert check_media(str(tmp_path / "deep.png"), "decode").width == 32
    (tmp_path / "notes").write_text("BMW is a maker of cars.\n" * 9)
    with pytest.raises(ValueError, match="neither an image nor a video"):
        check_media(str(tmp_path / "notes"), "header")
