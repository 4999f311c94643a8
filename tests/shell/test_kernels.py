"""What a launcher makes of the machine: how rows lie together, by which attention, liger; it tells what cannot be."""

from pathlib import Path

import pytest

from swift_plugins.core import kernels
from swift_plugins.core.kernels import use_flash, use_liger, use_packing
from swift_plugins.core.preflight import check_packages
from swift_plugins.core.runs import Recipe, Run, find_recipe
from tests.launcher import Project

KEYS = {
    "template": "forensic_qwen2_5_vl",
    "model_type": "qwen2_5_vl",
    "max_length": 1000,
    "per_device_train_batch_size": 4,
}
FREE = ["--attn_impl", "flash_attn", "--padding_free", "true"]
OWN = ["--attn_impl", "torch_flash", *FREE[2:]]
PACKED = ["--packing", "true", "--per_device_train_batch_size", "1"]
GROUPED = ["--group_by_length", "true"]


def install(folder: Path, name: str, monkeypatch, code: str = "") -> None:
    """A package of that name, as far as it is looked for."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(code)
    (folder / f"{name}-2.8.3.dist-info").mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 2.8.3\n"
    (folder / f"{name}-2.8.3.dist-info" / "METADATA").write_text(metadata)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.fixture
def flash(tmp_path, monkeypatch):
    install(tmp_path, "flash_attn", monkeypatch)


def made(use, *extra: str, keys=None, torch_flash=False, **env: str) -> tuple[list[str], str]:
    """(the flags, what is told) of a recipe with these further keys, on GPUs with PyTorch's flash-attention or not."""
    run = Run(Recipe("recipe.yaml", KEYS | (keys or {}), {}), extra, Path(), [], env, torch_flash=torch_flash)
    use(run)
    return run.flags, "\n".join(run.notes)


def laid(run: Run) -> None:
    """Which attention, and how rows lie by it."""
    use_flash(run)
    use_packing(run)


def test_with_flash_attention_rows_lie_one_behind_another_unless_asked_otherwise(flash):
    flags, told = made(laid)
    assert (flags, told.count("\n")) == (FREE, 0)
    assert "none is padded (PACKING=no pads them)" in told
    assert made(laid, PACKING="padding_free") == (flags, told)
    assert made(laid, keys={"ENV": {"PACKING": "no"}}) == (FREE[:2], "")
    assert made(laid, "--attn_impl", "flash_attention_3")[0] == FREE[2:]


def test_packs_take_the_place_of_a_devices_batch(flash):
    flags, told = made(laid, keys={"gradient_accumulation_steps": 8}, PACKING="packing")
    assert flags == [*FREE[:2], *PACKED]
    assert "rows are packed, up to 1000 tokens: a step of a device takes what fits, not 4 x 8 rows; how many" in told
    assert "up to 3000 tokens" in made(laid, "--packing_length", "3000", PACKING="packing")[1]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({}, "flash-attention is not installed (package flash-attn), and PyTorch's own needs NVIDIA GPUs of comp"),
        ({"attn_impl": "sdpa"}, "--attn_impl sdpa is no flash-attention"),
        ({"torch_dtype": "float32"}, "flash-attention has no kernels for float32"),
        ({"template": "qwen2_5_vl"}, "the template qwen2_5_vl is none of this project"),
        ({"model_type": "qwen3_5"}, "Qwen3.5's linear attention keeps them apart by flash-linear-attention"),
        ({"task_type": "seq_cls"}, "a head reads the last token of each"),
    ],
)
def test_what_cannot_be_is_padded_or_grouped_by_length_and_told_in_a_line(tmp_path, monkeypatch, keys, reason):
    if reason.startswith(("the", "Qwen", "a head", "flash-attention has")):
        install(tmp_path, "flash_attn", monkeypatch)
    flags, told = made(laid, keys=keys)
    assert "--padding_free" not in flags
    assert told.startswith(reason)
    assert told.endswith("rows are padded to the longest of a batch")
    if keys != {"attn_impl": "sdpa"}:
        flags, told = made(laid, keys=keys, PACKING="packing")
        assert (flags[-2:], "--packing" in flags) == (GROUPED, False)
        assert told.startswith(reason)
        assert told.endswith("rows of like length make a batch, in place of packs")


def test_an_attention_that_was_installed_for_another_torch_is_told(tmp_path, monkeypatch):
    install(tmp_path, "flash_attn", monkeypatch, "raise ImportError('undefined symbol: _ZN3c105Error')")
    flags, told = made(laid)
    assert flags == []
    assert told.startswith("flash-attn does not load: ImportError: undefined symbol: _ZN3c105Error, and PyTorch's own ")
    assert made(laid, torch_flash=True)[0] == OWN


def test_without_the_package_pytorchs_own_flash_attention_is_taken(tmp_path, monkeypatch):
    flags, told = made(laid, torch_flash=True)
    assert flags == OWN
    assert "none is padded" in told
    assert made(laid, torch_flash=True, PACKING="packing")[0] == [*OWN[:2], *PACKED]
    assert made(laid, torch_flash=True, PACKING="no") == (OWN[:2], "")
    assert made(laid, "--attn_impl", "sdpa", torch_flash=True)[0] == []
    assert made(laid, "--attn_impl", "torch_flash", torch_flash=True)[0] == OWN[2:]
    with pytest.raises(ValueError, match="--attn_impl torch_flash needs NVIDIA GPUs of compute capability 8 "):
        made(laid, "--attn_impl", "torch_flash")
    assert made(laid, keys={"template": "qwen2_5_vl"}, torch_flash=True)[0] == []
    for cannot in ({"use_cpu": True}, {"torch_dtype": "float32"}):
        assert "--attn_impl" not in made(laid, keys=cannot, torch_flash=True)[0]
    assert made(laid, keys={"model_type": "qwen3_5"}, torch_flash=True)[0] == OWN[:2]  # of some layers
    install(tmp_path, "flash_attn", monkeypatch)
    assert made(laid, torch_flash=True)[0] == FREE


def test_transformers_own_attention_masks_rows_where_it_is_asked_for():
    """On a CPU, or by name: the mask takes the square of the tokens."""
    cpu = {"use_cpu": True}
    assert made(use_packing, keys=cpu) == ([], "")
    assert made(use_packing, keys=cpu, PACKING="padding_free")[0] == FREE[2:]
    assert made(use_packing, "--attn_impl", "sdpa", PACKING="packing")[0] == PACKED


@pytest.mark.parametrize(("extra", "env"), [([], {"PACKING": "packing"}), (["--group_by_length", "true"], {})])
def test_processes_that_work_lengths_out_have_one_thread(flash, extra, env):
    run = Run(Recipe("recipe.yaml", KEYS, {}), extra, Path(), [], env)
    use_packing(run)
    assert run.env["OMP_NUM_THREADS"] == "1"


def test_flags_hold_and_what_contradicts_is_refused(flash):
    assert made(use_packing, "--padding_free", "true", "--attn_impl", "sdpa") == ([], "")
    with pytest.raises(ValueError, match="PACKING is set and --group_by_length is given: leave out one of them"):
        made(use_packing, "--group_by_length", "true", PACKING="packing")
    with pytest.raises(ValueError, match="PACKING must be padding_free, packing or no, got yes"):
        made(use_packing, PACKING="yes")


def test_liger_is_used_where_it_is_installed_and_has_the_loss(tmp_path, monkeypatch):
    assert made(use_liger) == ([], "")
    install(tmp_path, "liger_kernel", monkeypatch)
    flags, told = made(use_liger)
    assert flags == ["--use_liger_kernel", "true"]
    assert "--use_liger_kernel false leaves them out" in told
    assert made(use_liger, "--loss_scale", "default")[0] == flags
    assert made(use_liger, "--use_liger_kernel", "false") == ([], "")
    assert made(use_liger, keys={"model_type": "videollama3"}) == ([], "")
    scaled = {"loss_scale": "deeptrace", "ENV": {"WEIGHT_BBOX": 1}}
    assert made(use_liger, keys=scaled)[0] == ["--loss_scale", "default", *flags]
    assert "--loss_scale deeptrace is a loss" in made(use_liger, keys=scaled, WEIGHT_FAKE="2")[1]
    for own in (("--loss_type", "forensics"), ("--loss_scale", "deeptrace"), ("--enable_channel_loss", "true")):
        assert made(use_liger, *own) == ([], f"liger is left out: {' '.join(own)} is a loss that it does not have")


def test_liger_that_is_asked_for_must_be_there():
    with pytest.raises(
        ValueError, match="--use_liger_kernel true needs the package liger_kernel, which is not install"
    ):
        check_packages(lambda flag: ["true"] if flag == "use_liger_kernel" else [])


def test_a_launcher_hands_it_all_on(tmp_path, monkeypatch):
    project = Project(tmp_path / "project")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "train.jsonl").write_text("{}\n")
    (tmp_path / "x" / "val.jsonl").write_text("{}\n")
    run = {"DATASET": str(tmp_path / "x"), "GPUS": "8"}
    _, flags, _ = project.ran("train_deeptrace.sh", **run)
    assert not {"--attn_impl", "--padding_free", "--packing"} & flags.keys()
    _, flags, _ = project.ran("train_deeptrace.sh", FLASH="True", **run)
    assert (flags["--attn_impl"], flags["--padding_free"]) == ("torch_flash", "true")
    for name in ("flash_attn", "liger_kernel"):
        install(tmp_path, name, monkeypatch)
    _, flags, env = project.ran("train_deeptrace.sh", PACKING="packing", **run)
    assert flags.items() >= {("--packing", "true"), ("--per_device_train_batch_size", "1")}
    assert (flags["--attn_impl"], flags["--use_liger_kernel"], env["OMP_NUM_THREADS"]) == ("flash_attn", "true", "1")


def test_kernels_of_every_base_are_named():
    """A recipe's model type is one of those for which liger has kernels, or VideoLLaMA 3."""
    root = Path(kernels.__file__).resolve().parents[2]
    trained = [find_recipe(str(path), root) for path in root.glob("recipes/*/*.yaml")]
    kinds = {recipe.keys["model_type"] for recipe in trained if "dataset" in recipe.keys}
    assert kinds == {*kernels.LIGER, "videollama3"}
