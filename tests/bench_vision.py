"""What remembering a frozen vision tower saves, against seeing an image anew for each of its rows.

DeepfakeJudge's judges have 25 rows an image in each of two epochs. First the tower alone, of the widths of Qwen2.5-VL
7B's with two of its 32 layers, which favours seeing; then a whole step of adapters with gradient checkpointing, on a
model with an eighth of the widths and a seventh of the layers, so that the tower is to the rest what it is in the 7B.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
from peft import LoraConfig, get_peft_model

from swift_plugins.hooks.vision_cache import VisionCache, remember_tower
from swift_plugins.tiny_architectures import qwen2_5_vl
from tests.benching import SMALLER, fewer

ROWS, SEEN, STEPS = fewer(25), fewer(3), fewer(12)  # of one image: remembered, seen anew, and as whole steps
SIDE = 24 if SMALLER == 1 else 8  # patches; four are a token
TEXT = 128  # tokens of a question and its answer
WHOLE = {"depth": 2, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584}
EIGHTH = {"depth": 5, "hidden_size": 160, "intermediate_size": 428, "out_hidden_size": 448}
LANGUAGE = {
    "hidden_size": 448,
    "intermediate_size": 2368,
    "num_hidden_layers": 4,
    "layer_types": ["full_attention"] * 4,
    "num_attention_heads": 7,
    "num_key_value_heads": 1,
    "rope_parameters": {"rope_type": "default", "mrope_section": [8, 12, 12], "rope_theta": 1e6},
}
TARGET = 10  # times as fast as seeing the image for each row


def model_of(vision: dict[str, Any], language: dict[str, Any]) -> Any:
    """A frozen Qwen2.5-VL of these sizes, with adapters in the language model."""
    tiny, _ = qwen2_5_vl(["Is it real?"], 400)
    tiny.config.vision_config.update(vision | {"fullatt_block_indexes": [vision["depth"] - 1]})
    tiny.config.text_config.update(language)
    model = type(tiny)(tiny.config).requires_grad_(False)
    model.model.language_model.gradient_checkpointing_enable()
    model.config.text_config.use_cache = False
    return get_peft_model(model, LoraConfig(r=8, target_modules=r".*language_model.*_proj")).train()


def image() -> dict[str, torch.Tensor]:
    pixels = torch.randn(SIDE**2, 3 * 2 * 14 * 14, generator=torch.Generator().manual_seed(0))
    return {"pixel_values": pixels, "image_grid_thw": torch.tensor([[1, SIDE, SIDE]])}


def row(config: Any, seed: int) -> dict[str, torch.Tensor]:
    """A row whose image's tokens stand first."""
    shown = SIDE**2 // 4
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(20, config.text_config.vocab_size, (1, shown + TEXT), generator=draw)
    ids[:, :shown] = config.image_token_id
    labels = torch.where(ids == config.image_token_id, -100, ids)
    return {"input_ids": ids, "labels": labels, "mm_token_type_ids": (ids == config.image_token_id).int()} | image()


def timed(work: Callable[..., Any], *given: Any) -> tuple[float, Any]:
    """(ms of CPU, what was found)"""
    begun = time.process_time()
    found = work(*given)
    return 1000 * (time.process_time() - begun), found


def tower() -> None:
    model = model_of(WHOLE, {"hidden_size": 3584, "num_hidden_layers": 1} | {"intermediate_size": 64, "head_dim": 32})
    inner, shown = model.base_model.model.model, image()
    cache = VisionCache(10**9, inner.visual.parameters())

    @torch.no_grad()
    def features() -> torch.Tensor:
        return inner.visual(shown["pixel_values"], grid_thw=shown["image_grid_thw"]).pooler_output

    features()  # what is made once
    plain = statistics.median(timed(features)[0] for _ in range(SEEN))
    remember_tower(inner, cache)
    kept = sum(timed(features)[0] for _ in range(ROWS)) / ROWS
    print(
        f"{ROWS} rows of an image of {SIDE**2} patches, which was seen {cache.computed} time and takes {cache.size:,} B"
    )
    faster = f"{plain / kept:.1f} times as fast (target {TARGET})"
    print(f"the tower: {plain:.1f} ms of CPU a row, remembered {kept:.1f} ms: {faster}")


def step() -> None:
    model = model_of(EIGHTH, LANGUAGE)

    def train(number: int) -> float:
        loss = model(**row(model.config, number)).loss
        loss.backward()
        return loss.item()

    inner = model.base_model.model.model
    cache = VisionCache(10**9, inner.visual.parameters())
    seen, kept = [], []
    for number in range(STEPS + 1):  # by turns, so that what else the machine does meets both; the first makes things
        seen.append(timed(train, number))
        forget = remember_tower(inner, cache)
        kept.append(timed(train, number))
        forget()
    assert cache.computed == 1
    off = max(abs(a - b) for (_, a), (_, b) in zip(seen, kept, strict=True))
    before, after = (statistics.median(ms for ms, _ in turns[1:]) for turns in (seen, kept))
    faster = f"{before / after:.2f} times as fast; the losses differ by {off:.0e} at most"
    print(f"a step of adapters: {before:.0f} ms of CPU a row, remembered {after:.0f} ms: {faster}")


def main() -> int:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tower()
    step()
    return 0


if __name__ == "__main__":
    sys.exit(main())
