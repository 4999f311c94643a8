"""Every recipe goes through ms-swift's own argument classes, and the papers' recipes hold the papers' figures."""

import csv
import importlib.util
import itertools
import json
import re
from pathlib import Path

import pytest
import yaml

from swift_plugins.core.boxes import SPACE_OF
from swift_plugins.core.records import check_row
from swift_plugins.core.tasks import deeptrace
from swift_plugins.core.vision import PATCHES

ROOT = Path(__file__).resolve().parents[2]
RECIPES = {str(path.relative_to(ROOT)): path for path in sorted((ROOT / "recipes").glob("*/*.yaml"))}
VIDEO = {"VIDEO_MIN_PIXELS", "VIDEO_MAX_PIXELS", "FPS", "FPS_MAX_FRAMES"}
CLIP = {"CLIP_MIN_PIXELS", "CLIP_MAX_PIXELS", "FPS", "FPS_MAX_FRAMES"}  # VideoLLaMA 3's
IMAGE = {"MIN_PIXELS", "MAX_PIXELS", "IMAGE_FACTOR"}
TOKENS = {"IMAGE_MIN_TOKEN_NUM", "IMAGE_MAX_TOKEN_NUM"}  # Qwen3-VL's
# Of an image, by a model's own processor, which no variable changes: LLaVA crops it to 336 x 336 px, InternVL cuts it
# into 12 tiles of 256 tokens and a small one of it all.
OWN_TOKENS = {"llava1_5_hf": 576, "internvl": 13 * 256}
TIME = 9  # tokens of a frame's time, "Time 12.5s:" and a comma
PROMPT = 256  # tokens that the question and the answer take at least
JUDGES = list(itertools.product(("3b", "7b"), ("pointwise", "pairwise")))


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


SERVING = {name: path for name, path in RECIPES.items() if "infer_backend" in read(path)}
TRAINING = {name: path for name, path in RECIPES.items() if "dataset" in read(path)}
ASKING = {name: path for name, path in RECIPES.items() if name not in SERVING | TRAINING}  # eval/predict.py --recipe


@pytest.fixture(params=TRAINING.values(), ids=TRAINING.keys())
def recipe(request):
    return request.param


@pytest.fixture(params=SERVING.values(), ids=SERVING.keys())
def serving(request):
    return request.param


def judge(size, tuner, kind):
    return RECIPES[f"recipes/deepfakejudge/qwen2_5_vl_{size}_{tuner}_{kind}.yaml"]


def head(path):
    return path.read_text(encoding="utf-8").split("ENV:")[0]


def test_a_recipe_says_what_it_is_and_how_to_run_it(recipe):
    for word in ("data ", "launch ", "batch "):
        assert re.search(rf"^#   {word}", head(recipe), re.M), word


def test_a_serving_recipe_says_how_to_serve_and_to_ask(serving):
    name = serving.relative_to(ROOT)
    assert re.search(rf"^#   serve .*swift deploy {name} ", head(serving), re.M)
    assert re.search(r"^#   predict .*python eval/predict.py --backend openai --base-url \S+ ", head(serving), re.M)


def test_the_readme_lists_every_recipe():
    text = (ROOT / "recipes" / "README.md").read_text(encoding="utf-8")
    assert [name for name in RECIPES if not re.search(rf"[`/]{re.escape(Path(name).name)}`", text)] == []


README = (ROOT / "recipes" / "README.md").read_text(encoding="utf-8")


def test_the_row_that_the_readme_shows_is_one():
    row = json.loads(re.search(r"```json\n(.*?)```", README, re.S).group(1))
    check_row(row)
    assert re.sub(r"<video> .*", "", row["messages"][0]["content"]) == ""
    parsed = deeptrace.GRAMMARS["trained"](row["messages"][1]["content"])
    assert [parsed.answer.bbox, parsed.answer.start] == [tuple(row["meta"]["bbox"]), row["meta"]["start"]]
    assert all(not isinstance(value, dict) for value in row["meta"].values())


def test_the_readme_names_the_cuda_of_the_torch_that_is_installed():
    """A CUDA of one major version runs on every driver for it."""
    spec = importlib.util.find_spec("torch")
    if spec is None:
        pytest.skip("torch is not installed")
    text = (Path(spec.submodule_search_locations[0]) / "version.py").read_text(encoding="utf-8")
    stated, cuda = re.search(r"torch ([\d.]+) is built for CUDA ([\d.]+):", README).groups()
    assert re.search(rf"__version__ = '{re.escape(stated)}\.", text)
    assert re.search(rf"cuda: .*= '{re.escape(cuda)}'", text)


def test_a_launch_command_is_one_of_the_launchers(recipe):
    command = re.search(r"^#   launch +(.*)$", head(recipe), re.M).group(1)
    assert (ROOT / re.search(r"bash (shell/\w+\.sh)", command).group(1)).is_file()
    named = re.search(r"recipes/\S+", command)
    assert named is None or named.group() == str(recipe.relative_to(ROOT))


def test_a_recipe_is_strict_seeded_private_and_says_where_it_writes(recipe):
    content = read(recipe)
    assert content["strict"] is True
    assert content["check_model"] is False
    assert content["add_version"] is False
    assert content["report_to"] == "tensorboard"
    assert isinstance(content["seed"], int)
    assert content["output_dir"].startswith("output/")
    assert not content.get("push_to_hub")
    assert "forensics" in content["callbacks"]


@pytest.mark.parametrize("path", RECIPES.values(), ids=RECIPES.keys())
def test_every_recipe_pins_what_the_model_sees_and_gives_no_null(path):
    content = read(path)
    if content["model_type"] in OWN_TOKENS:
        assert not content["ENV"].keys() & (VIDEO | CLIP | IMAGE | TOKENS)
    else:
        assert any(content["ENV"].keys() >= pinned for pinned in (VIDEO, CLIP, IMAGE, TOKENS))
    assert None not in content.values()  # null would arrive as the string "None"
    assert not [key for key, value in content.items() if key.endswith("strategy") and value is False]  # YAML's bare no


def test_no_two_recipes_write_to_one_folder():
    folders = [read(path)["output_dir"] for path in TRAINING.values()]
    assert len(set(folders)) == len(folders)


def media_tokens(content):
    """The most visual tokens that one row can bring: all frames of a video, in pairs, or one image."""
    env = content["ENV"]
    if content["model_type"] in OWN_TOKENS:
        return 36 if content.get("use_cpu") else OWN_TOKENS[content["model_type"]]  # the tiny one crops to 84 x 84 px
    if env.keys() >= VIDEO:
        return env["FPS_MAX_FRAMES"] / 2 * env["VIDEO_MAX_PIXELS"] / (2 * PATCHES[content["model_type"]]) ** 2
    if env.keys() >= CLIP:
        return env["CLIP_MAX_PIXELS"] / 28**2 + env["FPS_MAX_FRAMES"] * TIME
    if env.keys() >= TOKENS:
        return env["IMAGE_MAX_TOKEN_NUM"]
    return env["MAX_PIXELS"] / env["IMAGE_FACTOR"] ** 2


@pytest.mark.parametrize("path", (SERVING | TRAINING).values(), ids=(SERVING | TRAINING).keys())
def test_media_and_prompt_fit_the_length(path):
    content = read(path)
    length = content.get("max_length") or content["vllm_max_model_len"] - content["max_new_tokens"]
    room = 160 if content.get("use_cpu") else PROMPT
    assert media_tokens(content) + room <= length


def test_without_validation_data_nothing_is_evaluated(recipe):
    content = read(recipe)
    assert ("val_dataset" in content) == (content["eval_strategy"] != "no")


@pytest.mark.parametrize("path", [path for name, path in TRAINING.items() if name.startswith("recipes/deeptrace/")])
def test_a_recipe_states_boxes_as_its_base_was_taught(path):
    content = read(path)
    if path.name == "tiny.yaml":  # whose model was taught nothing; rows stay as they were converted
        assert "BOX_SPACE" not in content["ENV"]
    else:
        assert content["ENV"]["BOX_SPACE"] == SPACE_OF[content["model_type"]]
        assert "`BOX_SPACE=pixel` before the command" in " ".join(head(path).split("\n# ")) or "use_cpu" in content


def test_the_data_command_writes_what_the_recipe_reads(recipe):
    out = re.findall(r"python converters/\w+_to_swift.*--out (\S+)", head(recipe))[-1]
    assert read(recipe)["dataset"].startswith(f"{out}/")


def flags_of(content):
    """As `swift` expands a YAML."""
    flags = []
    for key, value in content.items():
        flags += [f"--{key}", *map(str, value if isinstance(value, list) else [value])]
    return flags


@pytest.fixture
def stand_ins(tmp_path):
    """What is not here, the model and the data: a tiny model of the same type, and one row."""
    pytest.importorskip("swift")
    from swift_plugins.tiny_architectures import ARCHITECTURES
    from swift_plugins.tiny_model import build

    (tmp_path / "row.jsonl").write_text('{"messages": [{"role": "user", "content": "a"}]}\n')

    def of(content):
        architecture = content["model_type"].removesuffix("_hf")
        assert architecture in ARCHITECTURES
        build(tmp_path / "model", [], vocab_size=400, architecture=architecture)
        return {"model": str(tmp_path / "model"), "external_plugins": str(ROOT / "swift_plugins" / "register.py")}

    return of


def put_in_environment(env, monkeypatch):
    for key, value in env.items():
        if key != "NPROC_PER_NODE":  # the launcher's
            monkeypatch.setenv(key, str(value))


@pytest.mark.slow
def test_the_argument_classes_take_every_recipe(recipe, stand_ins, tmp_path, monkeypatch):
    from dataclasses import fields

    from swift.arguments import SftArguments
    from swift.utils import parse_args

    content = read(recipe)
    put_in_environment(content.pop("ENV"), monkeypatch)
    assert not content.keys() - {field.name for field in fields(SftArguments)}
    row = str(tmp_path / "row.jsonl")
    content |= stand_ins(content) | {"output_dir": str(tmp_path), "use_cpu": True, "bf16": False, "use_hf": False}
    content |= {key: row for key in ("dataset", "val_dataset") if key in content}
    args, remaining = parse_args(SftArguments, flags_of(content))
    assert remaining == []
    for key in content.keys() - {
        "callbacks",
        "dataset",
        "val_dataset",
        "external_plugins",
        "torch_dtype",
        "optim",
        "deepspeed",
        "report_to",
        "target_modules",
        "output_dir",
    }:
        assert getattr(args, key) == content[key], key
    assert args.training_args.per_device_train_batch_size == content["per_device_train_batch_size"]
    assert args.training_args.eval_strategy == content["eval_strategy"]
    assert args.training_args.save_strategy == content["save_strategy"]


@pytest.mark.slow
def test_the_argument_class_takes_every_serving_recipe(serving, stand_ins, tmp_path, monkeypatch):
    """vLLM is not needed for it: what it would be started with is what the class makes of the recipe."""
    from dataclasses import fields

    from swift.arguments import DeployArguments
    from swift.utils import parse_args

    content = read(serving)
    put_in_environment(content.pop("ENV"), monkeypatch)
    assert not content.keys() - {field.name for field in fields(DeployArguments)}
    monkeypatch.chdir(tmp_path)
    args, remaining = parse_args(DeployArguments, flags_of(content | stand_ins(content) | {"use_hf": False}))
    assert remaining == []
    assert (args.infer_backend, args.host) == ("vllm", "127.0.0.1")
    engine = args.get_vllm_engine_kwargs()
    assert engine["enable_prefix_caching"] is True
    assert engine["limit_mm_per_prompt"] == {"image": 1, "video": 0}
    assert engine["max_model_len"] == 4096
    request = args.get_request_config()
    assert (request.temperature, request.max_tokens) == (0, 512)


def test_a_judge_is_served_as_it_was_trained(serving):
    content = read(serving)
    for size, kind in JUDGES:
        trained = read(judge(size, "lora", kind))
        assert content["ENV"] == {key: trained["ENV"][key] for key in IMAGE}
        assert content["vllm_max_lora_rank"] >= trained["lora_rank"]
        for key in ("model_type", "template", "external_plugins", "torch_dtype"):
            assert content[key] == trained[key], key


def published(system, base):
    with open(ROOT / "eval" / "published" / "training_setups.csv", encoding="utf-8") as file:
        return next(r for r in csv.DictReader(file) if r["system"] == system and r["base_model"] == base)


@pytest.mark.parametrize(
    ("base", "name", "model"),
    [
        ("Qwen 2.5 VL 7B", "qwen2_5_vl_7b", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("VideoLLaMA 3 7B", "videollama3_7b", "./videollama3-7b"),
    ],
)
def test_deeptraces_recipe_has_the_papers_figures(base, name, model):
    row = published("deeptrace", base)
    content = read(ROOT / "recipes" / "deeptrace" / f"{name}_full.yaml")
    assert content["model"] == model
    assert content["tuner_type"] == row["tuner"]
    assert content["num_train_epochs"] == float(row["epochs"])
    assert content["per_device_train_batch_size"] == int(row["per_device_batch_size"])
    assert content["gradient_accumulation_steps"] == 1
    assert f"{content['ENV']['NPROC_PER_NODE']}x H100 80GB" == row["devices"]
    assert content["learning_rate"] == float(row["learning_rate"])
    assert content["optim"].startswith(row["optimizer"].lower())
    assert content["ENV"]["FPS"] == float(row["fps"])
    assert content["ENV"]["FPS_MAX_FRAMES"] == int(row["max_frames"])
    assert content["deepspeed"].startswith("zero")
    assert not any(key.startswith("WEIGHT_") for key in content["ENV"])


@pytest.mark.parametrize(("size", "kind"), JUDGES)
def test_a_judges_lora_recipe_has_the_published_figures(size, kind):
    row = published(f"deepfakejudge-{kind}", "Qwen2.5-VL-3B/7B-Instruct")
    content = read(judge(size, "lora", kind))
    env = content["ENV"]
    figures = {
        "system": f"deepfakejudge-{kind}",
        "base_model": content["model"].removeprefix("Qwen/").replace(size.upper(), "3B/7B"),
        "tuner": content["tuner_type"],
        "epochs": str(content["num_train_epochs"]),
        "per_device_batch_size": str(content["per_device_train_batch_size"]),
        "devices": f"{env['NPROC_PER_NODE']} GPUs",
        "learning_rate": f"{content['learning_rate']:.0e}".replace("e-0", "e-"),
        "lr_scheduler": content.get("lr_scheduler_type", ""),  # what is not published is left to ms-swift
        "warmup_ratio": str(content["warmup_ratio"]),
        "optimizer": content.get("optim", ""),
        "lora_rank": str(content["lora_rank"]),
        "lora_alpha": str(content["lora_alpha"]),
        "freeze_vision": str(content["freeze_vit"]).lower(),
        "max_length": str(content["max_length"]),
        "fps": str(env.get("FPS", "")),
        "max_frames": str(env.get("FPS_MAX_FRAMES", "")),
        "max_pixels": str(env["MAX_PIXELS"]),
    }
    source = row.pop("source")
    assert figures == row
    # The rest of the released script stands in the row's last column and in the script itself.
    assert (kind == "pairwise") == ("same but max_length" in source)
    assert (env["MIN_PIXELS"], env["IMAGE_FACTOR"]) == (3136, 28)
    rest = {
        "target_modules": "all-linear",
        "gradient_accumulation_steps": 1,
        "bf16": True,
        "torch_dtype": "bfloat16",
        "save_strategy": "epoch",
        "save_total_limit": 5,
        "logging_steps": 1,
        "dataloader_num_workers": 8,
        "dataset_num_proc": 4,
        "use_hf": True,
    }
    assert {key: content[key] for key in rest} == rest
    assert content["dataset"] == f"data/deepfakejudge/{kind}/train.jsonl"


@pytest.mark.parametrize(("size", "kind"), JUDGES)
def test_a_judges_full_recipe_differs_only_in_what_is_trained_and_how_it_fits(size, kind):
    lora, full = read(judge(size, "lora", kind)), read(judge(size, "full", kind))
    kept = lora["ENV"].pop("VISION_CACHE")
    assert full["ENV"].pop("VISION_CACHE", None) == {"3b": kept, "7b": None}[size]  # ZeRO-3 takes none
    differ = {key for key in lora.keys() | full.keys() if lora.get(key) != full.get(key)}
    assert differ == {
        "tuner_type",
        "lora_rank",
        "lora_alpha",
        "target_modules",
        "deepspeed",
        "gradient_checkpointing",
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "output_dir",
    }
    batches = [c["per_device_train_batch_size"] * c["gradient_accumulation_steps"] for c in (lora, full)]
    assert batches == [16, 16]
    assert full["deepspeed"] == {"3b": "zero2", "7b": "zero3"}[size]
    assert full["gradient_checkpointing"] is True


@pytest.mark.parametrize("base", ["qwen3_vl_8b_lora", "qwen3_vl_8b_full", "internvl3_5_8b_lora"])
@pytest.mark.parametrize("kind", ["pointwise", "pairwise"])
def test_a_judge_on_another_base_differs_in_the_base_and_its_images_alone(base, kind):
    ours, theirs = read(RECIPES[f"recipes/deepfakejudge/{base}_{kind}.yaml"]), read(judge("7b", base[-4:], kind))
    differ = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    assert differ - {"max_length"} == {"ENV", "model", "model_type", "template", "output_dir"}


# The width of the language model, and how many such embeddings there are of a token of a medium (deepstack's too).
WIDTHS = {"2.5-VL-3B": (2048, 1), "2.5-VL-7B": (3584, 1), "3-VL-8B": (4096, 4), "InternVL3_5-8B": (4096, 1)}
IMAGES, PIXELS = 825, 28 * 28  # DeepfakeJudge's; of a token of Qwen2.5-VL


def test_a_frozen_tower_is_remembered_where_it_can_be_and_images_come_again():
    """By every judge's recipe but those under ZeRO-3, with room for all images at their largest in bfloat16."""
    recipes = {name: read(path) for name, path in TRAINING.items()}
    found = {name: content["ENV"].get("VISION_CACHE") for name, content in recipes.items()}
    stated = {name: room for name, room in found.items() if room is not None}
    judges = {name for name in recipes if "deepfakejudge/" in name and "tiny" not in name}
    assert stated.keys() == {name for name in judges if recipes[name].get("deepspeed") != "zero3"}
    for name, room in stated.items():
        content = recipes[name]
        assert content["freeze_vit"]
        assert content.get("freeze_aligner", True)  # ms-swift's default
        limits = content["ENV"].get("MAX_PIXELS", 0) // PIXELS, content["ENV"].get("IMAGE_MAX_TOKEN_NUM", 0)
        tokens = max(*limits, OWN_TOKENS.get(content["model_type"], 0))
        width, layers = next(found for part, found in WIDTHS.items() if part in content["model"])
        assert 0.7 * room < IMAGES * tokens * width * layers * 2 / 1e9 < room or "3B" in content["model"]


@pytest.mark.parametrize("base", ["qwen3_vl_8b", "qwen3_5_9b"])
@pytest.mark.parametrize("tuner", ["full", "lora"])
def test_a_current_base_has_the_settings_of_deeptraces_run(base, tuner):
    ours, theirs = (read(ROOT / f"recipes/deeptrace/{name}_{tuner}.yaml") for name in (base, "qwen2_5_vl_7b"))
    differ = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    assert differ - {"deepspeed"} == {"ENV", "model", "model_type", "template", "output_dir"}
    small = read(ROOT / "recipes/deeptrace/qwen2_5_vl_3b_lora.yaml")
    lora = read(ROOT / "recipes/deeptrace/qwen2_5_vl_7b_lora.yaml")
    assert {key for key in small if small[key] != lora.get(key)} == {"model", "output_dir"}


# ------------------------------------------------------------------------------------------------------------- FakeVLM


def fakevlm_recipe(name):
    return read(RECIPES[f"recipes/fakevlm/{name}.yaml"])


def test_fakevlms_recipe_has_the_papers_figures():
    row, content = published("fakevlm", "LLaVA-1.5-7B"), fakevlm_recipe("llava_1_5_7b_full")
    assert content["model"] == "llava-hf/llava-1.5-7b-hf"
    assert content["tuner_type"] == row["tuner"]
    assert content["num_train_epochs"] == int(row["epochs"])
    assert content["per_device_train_batch_size"] == int(row["per_device_batch_size"])
    assert content["gradient_accumulation_steps"] == 1
    assert f"{content['ENV']['NPROC_PER_NODE']}x A100" == row["devices"]
    assert content["learning_rate"] == float(row["learning_rate"])
    assert content["lr_scheduler_type"] == row["lr_scheduler"]
    assert content["warmup_ratio"] == float(row["warmup_ratio"])
    assert content["freeze_vit"] is content["freeze_aligner"] is (row["freeze_vision"] == "true")
    assert content["max_length"] == int(row["max_length"])
    assert (content["deepspeed"], content["weight_decay"]) == ("zero2", 0)  # the released training script


@pytest.mark.parametrize(("name", "plain"), [("llava_1_5_7b_full", set()), ("tiny", {"loss_scale"})])
def test_the_strategies_differ_in_what_is_learned_alone(name, plain):
    """They train on the same rows for as long with the same settings."""
    explained = fakevlm_recipe(name)
    for variant, of_its_own in (("direct", set()), ("head", {"task_type", "num_labels", "problem_type"})):
        content = fakevlm_recipe(f"{name}_{variant}")
        differ = {key for key in explained.keys() | content.keys() if explained.get(key) != content.get(key)}
        assert differ - {"ENV"} == of_its_own | {"output_dir"} | plain
        weights = {key for key in explained["ENV"] if key.startswith("WEIGHT_")}
        env = {key: value for key, value in explained["ENV"].items() if key not in weights}
        assert content["ENV"] == env | ({"ANSWER_FORM": "word"} if variant == "direct" else {})


@pytest.mark.parametrize("base", ["llava_1_5_7b", "qwen2_5_vl_7b", "qwen3_vl_8b", "internvl3_5_8b"])
@pytest.mark.parametrize("tuner", ["full", "lora"])
def test_every_base_trains_on_the_papers_schedule_and_global_batch(base, tuner):
    paper, content = fakevlm_recipe("llava_1_5_7b_full"), fakevlm_recipe(f"{base}_{tuner}")
    assert content["tuner_type"] == tuner
    keys = ("dataset", "num_train_epochs", "lr_scheduler_type", "warmup_ratio", "seed")
    assert {key: content[key] for key in keys} == {key: paper[key] for key in keys}
    rows = content["per_device_train_batch_size"] * content["gradient_accumulation_steps"]
    assert rows * content["ENV"]["NPROC_PER_NODE"] == 256


def test_the_released_weights_are_asked_the_bare_question(monkeypatch):
    """Or, with the training recipe, in the chat; for a model without settings of its own either must be named."""
    from swift_plugins.answering.models import model_settings

    for name, template in (("released", "forensic_llava1_5_bare"), ("llava_1_5_7b_full", "forensic_llava1_5")):
        found = model_settings(ROOT / "tests", RECIPES[f"recipes/fakevlm/{name}.yaml"])
        assert (found["template"], found["task_type"], found["vision"]) == (template, "causal_lm", {})
    with pytest.raises(ValueError, match="name the recipe whose template and vision settings apply"):
        model_settings(ROOT / "tests", None)
    with pytest.raises(ValueError, match="trains a linear head, of which "):  # it would be a random one
        model_settings(ROOT / "tests", RECIPES["recipes/fakevlm/tiny_head.yaml"])


def test_a_recipe_to_ask_with_says_how():
    for path in ASKING.values():
        assert re.search(
            rf"^#   predict .*python eval/predict.py .*--recipe {path.relative_to(ROOT)} ", head(path), re.M
        )
