"""A recipe and the environment become a command of swift: recipes are read as YAML, whatever form their values have."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from swift_plugins.core import preflight
from swift_plugins.core.runs import find_recipe, header_of
from swift_plugins.launch import main, run_of

HEAD = """# A run.
#
#   get      hf download X --local-dir X
#   data     python a.py --out x
#            python b.py --src x
#   launch   bash shell/train.sh this
#
# Not a command:   indented text.
ENV: {NPROC_PER_NODE: 1}
use_cpu: true
"""


@pytest.fixture
def launch(tmp_path, monkeypatch):
    """The command that a recipe of these further lines becomes, given from the folder that holds it."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c d"):
        (tmp_path / f"{name}.jsonl").write_text("{}\n")

    def run(lines: str, *flags: str, **env: str):
        (tmp_path / "recipe.yaml").write_text(HEAD + lines)
        return run_of(["recipe.yaml", *flags], tmp_path, dict(env))

    return run


@pytest.fixture
def tiny_tokenizer(tmp_path):
    """./m, a model's folder of which there is the tokenizer: a token a letter, and one of "word"."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = [*pre_tokenizers.ByteLevel.alphabet(), "wo", "wor", "word"]
    pairs = [("w", "o"), ("wo", "r"), ("wor", "d")]
    made = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, pairs))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    made.save(str(tmp_path / "m" / "tokenizer.json"))


def test_a_headers_commands_are_joined_by_word():
    found = header_of(HEAD)
    assert found["data"] == "python a.py --out x && python b.py --src x"
    assert set(found) == {"get", "data", "launch"}


@pytest.mark.parametrize(
    "lines",
    [
        "dataset: a.jsonl   # a comment\noutput_dir: out",
        "dataset: 'a.jsonl'\noutput_dir: \"out\"",
        "dataset:\n  - a.jsonl\n  - b.jsonl#500\noutput_dir: out",
        "dataset: [a.jsonl, 'c d.jsonl']\nval_dataset:\n- b.jsonl\noutput_dir: >-\n  out",
        "x: &d a.jsonl\ndataset: *d\noutput_dir: out",
    ],
)
def test_values_of_any_form_are_read(launch, lines, tmp_path):
    run = launch(lines, "--seed", "1")
    assert run.command[1:] == ["sft", "recipe.yaml", "--seed", "1"]
    assert run.env["CUDA_VISIBLE_DEVICES"] == ""
    (tmp_path / "out" / "checkpoint-3").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"already holds checkpoints: .* --resume_from_checkpoint out/checkpoint-3"):
        launch(lines)
    assert launch(lines, "--latest") == "out/checkpoint-3"


@pytest.mark.parametrize(
    "lines", ["dataset: none.jsonl", "dataset: [a.jsonl, none.jsonl]", "dataset: a.jsonl\nval_dataset: none.jsonl"]
)
def test_each_file_must_be_there(launch, lines):
    with pytest.raises(
        ValueError, match=r"no none.jsonl: run `source .* && hf download X --local-dir X && python a.py"
    ):
        launch(lines)


@pytest.fixture
def rows(tmp_path):
    """A function that writes rows of ours with these media and texts to a.jsonl."""

    def write(*texts: str, **media) -> None:
        meta = {"width": 1280, "height": 720, "duration": 5.0, "fps": 24.0, "box_space": "pixel"} if media else {}
        tags = "".join({"videos": "<video>", "images": "<image>"}[key] for key in media)
        turns = [[{"role": "user", "content": tags + "What?"}, {"role": "assistant", "content": t}] for t in texts]
        lines = [{"id": f"r{i}", "task": "deeptrace", "messages": m, "meta": meta} | media for i, m in enumerate(turns)]
        (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    return write


STRICT = "dataset: a.jsonl\nmodel_type: qwen2_5_vl\nmodel: ./m\nstrict: true\nmax_length: "


def test_without_rows_to_validate_on_training_goes_on_without_an_evaluation(launch, tmp_path, capsys):
    (tmp_path / "b.jsonl").write_text("\n \n")
    launch("dataset: a.jsonl\nval_dataset: b.jsonl")
    assert capsys.readouterr().out == "train: b.jsonl has no rows and is left out; without any there is no evaluation\n"
    with pytest.raises(ValueError, match=r"^b.jsonl has no rows: there is nothing to train on"):
        launch("dataset: a.jsonl", "--dataset", "a.jsonl", "b.jsonl#3")
    launch("dataset: nowhere.jsonl", "--dataset", "a.jsonl", "org/name#5")  # the recipe's own is not needed then
    with pytest.raises(ValueError, match=r"^no nowhere.jsonl: run"):
        launch("dataset: a.jsonl", "--val_dataset=nowhere.jsonl")


def test_vision_settings_of_the_shell_that_override_the_recipe_are_one_line(launch, capsys):
    lines = "dataset: a.jsonl\nENV: {VIDEO_MAX_PIXELS: 7056, FPS: 4}"
    env = launch(lines, FPS="4", VIDEO_MAX_PIXELS="").env
    assert "VIDEO_MAX_PIXELS" not in env  # an empty one is none
    assert capsys.readouterr().out == ""
    launch(lines, VIDEO_MAX_PIXELS="3136", FPS="4", VIDEO_MAX_TOKEN_NUM="9", OMP_NUM_THREADS="1")
    assert capsys.readouterr().out == (
        "train: the shell overrides the recipe: VIDEO_MAX_PIXELS=3136 (recipe: 7056), "
        "VIDEO_MAX_TOKEN_NUM=9 (recipe: unset)\n"
    )


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--report_to", "tensorboard", "no_tracker"], "--report_to no_tracker needs the package no_such_package"),
        (["--attn-impl", "fast"], "--attn_impl fast needs the package no_such_package, which is not installed: "),
    ],
)
def test_a_package_that_is_missing_is_named_before_anything_is_loaded(launch, monkeypatch, flags, problem):
    lacking = {"report_to": {"no_tracker": "no_such_package"}, "attn_impl": {"fast": "no_such_package"}}
    monkeypatch.setattr(preflight, "NEEDS", lacking)
    launch("dataset: a.jsonl\nreport_to: tensorboard")
    with pytest.raises(ValueError, match=problem):
        launch("dataset: a.jsonl", *flags)


def test_wandb_is_among_the_packages_that_are_looked_for():
    assert preflight.NEEDS["report_to"]["wandb"] == "wandb"


def test_a_row_that_is_too_long_is_named_before_anything_is_loaded(launch, rows, tiny_tokenizer):
    rows("word " * 20, "word " * 200)
    launch(STRICT + "500")
    with pytest.raises(
        ValueError, match=r"^a.jsonl:2: row 'r1' has at least 4\d\d tokens .*, max_length is 150: raise"
    ):
        launch(STRICT + "150")
    right = ["--truncation_strategy", "right"]
    for flags in (["--strict", "false"], right, ["--max_length", "500"]):
        launch(STRICT + "150", *flags)
    with pytest.raises(ValueError, match=r"at least (\d\d) tokens before its answer .* max_length is 30: raise"):
        launch(STRICT + "30", *right)  # nothing of an answer would be left
    launch(STRICT + "150", ANSWER_FORM="word")  # trained without the texts of the answers


def test_the_tokens_of_a_rows_media_count(launch, rows, tmp_path, tiny_tokenizer):
    rows("Real.", videos=["clip.mp4"])
    launch(STRICT + "4000")  # 10 frames of 1008 x 560, two at a time: 3600
    with pytest.raises(ValueError, match=r"^a.jsonl:1: .* 3600 of its media\), max_length is 3500"):
        launch(STRICT + "3500")
    launch(STRICT + "3500", VIDEO_MAX_PIXELS="200704")
    Image.new("RGB", (560, 280)).save(tmp_path / "a.png")
    rows("Real.", images=[str(tmp_path / "a.png")])
    launch(STRICT + "310")
    with pytest.raises(ValueError, match=r" 200 of its media\), max_length is 200"):
        launch(STRICT + "200")


def test_the_memory_for_a_frozen_tower_is_a_number_of_gb(launch):
    for stated in ("", "0", "8", "0.5"):
        launch("dataset: a.jsonl", VISION_CACHE=stated)
    with pytest.raises(ValueError, match=r"^VISION_CACHE must be how many GB each process may keep, .* got 'frames'"):
        launch("dataset: a.jsonl", VISION_CACHE="frames")


def test_data_that_contradict_the_training_are_refused_before_anything_is_loaded(launch, tmp_path):
    meta = {"box_space": "resized", "width": 1280, "height": 720, "duration": 5.0, "fps": 24.0}
    row = {"task": "deeptrace", "meta": meta | {"box_width": 1008, "box_height": 560}}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    launch("dataset: a.jsonl")
    with pytest.raises(ValueError, match=r"^a.jsonl:1: its box is stated .* 1008x560, the model sees 420x224"):
        launch("dataset: a.jsonl", VIDEO_MAX_TOKEN_NUM="64")


def test_boxes_are_trained_in_the_space_of_the_recipe_or_of_the_shell(launch, rows, capsys):
    rows("Real.", videos=["clip.mp4"])
    lines = "dataset: a.jsonl\nmodel_type: qwen2_5_vl\nENV: {BOX_SPACE: resized}"
    launch(lines)
    launch(lines, BOX_SPACE="pixel")
    assert "overrides the recipe: BOX_SPACE=pixel (recipe: resized)" in capsys.readouterr().out
    with pytest.raises(
        ValueError, match=r"^a.jsonl: qwen2_5_vl states boxes in resized, not in norm1000, which it doe"
    ):
        launch(lines, BOX_SPACE="norm1000")
    with pytest.raises(ValueError, match=r"^a.jsonl:1: unknown box space 'resize'; did you mean 'resized'"):
        launch(lines, BOX_SPACE="resize")


def test_the_least_that_a_clip_takes_of_videollama_3_counts(launch, rows, tiny_tokenizer):
    rows("Real.", videos=["clip.mp4"])
    lines = STRICT.replace("qwen2_5_vl", "videollama3")
    clip = {"CLIP_MAX_PIXELS": str(10 * 560 * 336)}  # 10 frames in 5 s, the first of 560 x 308 px
    launch(lines + "400", **clip)
    with pytest.raises(ValueError, match=r"^a.jsonl:1: .* 229 of its media\), max_length is 250"):
        launch(lines + "250", **clip)


def test_a_training_goes_on_under_the_vision_settings_that_it_was_begun_with(launch, tmp_path):
    lines, flags = "dataset: a.jsonl\nENV: {VIDEO_MAX_PIXELS: 7056}", ("--resume_from_checkpoint", "checkpoint-4")
    (tmp_path / "checkpoint-4").mkdir()
    launch(lines, *flags)  # whatever is no checkpoint of ours is told later
    recorded = {"VIDEO_MAX_PIXELS": "3136", "VIDEO_MAX_TOKEN_NUM": "4", "VIDEO_TOTAL_PIXELS": "90316800"}
    (tmp_path / "checkpoint-4" / "forensics.json").write_text(json.dumps({"vision": recorded}))
    launch(lines, *flags, VIDEO_MAX_PIXELS="3136")
    with pytest.raises(ValueError, match=r"^checkpoint-4 was trained with VIDEO_MAX_PIXELS=3136, now 7056: go on"):
        launch(lines, *flags)
    with pytest.raises(ValueError, match=r"with FPS=unset, now 2: go on"):
        launch(lines, *flags, VIDEO_MAX_PIXELS="3136", FPS="2")
    launch(lines, *flags, "--resume_only_model", "true")


def test_plug_ins_are_named_by_their_whole_path(launch, tmp_path):
    command = launch("dataset: a.jsonl\nexternal_plugins: plug/in.py", "--seed", "1").command
    assert command[3:] == ["--external_plugins", str(tmp_path / "plug" / "in.py"), "--seed", "1"]


def test_what_is_no_recipe_is_one_clear_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text, problem in (("a: [", "not YAML"), ("- a", "it has no ENV block"), ("ENV: 3", "it has no ENV block")):
        (tmp_path / "recipe.yaml").write_text(text)
        assert main([str(tmp_path / "recipe.yaml")]) == 2
        err = capsys.readouterr().err
        assert err.startswith("train: ")
        assert problem in err
        assert err.count("\n") == 1


def test_every_recipe_is_found_and_its_header_read(root, monkeypatch):
    monkeypatch.chdir(root)
    for path in sorted(Path("recipes").glob("*/*.yaml")):
        recipe = find_recipe(str(path), root)
        if "output_dir" in recipe.keys:
            assert {"data", "launch"} <= set(recipe.header), path


def dataset(folder: Path, kind: str = "images", *names: str) -> Path:
    """A converter's folder, as far as the launcher looks."""
    folder.mkdir(parents=True)
    for name in names or ("train", "val"):
        (folder / f"{name}.jsonl").write_text(f'{{"id":"1","{kind}":["/x"]}}\n')
    return folder


MIXED = "dataset: a.jsonl\nval_dataset: b.jsonl\noutput_dir: out\nmodel_type: qwen2_5_vl\nENV: {MAX_PIXELS: 7056}"


@pytest.mark.parametrize("given", ["{a} {b}#100", "'{a}' {b}/train.jsonl#100", "  {a}   {b}#100 "])
def test_several_datasets_make_a_mixture(launch, tmp_path, given):
    """Each with its validation rows, all of them; #N behind one takes so many of its rows for training."""
    a, b = dataset(tmp_path / "x"), dataset(tmp_path / "y")
    run = launch(MIXED, DATASET=given.format(a=a, b=b))
    assert run.command[3:] == [
        "--dataset",
        f"{a}/train.jsonl",
        f"{b}/train.jsonl#100",
        "--val_dataset",
        f"{a}/val.jsonl",
        f"{b}/val.jsonl",
    ]
    assert run.files("dataset") == [f"{a}/train.jsonl", f"{b}/train.jsonl"]


def test_a_folder_with_a_space_in_its_name_is_one_dataset(launch, tmp_path):
    dataset(tmp_path / "my photos")
    for given in ("my photos", "my photos#10", "'my photos' x"):
        dataset(tmp_path / "x") if given.endswith("x") else None
        found = launch(MIXED, DATASET=given).files("dataset")
        assert found[0] == f"{tmp_path}/my photos/train.jsonl"


def test_each_part_of_a_mixture_must_be_there_and_one_must_have_validation_rows(launch, tmp_path):
    dataset(tmp_path / "x")
    for name in ("y", "z"):
        dataset(tmp_path / name, "images", "train")
    for given, missing in (("x none#5", "none/train.jsonl"), ("y z", "y/val.jsonl"), ("z", "z/val.jsonl")):
        with pytest.raises(ValueError, match=f"no {tmp_path}/{missing}: run"):
            launch(MIXED, DATASET=given)
    assert launch(MIXED, DATASET="y x").command[-1] == f"{tmp_path}/x/val.jsonl"
    assert launch(MIXED, "--val_dataset", "b.jsonl", DATASET="y z").command[-2:] == ["--val_dataset", "b.jsonl"]


def test_media_whose_size_nothing_bounds_are_named_before_anything_starts(launch, tmp_path):
    dataset(tmp_path / "x")
    dataset(tmp_path / "clips", "videos")
    with pytest.raises(ValueError, match=r"clips/train.jsonl has videos, .* VIDEO_MAX_PIXELS \(VIDEO_MIN_PIXELS, FPS"):
        launch(MIXED, DATASET="x clips#4")
    launch(MIXED, DATASET="x clips#4", VIDEO_MAX_PIXELS="100352")
    launch(MIXED.replace("qwen2_5_vl", "llava1_5_hf"), DATASET="x clips")  # its own processor decides
    with pytest.raises(ValueError, match=r"x/train.jsonl has images, whose .* set MAX_PIXELS \(MIN_PIXELS\)"):
        launch(MIXED.replace("MAX_PIXELS", "VIDEO_MAX_PIXELS"), DATASET="clips x")


@pytest.mark.parametrize(
    ("flags", "env", "problem"),
    [
        (["--tuner_type", "full"], {"TUNER": "lora"}, "TUNER is set and --tuner_type is given"),
        (["--tiny"], {}, "--tiny is not for this recipe: `bash shell/quickstart.sh` trains a tiny model"),
    ],
)
def test_what_contradicts_is_refused(launch, flags, env, problem):
    with pytest.raises(ValueError, match=problem):
        launch("dataset: a.jsonl\noutput_dir: out", *flags, **env)


def test_a_flag_holds_against_a_variable_and_it_is_told(launch, capsys):
    lines = "dataset: a.jsonl\noutput_dir: out"
    run = launch(lines, "--dataset", "b.jsonl#3", "--output_dir=o", DATASET="a.jsonl", OUTPUT_DIR="p")
    assert (run.files("dataset"), str(run.output)) == (["b.jsonl"], "o")
    said = capsys.readouterr().out
    assert re.search(r"^train: --dataset of the command line holds, not \S*a.jsonl of the environment$", said, re.M)
    assert re.search(r"^train: --output_dir of the command line holds, not \S*p of the environment$", said, re.M)


def test_the_output_is_where_a_flag_says(launch):
    lines = "dataset: a.jsonl\noutput_dir: out"
    assert str(launch(lines, "--seed", "1", "--output_dir", "there").output) == "there"
    assert launch(lines, "--dataset", "b.jsonl#3", "a.jsonl").files("dataset") == ["b.jsonl", "a.jsonl"]


@pytest.mark.parametrize("flags", [["--use_cpu", "true"], ["--use_cpu=true"]])
def test_a_flag_counts_in_any_of_its_forms(launch, tmp_path, flags):
    assert launch("dataset: a.jsonl\noutput_dir: out", *flags).env["CUDA_VISIBLE_DEVICES"] == ""
    (tmp_path / "out" / "checkpoint-4").mkdir(parents=True)
    launch("dataset: a.jsonl\noutput_dir: out", *flags, "--resume_from_checkpoint=out/checkpoint-4")
    with pytest.raises(ValueError, match="TUNER is set and --tuner_type is given"):
        launch("dataset: a.jsonl\noutput_dir: new", *flags, "--tuner_type=lora", TUNER="lora")


def test_the_newest_checkpoint_is_a_whole_one_of_the_training(launch, tmp_path):
    for name in ("checkpoint-4", "checkpoint-4-merged", "checkpoint-8"):
        (tmp_path / "out" / name).mkdir(parents=True)
    for name in ("checkpoint-4", "checkpoint-4-merged"):
        (tmp_path / "out" / name / "forensics.json").write_text("{}")
    assert launch("output_dir: out", "--latest") == "out/checkpoint-4"
    assert launch("output_dir: other", "--latest", OUTPUT_DIR="out") == str(tmp_path / "out" / "checkpoint-4")


def test_an_image_or_a_tokenizer_that_cannot_be_read_is_no_traceback(launch, rows, tmp_path, tiny_tokenizer):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\x7f" * 17)
    rows("Real.", images=[str(tmp_path / "a.png")])
    launch(STRICT + "310")
    (tmp_path / "m" / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="tokenizer"):
        launch(STRICT + "310")


WITH, WITHOUT = '{"images": ["a.png"]}\n', '{"images": []}\n'


@pytest.mark.parametrize(
    ("a", "b", "flags", "hangs"),
    [
        (WITH + WITHOUT, "{}\n", "deepspeed: zero3\ntemplate: llava1_5_hf", True),
        (WITH, "{}\n", "deepspeed: zero3\ntemplate: llava1_5_hf", True),
        (WITH, WITH, "deepspeed: zero3\ntemplate: llava1_5_hf", False),
        (WITHOUT, "\n{}\n", "deepspeed: zero3\ntemplate: llava1_5_hf", False),
        (WITH, "{}\n", "template: llava1_5_hf", False),
        (WITH, "{}\n", "deepspeed: zero3\ntemplate: forensic_llava1_5", False),
    ],
)
def test_rows_without_media_are_told_of_where_ranks_would_wait_for_them(launch, tmp_path, a, b, flags, hangs):
    for name, text in (("a", a), ("b", b)):
        (tmp_path / f"{name}.jsonl").write_text(text)
    notes = launch(f"dataset: [a.jsonl, b.jsonl]\noutput_dir: out\n{flags}").notes
    assert any("training hangs" in note for note in notes) == hangs


# ------------------------------------------------------------------------------------------------------------- balance

DETECTED = "loss_scale: fakevlm\ndataset: [both.jsonl]\n"


@pytest.fixture
def both(launch, tmp_path):
    answers = ["This is a fake image. It is bent."] * 2 + ["This is a real image. It fits."]
    rows = [{"task": "fakevlm", "messages": [{"role": "assistant", "content": answer}]} for answer in answers]
    (tmp_path / "both.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return launch


def test_verdicts_are_balanced_by_how_often_the_data_state_them(both):
    run = both(DETECTED, BALANCE_VERDICTS="yes")
    assert (run.env["WEIGHT_FAKE"], run.env["WEIGHT_REAL"]) == ("0.75", "1.5")
    assert "balanced by WEIGHT_FAKE=0.75 WEIGHT_REAL=1.5" in " ".join(run.notes)
    assert "WEIGHT_FAKE" not in both(DETECTED).env


@pytest.mark.parametrize(
    ("recipe", "env", "reason"),
    [
        (DETECTED, {"BALANCE_VERDICTS": "maybe"}, "must be yes or no"),
        (DETECTED.replace("fakevlm", "default"), {"BALANCE_VERDICTS": "yes"}, "give --loss_scale a task's name"),
        (DETECTED, {"BALANCE_VERDICTS": "yes", "WEIGHT_REAL": "2"}, "WEIGHT_REAL is set"),
        (DETECTED.replace("both", "a"), {"BALANCE_VERDICTS": "yes"}, "nothing to balance"),
    ],
)
def test_what_cannot_be_balanced_is_refused(both, recipe, env, reason):
    with pytest.raises(ValueError, match=reason):
        both(recipe, **env)
