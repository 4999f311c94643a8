"""The fastest training that the machine at hand can do with the same loss: how the rows of a step lie together, which
flash-attention decides, and liger."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from swift_plugins.core.runs import ROOT, Run
from swift_plugins.core.tasks import TASKS

SETTING = "PACKING"
WAYS = ("padding_free", "packing", "no")
FLAGS = ("padding_free", "packing", "group_by_length")
TORCH_FLASH = "torch_flash"  # PyTorch's own: hooks/torch_flash.py
_AMPERE = "NVIDIA GPUs of compute capability 8 (Ampere) or newer"
FLASH = ("flash_attn", "flash_attention_2", "flash_attention_3", "flash_attention_4", TORCH_FLASH)
LIGER = ("qwen2_5_vl", "qwen3_vl", "qwen3_5", "llava1_5_hf", "internvl")  # the model types that it has kernels for
# Lengths are worked out in forked processes, which wait for ever for OpenMP threads that their parent alone has.
ONE_THREAD = ("OMP_NUM_THREADS", "1")


def use_flash(run: Run) -> None:
    """Where no --attn_impl is given, flash-attention: the package, else PyTorch's own on the GPUs that have it. Other
    attentions go through the frames of a clip, or the windows of an image, one by one."""
    if run.says("attn_impl") == TORCH_FLASH and not run.torch_flash:
        raise ValueError(f"--attn_impl {TORCH_FLASH} needs {_AMPERE}: leave it out, or choose sdpa")
    if run.says("attn_impl") or run.says("use_cpu") == "true" or run.says("torch_dtype") == "float32":
        return
    if not run.says("template").startswith("forensic_"):
        return
    if not no_package():
        run.flags += ["--attn_impl", "flash_attn"]
    elif run.torch_flash:
        run.flags += ["--attn_impl", TORCH_FLASH]


def use_packing(run: Run) -> None:
    """PACKING: without it rows lie one behind another where flash-attention keeps them apart, and a step keeps its rows
    and its loss. What cannot be is padded, or, in place of packs, grouped by length; it is told."""
    wanted = run.setting(SETTING)
    if wanted not in ("", *WAYS):
        raise ValueError(f"{SETTING} must be {', '.join(WAYS[:-1])} or {WAYS[-1]}, got {wanted}")
    if given := [flag for flag in FLAGS if run.says(flag) == "true"]:
        if wanted:
            raise ValueError(f"{SETTING} is set and --{given[0]} is given: leave out one of them")
        if given != ["padding_free"]:
            run.env.setdefault(*ONE_THREAD)
        return
    on_cpu = run.says("use_cpu") == "true"
    if wanted == "no" or (on_cpu and not wanted):
        return
    attention = run.says("attn_impl")
    masked = bool(wanted) and (on_cpu or attention in ("sdpa", "eager"))  # by transformers: hooks/padding_free.py
    lacks = why_not(run) or (None if masked or attention in FLASH else no_flash(run))
    if wanted == "packing":
        use_packs(run, lacks)
    elif lacks:
        run.notes.append(f"{lacks}: rows are padded to the longest of a batch")
    else:
        run.flags += ["--padding_free", "true"]
        run.notes.append(f"the rows of a batch lie one behind another, none is padded ({SETTING}=no pads them)")


def use_packs(run: Run, lacks: str | None) -> None:
    """Packs in place of a device's batch, or batches of rows of like length."""
    run.env.setdefault(*ONE_THREAD)
    if lacks:
        run.flags += ["--group_by_length", "true"]
        run.notes.append(f"{lacks}: rows of like length make a batch, in place of packs")
        return
    length = run.says("packing_length") or run.says("max_length")
    batch = [run.says(key) for key in ("per_device_train_batch_size", "gradient_accumulation_steps")]
    run.flags += ["--packing", "true", "--per_device_train_batch_size", "1"]
    run.notes.append(
        f"rows are packed, up to {length} tokens: a step of a device takes what fits, not "
        f"{' x '.join(filter(None, batch))} rows; how many these are is told once their lengths are known"
    )


def why_not(run: Run) -> str | None:
    """Why the rows of a base cannot lie one behind another; None where they can."""
    if not run.says("template").startswith("forensic_"):
        return f"the template {run.says('template') or 'of the model'} is none of this project"
    if run.says("task_type") == "seq_cls":
        return "a head reads the last token of each"
    if run.says("model_type") == "qwen3_5" and not (find_spec("fla") and find_spec("causal_conv1d")):
        return "Qwen3.5's linear attention keeps them apart by flash-linear-attention and causal-conv1d alone"
    return None


def no_flash(run: Run) -> str:
    """Why a training is without flash-attention."""
    if attention := run.says("attn_impl"):
        return f"--attn_impl {attention} is no flash-attention"
    if run.says("torch_dtype") == "float32":
        return "flash-attention has no kernels for float32"
    return f"{no_package()}, and PyTorch's own needs {_AMPERE}"


def no_package() -> str | None:
    """Why flash-attention's package cannot be used; None where it can."""
    try:
        version("flash-attn")
    except PackageNotFoundError:
        return "flash-attention is not installed (package flash-attn)"
    loaded = subprocess.run([ROOT / ".venv/bin/python", "-c", "import flash_attn"], capture_output=True, text=True)
    return f"flash-attn does not load: {loaded.stderr.strip().splitlines()[-1]:.200}" if loaded.returncode else None


def use_liger(run: Run) -> None:
    """liger's kernels where they are installed and the loss is the plain cross-entropy, which liger computes without
    logits; for any other loss ms-swift does not take liger's, and logits of all tokens would be made."""
    if run.says("use_liger_kernel") or run.says("use_cpu") == "true" or not find_spec("liger_kernel"):
        return
    if run.says("model_type") not in LIGER or run.says("task_type") == "seq_cls":
        return
    neutral = run.says("loss_scale") in TASKS and not run.gives("loss_scale") and not weighs(run)
    for flag in ("loss_scale", "loss_type", "enable_channel_loss"):
        loss = run.says(flag)
        if loss not in ("", "default", "false") and not (flag == "loss_scale" and neutral):
            run.notes.append(f"liger is left out: --{flag} {loss} is a loss that it does not have")
            return
    run.flags += ["--loss_scale", "default"] if neutral else []
    run.flags += ["--use_liger_kernel", "true"]
    run.notes.append("liger's kernels are used (--use_liger_kernel false leaves them out)")


def weighs(run: Run) -> bool:
    """Whether a loss scale weighs any part of an answer: without such a weight it is the plain cross-entropy."""
    weights = (run.recipe.keys.get("ENV") or {}) | run.env
    return any(key.startswith("WEIGHT_") and str(value) not in ("1", "1.0") for key, value in weights.items())
