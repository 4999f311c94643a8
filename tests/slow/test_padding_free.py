"""Rows one behind another, in a batch or packed, give the padded batch's loss and gradient, by the real trainer.

On the CPU transformers' own attention masks the rows from one another. flash-attention needs a GPU: what reaches its
functions is seen by others of the same meaning, in torch.
"""

from __future__ import annotations

import functools
import importlib.machinery
import itertools
import json
import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.core.clips import write_clip
from tests.launcher import ROOT

pytestmark = pytest.mark.slow
pytest.importorskip("swift")

QUESTION = "Decide whether it is real."
FAKE = "FAKE. The video is AI-generated. The unnatural part is at [{}, 60, 108, {}] starting {} seconds. The reason is "
ANSWERS = (
    "REAL. The video is real.",
    FAKE.format(10, 90, 0.5) + "because two objects merge into one another and do not part again.",
    FAKE.format(3, 117, 1.2) + "because it is blurred.",
    FAKE.format(55, 7, 0.1) + "because an object is gone.",
)
# What each row shows; a row without media is between them, and others have several, of several sizes.
CLIPS_AND_IMAGES = (([0], []), ([1, 2], []), ([], []), ([], [0, 1, 2]), ([3], []), ([2], [1]), ([], [2]), ([0, 0], []))
IMAGES = tuple(([], images) for images in ([0], [1, 2], [], [2, 1, 0], [1], [0, 0], [2], [1, 1]))
# architecture -> its model type in ms-swift, and what its rows show
BASES = {
    "qwen2_5_vl": ("qwen2_5_vl", CLIPS_AND_IMAGES),
    "qwen3_vl": ("qwen3_vl", CLIPS_AND_IMAGES),
    "videollama3": ("videollama3", CLIPS_AND_IMAGES),
    "llava1_5": ("llava1_5_hf", IMAGES),
    "internvl": ("internvl", IMAGES),
}
VISION = {"FPS_MAX_FRAMES": "4", "VIDEO_MAX_PIXELS": "25088", "VIDEO_MIN_PIXELS": "3136"}
WEIGHTS = {"WEIGHT_VERDICT": "5", "WEIGHT_EXPLANATION": "0.5", "WEIGHT_FAKE": "2", "WEIGHT_NUMBERS": "3"}
EVERY_LOSS = ("--loss_scale", "deeptrace", "--loss_type", "forensics", "--enable_channel_loss", "true")
PLAIN = ("--per_device_train_batch_size", "8")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Lengths are worked out in forked processes, which wait for ever for the OpenMP threads that they have not."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Clips, images and eight rows of them for each kind of base; what is seen, and what counts in the losses."""
    os.environ.update(VISION | WEIGHTS)
    folder = tmp_path_factory.mktemp("padding_free")
    shapes = ((96, 64, 20), (64, 112, 14), (112, 112, 8), (96, 96, 30))
    clips = [write_clip(folder / f"{i}.mp4", sizes=((w, h),), frames=count) for i, (w, h, count) in enumerate(shapes)]
    images = [str(folder / f"{i}.png") for i in range(3)]
    for i, (path, size) in enumerate(zip(images, ((60, 90), (120, 56), (84, 84)), strict=True)):
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (*size, 3), np.uint8)).save(path)
    for name, shown in (("clips", CLIPS_AND_IMAGES), ("images", IMAGES)):
        with open(folder / f"{name}.jsonl", "w") as file:
            for i, (videos, pictures) in enumerate(shown):
                asked = "<video>" * len(videos) + "<image>" * len(pictures) + QUESTION
                said = zip(("user", "assistant"), (asked, ANSWERS[i % len(ANSWERS)]), strict=True)
                row = {"messages": [{"role": role, "content": text} for role, text in said]}
                row |= {"videos": [clips[j] for j in videos], "images": [images[j] for j in pictures]}
                file.write(json.dumps(row | {"meta": {"dataset": "ab"[i % 2]}}) + "\n")
    return folder


def train(home: Path, architecture: str, *flags: str) -> dict[str, float]:
    """What a training of one step logs: the losses, of its datasets and evaluation too, and the gradient's norm."""
    from swift import sft_main

    from swift_plugins.tiny_model import build

    model, (kind, shown) = home / architecture, BASES[architecture]
    if not model.exists():
        build(model, [QUESTION, "Time s:"], 400, architecture=architecture)  # each digit is a token
    fixed = {
        "model": model,
        "model_type": kind,
        "template": f"forensic_{architecture}",
        "external_plugins": ROOT / "swift_plugins" / "register.py",
        "dataset": home / ("clips.jsonl" if shown is CLIPS_AND_IMAGES else "images.jsonl"),
        "output_dir": home / "out",
        "tuner_type": "full",
        "torch_dtype": "float32",
        "max_length": 4096,
        "max_steps": 1,
        "logging_steps": 1,
        "save_strategy": "no",
        "eval_strategy": "no",
        "report_to": "none",
        "dataset_num_proc": 1,
        "dataloader_num_workers": 0,
    }
    fixed |= dict.fromkeys(("use_cpu", "strict"), "true")
    off = ("bf16", "fp16", "use_hf", "check_model", "freeze_vit", "freeze_aligner", "add_version", "load_args")
    fixed |= dict.fromkeys(off, "false") | {"gradient_accumulation_steps": 1}
    log = sft_main([*(str(word) for key, value in fixed.items() for word in (f"--{key}", value)), *flags])[
        "log_history"
    ]
    logged = {key: value for entry in log for key, value in entry.items()}
    return {key: value for key, value in logged.items() if key.startswith(("loss", "eval_loss", "grad_norm"))}


@pytest.fixture(scope="module")
def padded(home):
    """What the padded batch gives, with every loss of the project: weighted parts, digits, datasets apart."""
    return functools.cache(lambda architecture: train(home, architecture, *EVERY_LOSS, *PLAIN))


@pytest.mark.parametrize("architecture", BASES)
def test_rows_one_behind_another_give_the_loss_of_the_padded_batch(home, padded, architecture):
    assert {"loss", "grad_norm", "loss_a", "loss_b"} <= padded(architecture).keys()
    free = ("--padding_free", "true")
    packed = ("--packing", "true", "--per_device_train_batch_size", "1")
    for flags in (
        (*free, *PLAIN),
        (*free, "--per_device_train_batch_size", "2", "--gradient_accumulation_steps", "4"),
        (*packed, "--packing_length", "8192"),
    ):
        found = train(home, architecture, *EVERY_LOSS, *flags)
        assert found == pytest.approx(padded(architecture), rel=1e-4), flags


def test_without_losses_of_its_own_the_same_and_each_row_is_evaluated(home, monkeypatch):
    rows = []
    monkeypatch.setattr(
        "swift_plugins.hooks.metrics.verdict_scores", lambda _, labels, __: rows.append(len(labels)) or {}
    )
    validation = ("--val_dataset", str(home / "clips.jsonl"), "--eval_strategy", "steps", "--eval_steps", "1")
    flags = (*PLAIN, *validation, "--eval_metric", "verdict", "--per_device_eval_batch_size", "3")
    padded = train(home, "videollama3", *flags)
    assert "eval_loss" in padded
    free = train(home, "videollama3", *flags, "--padding_free", "true", "--attn_impl", "eager")
    assert free == pytest.approx(padded, rel=1e-4)
    assert rows == [8, 8]
    grouped = train(home, "videollama3", *PLAIN, "--group_by_length", "true")
    assert grouped == pytest.approx({key: padded[key] for key in grouped}, rel=1e-4)


def test_rows_that_a_stock_template_would_not_keep_apart_are_refused(home):
    with pytest.raises(ValueError, match="requires a flash attention implementation"):
        train(home, "llava1_5", *PLAIN, "--padding_free", "true", "--template", "llava1_5_hf")


# ----------------------------------------------------------------------------------------------------- flash-attention


def attend(q, k, v, scale, causal):
    """The attention of one row: q (length, heads, width), k and v the same or with fewer heads."""
    from torch.nn.functional import scaled_dot_product_attention

    q, k, v = (x.transpose(0, 1)[None] for x in (q, k, v))
    return scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale, enable_gqa=True)[0].transpose(0, 1)


@pytest.fixture
def kernel(monkeypatch):
    """flash_attn's functions, in torch; the borders of the rows that they were called with."""
    import torch
    from transformers import PreTrainedModel
    from transformers import modeling_flash_attention_utils as loading

    borders = []

    def flash_attn_func(q, k, v, dropout_p=0.0, softmax_scale=None, causal=False):
        return torch.stack([attend(*row, softmax_scale, causal) for row in zip(q, k, v, strict=True)])

    def flash_attn_varlen_func(
        q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, dropout_p=0.0, softmax_scale=None, causal=False
    ):
        ends = cu_seqlens_q.tolist()
        assert ends == cu_seqlens_k.tolist()
        assert ends[-1] == len(q)
        if causal:
            borders.append(ends)
        rows = [slice(*span) for span in itertools.pairwise(ends)]
        return torch.cat([attend(q[row], k[row], v[row], softmax_scale, causal) for row in rows])

    package, padding = (types.ModuleType(name) for name in ("flash_attn", "flash_attn.bert_padding"))
    package.flash_attn_func, package.flash_attn_varlen_func = flash_attn_func, flash_attn_varlen_func
    package.flash_attn_with_kvcache = None
    padding.pad_input, padding.unpad_input = loading._pad_input, loading._unpad_input
    for module in (package, padding):
        module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(loading, "is_flash_attn_2_available", lambda: True)
    monkeypatch.setattr(loading, "_loaded_implementation", None)
    monkeypatch.setattr(PreTrainedModel, "_flash_attn_can_dispatch", lambda *_, **__: True)
    return borders


@pytest.mark.parametrize("architecture", BASES)
def test_flash_attention_is_told_where_rows_begin(home, padded, kernel, architecture):
    flags = ("--padding_free", "true", "--attn_impl", "flash_attn")
    free = train(home, architecture, *EVERY_LOSS, *PLAIN, *flags)
    assert {len(ends) for ends in kernel} == {9}  # of eight rows
    assert free == pytest.approx(padded(architecture), rel=1e-4)


@pytest.mark.parametrize("architecture", BASES)
def test_pytorchs_own_flash_attention_is_told_where_rows_begin(home, padded, architecture, monkeypatch):
    borders = []

    def varlen_attn(q, k, v, ends, ends_k, most, most_k, *, scale, window_size, enable_gqa):
        import torch

        assert (ends.tolist(), most, enable_gqa) == (ends_k.tolist(), most_k, True)
        assert most == ends.diff().max()
        assert ends[-1] == len(q)
        causal = window_size == (-1, 0)
        assert causal or window_size == (-1, -1)
        if causal:
            borders.append(ends.tolist())
        rows = [slice(*span) for span in itertools.pairwise(ends.tolist())]
        return torch.cat([attend(q[row], k[row], v[row], scale, causal) for row in rows])

    import swift_plugins.register  # noqa: F401

    monkeypatch.setattr("swift_plugins.hooks.torch_flash.varlen_attn", varlen_attn)
    flags = ("--attn_impl", "torch_flash")
    free = train(home, architecture, *EVERY_LOSS, *PLAIN, *flags, "--padding_free", "true")
    assert {len(ends) for ends in borders} == {9}  # of eight rows
    assert free == pytest.approx(padded(architecture), rel=1e-4)
    assert train(home, architecture, *EVERY_LOSS, *PLAIN, *flags) == pytest.approx(padded(architecture), rel=1e-4)
