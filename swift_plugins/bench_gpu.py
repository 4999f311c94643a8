"""Measure how fast the recipes train on the GPUs at hand, on models of the real sizes with random weights.

    python swift_plugins/bench_gpu.py [--tiny] [RECIPE.yaml …]

Nothing is downloaded: each base is built from its sizes, and rows are those of the samples, their clips and images
enlarged to 1280 x 720 px (5.7 s at 24 frames/s with grain, DeepTraceReward's mean clip) and 1024 x 768 px. A recipe
trains 20 steps with its own settings on all GPUs (NUM_GPUS, GPU_IDS, DEEPSPEED: see shell/train.sh) and saves nothing:
without padding where that can be (PACKING=padding_free), and again padded, packed, and with its clips' frames in a
cache, of which the rows/s and the wait for data are told. Prints a Markdown table, as recipes/README.md has one; a
training that fails says why below it. --tiny measures the tiny recipes in the same way, on tiny models and a CPU, which
tells that it works and nothing about a GPU.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(ROOT)

from swift_plugins.core import frame_cache
from swift_plugins.core.commands import run, stage, whole_number
from swift_plugins.core.kernels import SETTING
from swift_plugins.core.printable import say
from swift_plugins.core.records import read_json, write_json
from swift_plugins.core.runs import Recipe, find_recipe
from swift_plugins.core.settings import library_versions
from swift_plugins.core.speed import Shape, mfu, peak, read_speed, training_flops
from swift_plugins.real_models import build_real, shape_of, sizes_of

HOME = Path("output/bench")
SAMPLES = {"deeptrace": "deeptrace", "deepfakejudge": "deepfakejudge", "fakevlm": "fakeclue"}
CLIPS, SPARE = 28, 4  # drawn to train on, and in each other split; rows are used several times
PAGE = ("rows/s", "tokens/s", "tokens a row", "MFU", "peak memory", "data wait")
# The same otherwise, in other batches or with frames that are there before -> what its training has in its environment.
AGAIN = {"padded": {SETTING: "no"}, "packed": {SETTING: "packing"}, "cached": {SETTING: "padding_free"}}
HEAD = (f"| recipe | GPUs | {' | '.join((*PAGE, *AGAIN))} |", "|---" * (len(PAGE) + len(AGAIN) + 2) + "|")
LIBRARIES = ("torch", "transformers", "ms-swift", "deepspeed", "peft")


class Media(NamedTuple):
    """What the samples' clips and images are enlarged to."""

    clip: tuple[int, int]  # px
    seconds: float
    rate: int  # frames per second
    image: tuple[int, int]  # px


REAL = Media((1280, 720), 5.7, 24, (1024, 768))
SMALL = Media((192, 112), 2, 8, (168, 168))


def recipes_for(names: list[str], tiny: bool, start: Path) -> list[Recipe]:
    """The named recipes that train, or all real ones, or all tiny ones, by base: each is built once."""
    found = [find_recipe(str(name), start) for name in names or Path().glob("recipes/*/*.yaml")]
    chosen = [recipe for recipe in found if "dataset" in recipe.keys and bool(recipe.keys.get("use_cpu")) == tiny]
    if lost := [recipe.path for recipe in found if names and recipe not in chosen]:
        raise ValueError(f"{lost[0]} is no recipe to measure {'with' if tiny else 'without'} --tiny")
    return sorted(chosen, key=lambda recipe: (str(recipe.keys["model"]), recipe.path))


# --------------------------------------------------------------------------------------------------------------- rows


def python(*words: object) -> None:
    """Run one of the project's scripts; ValueError with its last words where it fails."""
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, env=quiet())
    if done.returncode:
        raise ValueError(f"{words[0]}: {(done.stderr.strip().splitlines() or ['it failed'])[-1]}")


def quiet() -> dict[str, str]:
    return os.environ | {"NEXT_STEPS": "no"}


def rows_for(recipe: Recipe, media: Media, home: Path) -> Path:
    """The folder with the recipe's rows, converted by its own command from an enlarged sample."""
    system = Path(recipe.path).parent.name
    raw, data = home / f"raw_{system}", home / f"rows_{Path(recipe.path).stem}_{system}"
    if not raw.is_dir():
        stage(f"drawing {raw}")
        others = [word for split in spare_splits(system) for word in (f"--{split}", SPARE)]
        python(f"converters/sample_{SAMPLES[system]}.py", "--out", f"{raw}.part", "--train", CLIPS, *others)
        enlarge(Path(f"{raw}.part"), media)
        os.rename(f"{raw}.part", raw)
    if not data.is_dir():
        command = recipe.header["data"].split(" && ")[-1].split()
        python(*command[1:], "--src", raw, "--out", data)
    return data


def spare_splits(system: str) -> tuple[str, ...]:
    return {"deeptrace": ("val", "test"), "deepfakejudge": ("test", "human", "bench"), "fakevlm": ("test",)}[system]


def enlarge(folder: Path, media: Media) -> None:
    """Bring all clips and images of a sample to the sizes of real ones, in place; their annotations stay as they are,
    for nothing is learned here."""
    from PIL import Image

    for path in sorted(folder.rglob("*.*")):
        if path.suffix == ".mp4":
            enlarge_clip(path, media)
        elif path.suffix in (".png", ".jpg", ".jpeg", ".webp"):
            with Image.open(path) as image:
                larger = image.convert("RGB").resize(media.image, Image.Resampling.BICUBIC)
            larger.save(path)


def enlarge_clip(path: Path, media: Media) -> None:
    """Frames in the size, number and rate of a real clip, with grain of their own: nothing in them stands still."""
    import av
    import numpy as np
    from PIL import Image

    with av.open(str(path)) as container:
        drawn = [frame.to_image().resize(media.clip, Image.Resampling.BICUBIC) for frame in container.decode(video=0)]
    grain = np.random.default_rng(0).normal(0, 4, (4, media.clip[1], media.clip[0], 1)).astype(np.int16)
    count = round(media.seconds * media.rate)
    with av.open(f"{path}.part", "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=media.rate, options={"crf": "23", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *media.clip, "yuv420p"
        for i in range(count):
            picture = np.asarray(drawn[i * len(drawn) // count], np.int16) + grain[i % len(grain)]
            pixels = np.clip(picture, 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    os.replace(f"{path}.part", path)


# -------------------------------------------------------------------------------------------------------------- models


def make_model(recipe: Recipe, data: Path, tiny: bool, out: Path) -> None:
    """Write the recipe's base with random weights, and the shape by which its work is counted, in processes of their
    own: they leave no memory of the GPU in use."""
    if not tiny:
        sizes_of(recipe.keys["model"])
    shutil.rmtree(out, ignore_errors=True)
    small = out if tiny else out / "tiny"
    architecture = str(recipe.keys["model_type"]).removesuffix("_hf")
    rows = next(data.rglob("train.jsonl"))
    python("swift_plugins/tiny_model.py", "--architecture", architecture, "--data", rows, "--out", small)
    job = multiprocessing.get_context("spawn").Process(target=enlarge_model, args=(recipe.keys["model"], small, out))
    job.start()
    job.join()
    if job.exitcode:
        raise ValueError(f"no model for {recipe.path} (exit code {job.exitcode})")


def enlarge_model(name: str, small: Path, out: Path) -> None:
    """Bring a tiny model to the sizes of the named base, unless it is to stay one."""
    import torch
    from transformers import AutoConfig

    if small != out:
        build_real(name, small, out, "cuda" if torch.cuda.is_available() else "cpu")
    write_json(out / "shape.json", asdict(shape_of(AutoConfig.from_pretrained(out))))


# ------------------------------------------------------------------------------------------------------------ training


class Place(NamedTuple):
    """Where a recipe's model and rows lie, and how much it is to train."""

    model: Path
    train: Path  # a JSONL
    out: Path
    steps: int
    gpus: int


def train_file(recipe: Recipe, data: Path) -> Path:
    train = data / Path(recipe.files("dataset")[0]).parent.name / "train.jsonl"
    return train if train.is_file() else data / "train.jsonl"


def measure(recipe: Recipe, place: Place, own: Mapping[str, str]) -> dict[str, Any] | str:
    """The record of a short training with its `own` environment, or why there is none."""
    keys, (model, train, out, steps, gpus) = recipe.keys, place
    rows = (steps + 1) * gpus * keys["per_device_train_batch_size"] * (keys.get("gradient_accumulation_steps") or 1)
    shutil.rmtree(out, ignore_errors=True)
    env = quiet() | {"MODEL": str(model.resolve()), "DATASET": f"{train.resolve()}#{rows}", **own}
    env |= {"OUTPUT_DIR": str(out.resolve()), "NUM_GPUS": str(gpus), "HF_HUB_OFFLINE": "1"}
    flags = ("--max_steps", steps, "--save_strategy", "no", "--eval_strategy", "no", "--logging_steps", 1)
    command = [sys.executable, ROOT / "swift_plugins/launch.py", recipe.path, *flags, "--use_hf", "false"]
    done = subprocess.run([*map(str, command)], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        return (done.stdout.strip().splitlines() or ["it failed"])[-1]
    return read_speed(out) or "it took no step that counts"


def measure_again(recipe: Recipe, place: Place, first: Mapping[str, Any], failed: list[str]) -> Iterator[str]:
    """A cell for each of AGAIN; empty for what cannot be or has failed, and of the `first` where that was so."""
    for name, own in AGAIN.items():
        if name == "cached" and not holds_clips(place.train):
            yield ""
            continue
        found: Mapping[str, Any] | str
        try:
            frames = cached(recipe, place) if name == "cached" else {}
            found = first if name == first["batches"] else measure(recipe, place, own | frames)
        except ValueError as error:
            found = str(error)
        if isinstance(found, str):
            failed.append(f"{recipe.path}, {name}: {found}")
            yield ""
        elif name == "packed" and found["batches"] != "packing":
            yield ""
        else:
            yield f"{found['rows_per_s']:.3g} ({100 * found['data_wait']:.0f} %)"


def cached(recipe: Recipe, place: Place) -> dict[str, str]:
    """The environment with a cache of the frames that a recipe takes of its clips."""
    cache = place.out.parent / "frames"
    flags = ("--data", place.train, "--model", place.model, "--recipe", recipe.path, "--out", cache)
    python("converters/cache_frames.py", *flags)
    return {frame_cache.SETTING: str(cache.resolve())}


def holds_clips(rows: Path) -> bool:
    with open(rows, encoding="utf-8") as file:
        return '"videos":' in file.readline()


def count_gpus() -> int:
    """How many GPUs there are; ValueError without one."""
    counting = "import torch; print(torch.cuda.device_count())"
    found = int(subprocess.run([sys.executable, "-c", counting], stdout=subprocess.PIPE, check=True).stdout)
    if not found:
        raise ValueError("no GPU found: --tiny measures tiny models on the CPU")
    return found


def line(recipe: Recipe, speed: Mapping[str, Any] | None, shape: Shape | None, again: list[str] | None = None) -> str:
    """A recipe's line of the table; its cells are empty without a measurement, that of MFU on unknown hardware."""
    name = str(Path(recipe.path)).removeprefix("recipes/")
    if speed is None or shape is None:
        return f"| `{name}` | {' | '.join([''] * (len(PAGE) + len(AGAIN) + 1))} |"
    vision, full = not recipe.keys.get("freeze_vit", True), recipe.keys["tuner_type"] == "full"
    share = mfu(speed, training_flops(shape, speed["per_row"], full, vision))
    cells = (
        f"{speed['rows_per_s']:.3g}",
        f"{speed['tokens_per_s']:,.0f}",
        f"{speed['per_row']['tokens']:,.0f}",
        "" if share is None else f"{100 * share:.1f} %",
        f"{speed['peak_memory_gib']:.1f} GiB",
        f"{100 * speed['data_wait']:.0f} %",
        *(again or [""] * len(AGAIN)),
    )
    return f"| `{name}` | {speed['devices']} | {' | '.join(cells)} |"


def print_table(recipes: Iterable[Recipe], tiny: bool, steps: int, once: bool) -> None:
    """Measure one recipe after the other, unless `once` in the other ways too; print the table, what it was measured on
    and what failed."""
    gpus = 1 if tiny else int(os.environ.get("NUM_GPUS") or count_gpus())
    home = HOME / ("tiny" if tiny else "real")
    lines: list[str] = []
    failed: list[str] = []
    device, built = "", None
    for recipe in recipes:
        found: dict[str, Any] | str
        try:
            data, model = rows_for(recipe, SMALL if tiny else REAL, home), home / "model"
            if built != (base := (recipe.keys["model"], recipe.keys["model_type"])):
                stage(f"building {recipe.keys['model']} with random weights")
                make_model(recipe, data, tiny, model)
                built = base
            stage(f"training {steps} steps of {recipe.path}{'' if once else ', and in other ways'}")
            place = Place(model, train_file(recipe, data), home / "train", steps, gpus)
            found = measure(recipe, place, {SETTING: "padding_free"})
            again = [*measure_again(recipe, place, found, failed)] if isinstance(found, dict) and not once else []
        except ValueError as error:
            found, built = str(error), None
        if isinstance(found, str):
            failed.append(f"{recipe.path}: {found}")
            lines.append(line(recipe, None, None))
        else:
            device = found["device"]
            lines.append(line(recipe, found, Shape(**read_json(model / "shape.json")), again))
    shutil.rmtree(home / "model", ignore_errors=True)
    versions = ", ".join(f"{name} {version}" for name, version in library_versions(LIBRARIES).items() if version)
    for text in (*HEAD, *lines, "", f"{device or 'Nothing'} measured: {versions}; {steps} steps a recipe."):
        say(text)
    if device and peak(device) is None:
        say(f"MFU is left empty: the peak of {device!r} is not known (swift_plugins/core/speed.py).")
    for text in failed:
        say(f"failed: {text}", sys.stderr)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE.yaml", help="what to measure (default all that train)")
    parser.add_argument("--tiny", action="store_true", help="the tiny recipes on the CPU")
    parser.add_argument("--once", action="store_true", help="not padded, packed and cached too: a quarter of the time")
    parser.add_argument("--steps", type=whole_number(2), help="of each training (default 20, with --tiny 3)")
    args = parser.parse_args(argv)
    start = Path.cwd()
    os.chdir(ROOT)

    def measured(args: argparse.Namespace) -> None:
        for name in ("MODEL", "DATASET", "OUTPUT_DIR", "TUNER", SETTING, frame_cache.SETTING):
            if os.environ.get(name):
                raise ValueError(
                    f"{name}={os.environ[name]} has no place here: recipes are measured as they are; unset it"
                )
        steps = args.steps or (3 if args.tiny else 20)
        print_table(recipes_for(args.recipes, args.tiny, start), args.tiny, steps, args.once)

    return run(measured, args)


if __name__ == "__main__":
    sys.exit(main())
