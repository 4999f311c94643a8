"""The measuring of speed: the bases have their published sizes, and the command measures tiny ones on a CPU."""

import re
from pathlib import Path

import pytest

from swift_plugins import bench_gpu, real_models
from swift_plugins.bench_gpu import HEAD, main, recipes_for
from swift_plugins.core.runs import find_recipe
from tests.launcher import called, run

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
pytest.importorskip("swift")
# base -> its architecture and the parameters of the released weights
RELEASED = {
    "Qwen/Qwen2.5-VL-7B-Instruct": ("qwen2_5_vl", 8_292_166_656),
    "Qwen/Qwen2.5-VL-3B-Instruct": ("qwen2_5_vl", 3_754_622_976),
    "Qwen/Qwen3-VL-8B-Instruct": ("qwen3_vl", 8_767_123_696),
    "Qwen/Qwen3-VL-4B-Instruct": ("qwen3_vl", 4_437_815_808),
    "Qwen/Qwen3.5-9B": ("qwen3_5", 9_653_104_368 - 243_290_624),  # but for its layer that predicts the token after next
    "./videollama3-7b": ("videollama3", 8_044_744_944),
    "llava-hf/llava-1.5-7b-hf": ("llava1_5", 7_063_427_072),
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    from swift_plugins.tiny_model import build

    folder = tmp_path_factory.mktemp("tiny")
    for architecture in {architecture for architecture, _ in RELEASED.values()}:
        build(folder / architecture, ["Where?"], vocab_size=400, architecture=architecture)
    return folder


@pytest.mark.parametrize("base", RELEASED)
def test_a_base_has_the_sizes_of_the_released_weights(tiny, base):
    from transformers import AutoConfig

    architecture, count = RELEASED[base]
    config = real_models.real_config(base, AutoConfig.from_pretrained(tiny / architecture))
    assert sum(p.numel() for p in real_models.on_paper(config).parameters()) == count
    assert real_models.SIZES.keys() == {name.rpartition("/")[2].lower() for name in RELEASED}


def test_a_base_is_built_from_its_sizes_alone_and_loads(tiny, tmp_path, monkeypatch):
    """The released LLaVA's, but for its depth and width."""
    from PIL import Image
    from transformers import AutoModelForImageTextToText, AutoProcessor

    sizes = real_models.SIZES["llava-1.5-7b-hf"]
    text = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "head_dim": 2}
    vision = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    small = sizes | {"text_config": sizes["text_config"] | text, "vision_config": sizes["vision_config"] | vision}
    monkeypatch.setitem(real_models.SIZES, "small", small)
    real_models.build_real("some/small", tiny / "llava1_5", tmp_path, "cpu")
    model, processor = (of.from_pretrained(tmp_path) for of in (AutoModelForImageTextToText, AutoProcessor))
    assert str(model.dtype) == "torch.bfloat16"
    assert model.get_input_embeddings().weight.shape == (32064, 64)
    assert float(model.get_output_embeddings().weight.detach().float().std()) == pytest.approx(0.02, rel=0.02)
    inputs = processor(images=Image.new("RGB", (1024, 768)), text="<image>Where?", return_tensors="pt")
    assert inputs["pixel_values"].shape == (1, 3, 336, 336)
    assert int((inputs["input_ids"] == model.config.image_token_id).sum()) == 576
    shape = real_models.shape_of(model.config)
    assert (shape.vision_layers, shape.language_width, shape.merged) == (2, 64, 1)


def test_a_disk_without_room_is_told_before_weights_are_drawn(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(real_models.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2**30})())
    with pytest.raises(OSError, match=r"needs 15 GiB for random weights, 1 are free"):
        real_models.build_real("llava-hf/llava-1.5-7b-hf", tiny / "llava1_5", tmp_path, "cpu")
    assert list(tmp_path.iterdir()) == []


def test_the_command_measures_tiny_models_on_the_cpu(copy):
    recipe = "recipes/deeptrace/tiny_videollama3.yaml"
    done = run("bash", "shell/bench_gpu.sh", "--tiny", "--once", "--steps", 2, recipe, cwd=copy)
    lines = done.stdout.splitlines()
    at = lines.index(HEAD[0])
    found = [cell.strip() for cell in lines[at + 2].split("|")[1:-1]]
    name, gpus, rows, tokens, length, share, memory, wait, *again = found
    assert (name, gpus, share) == ("`deeptrace/tiny_videollama3.yaml`", "1", "")
    assert float(rows) > 0
    assert float(tokens.replace(",", "")) == pytest.approx(float(rows) * float(length), rel=0.02)
    assert re.fullmatch(r"[\d.]+ GiB", memory)
    assert re.fullmatch(r"\d+ %", wait)
    assert again == ["", "", ""]
    assert "the peak of 'cpu' is not known" in done.stdout
    assert re.search(
        r"^cpu measured: torch [\d.]+, transformers [\d.]+, ms-swift [\d.]+, .*; 2 steps a recipe\.$", done.stdout, re.M
    )
    assert not (copy / "output" / "bench" / "tiny" / "model").exists()


def test_a_recipe_is_measured_padded_packed_and_from_a_cache_too(tmp_path, monkeypatch):
    """The trainings are those of the other tests; here it counts with what each was started, and what is told of it."""
    ran, fast = [], {"rows_per_s": 2.0, "data_wait": 0.1}

    def measure(recipe, place, own):
        ran.append(own)
        return fast | {"batches": {"no": "padded"}.get(own["PACKING"], own["PACKING"])}

    monkeypatch.setattr(bench_gpu, "measure", measure)
    monkeypatch.setattr(bench_gpu, "python", lambda *words: ran.append(words[0]))
    recipe, failed = find_recipe("recipes/deeptrace/tiny.yaml", ROOT), []
    place = bench_gpu.Place(tmp_path / "model", tmp_path / "train.jsonl", tmp_path / "train", 2, 1)
    place.train.write_text('{"videos": ["a.mp4"]}\n')
    free = {"rows_per_s": 3.0, "data_wait": 0.25, "batches": "padding_free"}
    assert [*bench_gpu.measure_again(recipe, place, free, failed)] == ["2 (10 %)"] * 3
    cache = {"PACKING": "padding_free", "FRAME_CACHE": str(tmp_path / "frames")}
    assert ran == [{"PACKING": "no"}, {"PACKING": "packing"}, "converters/cache_frames.py", cache]
    place.train.write_text('{"images": ["a.png"]}\n')
    padded = free | {"batches": "padded"}  # without flash-attention: not measured once more
    assert [*bench_gpu.measure_again(recipe, place, padded, failed)] == ["3 (25 %)", "2 (10 %)", ""]
    monkeypatch.setattr(bench_gpu, "measure", lambda *_: fast | {"batches": "padded"})  # grouped by length: no packs
    assert [*bench_gpu.measure_again(recipe, place, padded, failed)] == ["3 (25 %)", "", ""]
    monkeypatch.setattr(bench_gpu, "measure", lambda *_: "no memory left")
    assert [*bench_gpu.measure_again(recipe, place, free, failed)] == ["", "", ""]
    assert failed == [f"{recipe.path}, {name}: no memory left" for name in ("padded", "packed")]


def test_what_cannot_be_measured_is_told(monkeypatch):
    monkeypatch.chdir(ROOT)
    done = called(main, "recipes/deeptrace/tiny.yaml", check=False)
    assert done.returncode == 2
    assert "recipes/deeptrace/tiny.yaml is no recipe to measure without --tiny" in done.stderr
    done = called(main, check=False, TUNER="lora")
    assert "TUNER=lora has no place here: recipes are measured as they are" in done.stderr
    done = called(main, check=False, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert "no GPU found: --tiny measures tiny models on the CPU" in done.stderr


def test_the_readme_has_the_table_with_a_line_for_each_recipe_whose_base_is_built(monkeypatch):
    monkeypatch.chdir(ROOT)
    text = (ROOT / "recipes" / "README.md").read_text(encoding="utf-8")
    assert "\n".join(HEAD) in text
    for recipe in recipes_for([], False, ROOT):
        if recipe.keys["model"].rpartition("/")[2].lower() in real_models.SIZES:
            assert f"| `{recipe.path.removeprefix('recipes/')}` |" in text, recipe.path
