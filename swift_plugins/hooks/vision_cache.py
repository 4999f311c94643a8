"""A frozen vision tower sees each medium once: VISION_CACHE=GB in a recipe's ENV, or in the environment.

With freeze_vit and freeze_aligner what the language model is shown of an image is the same in each of its rows and in
each epoch. It is kept in the memory of the process that computed it, found by the hash of the very pixels that the
tower is given: there is no file that could be stale, torn or foreign, and none to clear away. What came first stays
when the bytes are used up; rows come in random order, in which no medium is the next to be asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from swift.utils import deep_getattr, get_logger
from transformers.integrations import is_deepspeed_zero3_enabled
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

from swift_plugins.core.memory import VISION_CACHE, bytes_allowed

logger = get_logger()
FIRST = 256  # values of each weight are looked at before each step; autograd counts all other writes but those past it
Features = tuple[torch.Tensor, ...]  # of one medium, each (its tokens, a width): the embeddings, and deepstack's


class VisionCache:
    """The features of media under `weights`, in at most `limit` bytes of the host's memory."""

    def __init__(self, limit: int, weights: Iterable[torch.nn.Parameter]):
        self.limit, self.size = limit, 0
        self.asked, self.computed = 0, 0  # media
        self._kept: dict[bytes, Features] = {}
        self._weights = list(weights)
        self._state = self._look()

    def _look(self) -> list[Any]:
        """What changes with the weights, however they are written to: counts of writes, places and first values."""
        places = [(weight.data_ptr(), weight._version, weight.requires_grad) for weight in self._weights]
        values = [weight.detach().flatten()[:FIRST] for weight in self._weights if weight.is_floating_point()]
        norms = torch._foreach_norm(values, 2, dtype=torch.float32)
        return [*places, *torch.stack([norm.to(norms[0].device) for norm in norms]).tolist()]

    def features(
        self,
        media: Sequence[torch.Tensor],
        shapes: Sequence[Sequence[Any]],
        compute: Callable[[list[int]], list[Features]],
    ) -> list[Features]:
        """The features of media, of which `media` are the pixels and `shapes` what else the tower is told.

        `compute` makes those at the given places, each medium once; while the weights are trained nothing is kept.
        """
        if (state := self._look()) != self._state:
            logger.warning(f"{VISION_CACHE}: the weights have changed, what was kept of them is forgotten")
            self._kept, self.size, self._state = {}, 0, state
        self.asked += len(media)
        keys = [key_of(*medium) for medium in zip(media, shapes, strict=True)]
        places = sorted({key: place for place, key in enumerate(keys) if key not in self._kept}.values())
        self.computed += len(places)
        trained = any(weight.requires_grad for weight in self._weights)
        made: dict[bytes, Features] = {}
        if places:
            with torch.set_grad_enabled(trained and torch.is_grad_enabled()):
                made = dict(zip((keys[place] for place in places), compute(places), strict=True))
        for key, features in made.items():
            if not trained:
                self._keep(key, features)
        device = media[0].device
        return [made.get(key) or tuple(part.to(device) for part in self._kept[key]) for key in keys]

    def _keep(self, key: bytes, features: Features) -> None:
        size = sum(part.nbytes for part in features)
        if self.size + size <= self.limit:
            with torch.inference_mode(False), torch.no_grad():
                self._kept[key] = tuple(part.detach().to("cpu", copy=True) for part in features)
            self.size += size

    def summary(self) -> dict[str, Any]:
        return {"media": self.asked, "computed": self.computed, "kept_gb": round(self.size / 1e9, 3)}


def key_of(pixels: torch.Tensor, shape: Sequence[Any]) -> bytes:
    """The hash of all that a medium's features follow from under the same weights."""
    kind = pixels.device.type
    mixed = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
    digest = hashlib.sha256(repr((pixels.dtype, tuple(pixels.shape), shape, mixed)).encode())
    digest.update(pixels.detach().cpu().contiguous().view(torch.uint8).numpy())
    return digest.digest()


def seen(
    cache: VisionCache,
    see: Callable[..., Any],
    pixels: torch.Tensor,
    beside: Mapping[str, torch.Tensor],
    options: Mapping[str, Any],
    parts_of: Callable[..., Iterable[Features]],
) -> list[Features]:
    """The features of the media of a call of `see`, which is called for those that are not kept.

    `beside` has a row for each medium, the first of it the grids of patches; without it each row of `pixels` is a
    medium. `parts_of` divides an output of `see` by media.
    """
    grids = next(iter(beside.values()), None)
    media = pixels.split(1 if grids is None else grids.prod(1).tolist())
    shapes = [*zip(*(told.tolist() for told in beside.values()), strict=True)] or [()] * len(media)

    def compute(places: list[int]) -> list[Features]:
        chosen = {name: told[places] for name, told in beside.items()}
        return [*parts_of(see(torch.cat([media[place] for place in places]), **chosen, **options), *chosen.values())]

    return cache.features(media, shapes, compute)


def is_plain(options: Mapping[str, Any]) -> bool:
    """Whether none of them is a tensor, which would be of the media of a call together."""
    return not any(isinstance(value, torch.Tensor) for value in options.values())


def remember_tower(inner: Any, cache: VisionCache) -> Callable[[], None]:
    """Qwen-VL: its tower holds the aligner, and is called with patches (n, values) and grids (media, 3)."""
    tower, see = inner.visual, inner.visual.forward
    merged = tower.spatial_merge_size**2

    def parts_of(output: Any, grids: torch.Tensor) -> Iterable[Features]:
        layers = (output.pooler_output, *(getattr(output, "deepstack_features", None) or ()))
        return zip(*(layer.split((grids.prod(1) // merged).tolist()) for layer in layers), strict=True)

    def forward(hidden_states: torch.Tensor, grid_thw: torch.Tensor, **options: Any) -> Any:
        if not is_plain(options):
            return see(hidden_states, grid_thw=grid_thw, **options)
        found = seen(cache, see, hidden_states, {"grid_thw": grid_thw}, options, parts_of)
        pooled, *deep = (torch.cat(layer) for layer in zip(*found, strict=True))
        return BaseModelOutputWithDeepstackFeatures(pooler_output=pooled, deepstack_features=deep)

    tower.forward = forward
    return lambda: setattr(tower, "forward", see)


def remember_features(inner: Any, cache: VisionCache) -> Callable[[], None]:
    """LLaVA and InternVL, whose images or tiles have one size, and VideoLLaMA 3, whose media have grids."""
    see, stacked = inner.get_image_features, inner.config.model_type == "internvl"

    def parts_of(output: Any, *_: torch.Tensor) -> Iterable[Features]:
        return ((tokens,) for tokens in output.pooler_output)

    def get_image_features(
        pixel_values: torch.Tensor,
        image_grid_thw: torch.Tensor | None = None,
        image_merge_sizes: torch.Tensor | None = None,
        **options: Any,
    ) -> Any:
        given = {"image_grid_thw": image_grid_thw, "image_merge_sizes": image_merge_sizes}
        beside = {name: told for name, told in given.items() if told is not None}
        if not is_plain(options):
            return see(pixel_values, **beside, **options)
        found = [tokens for (tokens,) in seen(cache, see, pixel_values, beside, options, parts_of)]
        return BaseModelOutputWithPooling(pooler_output=torch.stack(found) if stacked else found)

    inner.get_image_features = get_image_features
    return lambda: delattr(inner, "get_image_features")


# model_type of a configuration -> how its features are remembered
WAYS = {
    "qwen2_5_vl": remember_tower,
    "qwen3_vl": remember_tower,
    "qwen3_5": remember_tower,
    "llava": remember_features,
    "internvl": remember_features,
    "video_llama_3": remember_features,
}


def drops_out(part: torch.nn.Module) -> bool:
    """Whether a part of a model in training gives another output each time."""
    config = getattr(part, "config", None)
    stated = config.to_dict() if config else {}
    layers = (layer for layer in part.modules() if isinstance(layer, torch.nn.modules.dropout._DropoutNd))
    return any(layer.p for layer in layers) or any(value and "drop" in key for key, value in stated.items())


def why_not(trainer: Any, parts: Sequence[torch.nn.Module]) -> str | None:
    """Why the features must be computed for every row by these parts of a model, None if they need not."""
    if not parts:
        return f"it is there for {', '.join(WAYS)}"
    if is_deepspeed_zero3_enabled() or trainer.is_fsdp_enabled:
        return "under ZeRO-3 and FSDP all processes must run the vision tower together (DEEPSPEED=zero2 divides less)"
    if any(weight.requires_grad for part in parts for weight in part.parameters()):
        return "the vision tower or the aligner is trained; it needs freeze_vit and freeze_aligner"
    if any(map(drops_out, parts)):
        return "the vision tower has dropout, so that it sees a medium differently each time"
    return None


class FrozenVision:
    """The cache of a training, in force from its begin to its end where that is possible; `cache` is None where not."""

    def __init__(self, trainer: Any):
        self.cache: VisionCache | None = None
        if not (limit := bytes_allowed()):
            return
        model, arch = trainer.template.get_base_model(trainer.model), trainer.model.model_meta.model_arch
        remember = WAYS.get(model.config.model_type)
        parts = [deep_getattr(model, name) for name in (*arch.vision_tower, *arch.aligner)] if remember else []
        if reason := why_not(trainer, parts):
            logger.warning(f"{VISION_CACHE} has no effect: {reason}")
        elif remember:
            weights = {id(weight): weight for part in parts for weight in part.parameters()}
            self.cache = VisionCache(limit, weights.values())
            self._forget = remember(model.model, self.cache)
            logger.info(f"{VISION_CACHE}: features of media are kept in up to {limit / 1e9:.3g} GB of each process")

    def end(self) -> None:
        if self.cache:
            self._forget()
