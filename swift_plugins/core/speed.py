"""The speed of a training: what is recorded of it, and how near it comes to what the hardware could do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swift_plugins.core.records import read_json

SPEED_FILE = "speed.json"  # beside the checkpoints of a run; each checkpoint's record has its own, under SPEED
SPEED = "speed"
PACKS = "packing: {rows} rows lie in {packs} packs"  # what a training says in its log before its first step
# A name that a device's has in it -> its dense bfloat16 peak in TFLOP/s (NVIDIA's and AMD's data sheets, without
# sparsity); the first that fits.
PEAKS = {
    "B200": 2250,
    "MI300X": 1307,
    "H20-": 148,
    "H100 NVL": 835,
    "H100 PCIe": 756,
    "H100": 989,
    "H200": 989,
    "H800": 989,
    "GH200": 989,
    "A100": 312,
    "A800": 312,
    "L40S": 362,
    "L40": 181,
    "A40": 150,
    "A10G": 70,
    "A10": 125,
    "L4": 121,
    "RTX 6000 Ada": 364,
    "RTX 4090": 165,
    "RTX 3090": 71,
}


def peak(device: str) -> float | None:
    """The FLOP/s of a device at dense bfloat16; None for one that is not known."""
    found = next((tflops for name, tflops in PEAKS.items() if name in f"{device}-"), None)
    return None if found is None else found * 1e12


def read_speed(output: Path) -> dict[str, Any] | None:
    """What the last training into a folder recorded; None where it took no step that counts."""
    path = output / SPEED_FILE
    return read_json(path) if path.is_file() else None


def told(speed: Mapping[str, Any]) -> str:
    """For example: 9.5 rows/s, 1,620 tokens/s, 12 % of the time waiting for data (steps 2 to 8)"""
    text = (
        f"{speed['rows_per_s']:.3g} rows/s, {speed['tokens_per_s']:,.0f} tokens/s, {100 * speed['data_wait']:.0f} % of "
        f"the time waiting for data (of {speed['steps']} steps, all but the first)"
    )
    if kept := speed.get("vision_cache"):  # of one process
        text += f"; vision computed {kept['computed']:,} times for {kept['media']:,} media, {kept['kept_gb']} GB kept"
    return text


@dataclass(frozen=True)
class Shape:
    """What the work of a model follows from: parameters that every token or patch meets, and attention's sizes."""

    language: int  # parameters of the language model's layers
    connector: int  # of the projector or merger, met by each token of a medium
    vision: int  # of the vision tower, met by each patch
    language_layers: int  # those whose attention is not linear
    language_width: int  # heads x their size
    vision_layers: int
    vision_width: int
    merged: int  # patches that become one token of the language model
    window: int = 0  # patches of a window, in which all but `whole` vision layers attend; 0 for none
    whole: int = 0


def training_flops(shape: Shape, per_row: Mapping[str, float], full: bool, vision: bool) -> float:
    """The model FLOPs of training on one row, which holds `per_row` of what hooks/speed.py counts.

    Forward, a multiplication and an addition for each parameter that a token or patch meets (Kaplan et al. 2020,
    section 2.1), and for attention 4 x width for each pair of positions in each layer, half of the pairs where it is
    causal (Chowdhery et al. 2022, appendix B; Dao 2023, section 4.1); embeddings, norms, the states of linear attention
    and the head, which sees the answer alone, are left out. Training is 3 times that where all is trained; 2 times
    where adapters are, since frozen weights have no gradients of their own; once for a vision tower and connector below
    which nothing is (`vision` false). What gradient checkpointing computes again does not count (MFU, not HFU).
    """
    tokens, pairs = per_row["tokens"], per_row["tokens_squared"] / 2
    language = 2 * shape.language * tokens + 4 * shape.language_width * shape.language_layers * pairs
    patches, seen = per_row["patches"], per_row["patches_squared"]
    windowed = shape.vision_layers - shape.whole if shape.window else 0
    attended = (shape.vision_layers - windowed) * seen + windowed * patches * shape.window
    of_media = 2 * shape.vision * patches + 2 * shape.connector * patches / shape.merged
    times = 3 if full else 2
    return times * language + (times if vision else 1) * (of_media + 4 * shape.vision_width * attended)


def mfu(speed: Mapping[str, Any], flops: float) -> float | None:
    """The share of the hardware's peak that is model FLOPs, of which a row takes `flops`; None for unknown hardware."""
    most = peak(speed["device"])
    return None if most is None else speed["rows_per_s"] * flops / (most * speed["devices"])
