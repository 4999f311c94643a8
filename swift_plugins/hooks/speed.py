"""How fast a training is, measured in its steps."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping
from typing import Any

import torch

import swift_plugins  # noqa: F401

WORK = ("rows", "tokens", "tokens_squared", "patches", "patches_squared")


def work_of(batch: Mapping[str, Any], patch: int) -> torch.Tensor:
    """What a batch holds, as WORK names it: rows, their tokens without padding, the squares of their lengths, and of
    the images and frames (or pairs of frames) the patches of `patch` px and the squares of their numbers. Shape (5,).
    """
    ids, mask, places = batch["input_ids"], batch.get("attention_mask"), batch.get("position_ids")
    if mask is not None:
        lengths = mask.sum(-1)
    elif places is not None and len(ids) == 1:  # rows one behind another: each begins at place 0
        begins = (places.reshape(-1, ids.shape[1])[0] == 0).nonzero().flatten()
        lengths = torch.diff(begins, append=begins.new_tensor([ids.shape[1]]))
    else:
        lengths = torch.full((len(ids),), ids.shape[1])
    seen = [of_media(batch, *keys, patch) for keys in (("pixel_values", "image"), ("pixel_values_videos", "video"))]
    lengths, patches = lengths.double().cpu(), torch.cat(seen)
    return torch.stack(
        [torch.tensor(float(len(lengths))), *(of.pow(power).sum() for of in (lengths, patches) for power in (1, 2))]
    )


def of_media(batch: Mapping[str, Any], pixels: str, medium: str, patch: int) -> torch.Tensor:
    """The patches of each image, or of each step in time of each clip, shape (number of those,)."""
    if (grids := batch.get(f"{medium}_grid_thw")) is not None:
        grids = grids.double().cpu()
        return grids[:, 1:].prod(1).repeat_interleave(grids[:, 0].long())
    if (images := batch.get(pixels)) is None:
        return torch.zeros(0, dtype=torch.double)
    return torch.full(images.shape[:-3], images.shape[-2] * images.shape[-1] / patch**2, dtype=torch.double).flatten()


class Speed:
    """Sums what the steps of a training take, from asking for a step's rows to its end.

    The first step, in which readers start and kernels are chosen, does not count, nor do evaluating and saving. A
    device works on while its host waits for rows; but the trainer looks at each loss, so that it is idle by then.
    """

    def __init__(self, trainer: Any):
        self.trainer = trainer
        self.sums = torch.zeros(len(WORK) + 2, dtype=torch.double)  # with the seconds, and those spent waiting
        self.steps = 0
        fetch = trainer.get_batch_samples
        vision = getattr(trainer.model.config, "vision_config", None)
        patch = getattr(vision, "patch_size", 1)
        patch = patch if isinstance(patch, int) else patch[0]  # InternVL has one for each axis

        def timed(*args: Any, **options: Any) -> Any:
            self.begin = time.perf_counter()
            found = fetch(*args, **options)
            self.waited = time.perf_counter() - self.begin
            self.work = sum((work_of(batch, patch) for batch in found[0]), torch.zeros(len(WORK)))
            return found

        trainer.get_batch_samples = timed

    def step(self) -> None:
        """A step has ended."""
        self.steps += 1
        if self.steps > 1:
            seconds = time.perf_counter() - self.begin
            self.sums += torch.cat([self.work, torch.tensor([seconds, self.waited], dtype=torch.double)])

    def so_far(self) -> dict[str, Any] | None:
        """The record; None before the second step. Every rank must ask for it: they add up."""
        if self.steps < 2:
            return None
        accelerator = self.trainer.accelerator
        total = accelerator.reduce(self.sums.float().to(accelerator.device), "sum").tolist()
        seconds, ranks = total[-2] / accelerator.num_processes, accelerator.num_processes
        per_row = {name: round(part / total[0], 2) for name, part in zip(WORK, total, strict=False)}
        on_gpu = torch.cuda.is_available() and accelerator.device.type == "cuda"
        peak = (
            torch.cuda.max_memory_allocated() if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        )
        return {
            "rows_per_s": round(total[0] / seconds, 4),
            "tokens_per_s": round(total[1] / seconds, 2),
            "data_wait": round(total[-1] / total[-2], 4),  # share of the time
            "steps": self.steps,
            "devices": ranks,
            "device": torch.cuda.get_device_name() if on_gpu else accelerator.device.type,
            "peak_memory_gib": round(peak / 2**30, 2),  # of one device, or of the process on a CPU
            "per_row": {name: value for name, value in per_row.items() if name != "rows"},
        }
