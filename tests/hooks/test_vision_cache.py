"""Media under a frozen tower are seen once, and the losses and gradients are those of seeing them each time."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from converters.sample_deeptrace import write_mp4
from swift_plugins.core.memory import bytes_allowed, bytes_of, left_over
from swift_plugins.core.speed import told as described
from tests.launcher import losses

torch = pytest.importorskip("torch")

QUESTION, ANSWER = "Is it real?", "This is a fake image. The skin melts."
# architecture -> its model_type and template in ms-swift, and whether it is shown clips here
BASES = {
    "qwen2_5_vl": ("qwen2_5_vl", "forensic_qwen2_5_vl", True),
    "qwen3_vl": ("qwen3_vl", "forensic_qwen3_vl", True),
    "qwen3_5": ("qwen3_5", "forensic_qwen3_5", True),
    "videollama3": ("videollama3", "forensic_videollama3", True),
    "internvl": ("internvl", "forensic_internvl", False),
    "llava1_5": ("llava1_5_hf", "forensic_llava1_5", False),
}
SETTINGS = {
    "MAX_PIXELS": "7056",
    "MIN_PIXELS": "784",
    "VIDEO_MAX_PIXELS": "7056",
    "VIDEO_MIN_PIXELS": "784",
    "FPS": "2",
    "FPS_MAX_FRAMES": "8",
}


# ----------------------------------------------------------------------------------------------------- how much is kept


@pytest.mark.parametrize(("stated", "found"), [("", 0), ("0", 0), ("8", 8_000_000_000), ("0.5", 500_000_000)])
def test_the_bound_is_stated_in_gb(stated, found):
    assert bytes_of(stated) == found


@pytest.mark.parametrize("stated", ["yes", "-1", "nan", "inf", "8GB"])
def test_what_is_no_number_of_gb_is_refused(stated):
    with pytest.raises(ValueError, match="VISION_CACHE must be how many GB each process may keep, 0 for none, got"):
        bytes_of(stated)


def test_no_more_is_kept_than_half_of_what_a_job_has_left(tmp_path, monkeypatch):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 99 kB\nMemAvailable:   64000000 kB\n")
    (tmp_path / "proc/self/cgroup").write_text("4:memory:/old\n0::/slurm/job_7/step_0\n")
    step = tmp_path / "sys/fs/cgroup/slurm/job_7/step_0"
    step.mkdir(parents=True)
    assert left_over(tmp_path) == 65_536_000_000
    (step / "memory.max").write_text("max\n")
    (step.parent / "memory.max").write_text("32000000000\n")
    assert left_over(tmp_path) == 32_000_000_000
    assert left_over(tmp_path / "none") == float("inf")
    monkeypatch.setattr("swift_plugins.core.memory.left_over", lambda: 32e9)
    monkeypatch.setenv("VISION_CACHE", "10")
    assert bytes_allowed() == 10_000_000_000
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert bytes_allowed() == 8_000_000_000


# ----------------------------------------------------------------------------------------------------------- the models


@pytest.fixture(scope="module")
def hook():
    pytest.importorskip("swift")
    from swift_plugins import register  # noqa: F401
    from swift_plugins.hooks import vision_cache

    return vision_cache


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """a to d, pictures of three sizes, of which c and d differ in one pixel; v and w, clips."""
    folder, draw = tmp_path_factory.mktemp("media"), np.random.default_rng(0)
    found = {name: str(folder / f"{name}.{'png' if name in 'abcd' else 'mp4'}") for name in "abcdvw"}
    for name, size in (("a", (60, 90)), ("b", (84, 56)), ("c", (84, 84))):
        Image.fromarray(draw.integers(0, 256, (*size, 3), np.uint8)).save(found[name])
    other = Image.open(found["c"])
    other.putpixel((30, 30), tuple(255 - value for value in other.getpixel((30, 30))))
    other.save(found["d"])
    for name in "vw":
        frames = draw.integers(0, 256, (8, 8, 8, 3), np.uint8).repeat(8, 1).repeat(8, 2)
        write_mp4(found[name], list(frames), 4)
    return found


class Tiny:
    """A tiny model with a frozen tower and aligner, as training has it, and the template that feeds it."""

    def __init__(self, hook, folder, architecture, media):
        from swift.model import get_model_processor
        from swift.template import get_template

        from swift_plugins.tiny_model import build

        kind, template, self.clips = BASES[architecture]
        build(folder, [ANSWER, QUESTION], vocab_size=500, architecture=architecture)
        self.model, processor = get_model_processor(str(folder), model_type=kind, torch_dtype=torch.float32)
        self.template = get_template(processor, template_type=template)
        self.template.set_mode("train")
        self.template.model = self.model
        self.template.register_post_encode_hook([self.model])
        self.media, self.model = media, self.model.train()
        arch = self.model.model_meta.model_arch
        names = (*arch.vision_tower, *arch.aligner)
        self.tower = [weight for name in names for weight in self.model.get_submodule(name).parameters()]
        for weight in self.tower:
            weight.requires_grad_(False)
        self.hook = hook

    def frozen(self, **trainer):
        return self.hook.FrozenVision(
            SimpleNamespace(template=self.template, model=self.model, is_fsdp_enabled=False, **trainer)
        )

    def step(self, *rows):
        """(loss, gradients by weight) of a batch; a row is named by its media, such as "ab" or "v"."""
        batch = self.template.data_collator([self.encoded(row) for row in rows])
        labels, _ = batch.pop("labels"), batch.pop("text_position_ids", None)  # as the trainer takes them out
        self.model.zero_grad()
        logits = self.model(**{key: value for key, value in batch.items() if value is not None}).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), labels[:, 1:], ignore_index=-100)
        loss.backward()
        return loss.item(), {n: w.grad.clone() for n, w in self.model.named_parameters() if w.grad is not None}

    def encoded(self, row):
        from swift.template import TemplateInputs

        images = [self.media[name] for name in row if name in "abcd"]
        videos = [self.media[name] for name in row if name in "vw"]
        tags = "".join("<image>" if name in "abcd" else "<video>" for name in row)
        messages = [{"role": "user", "content": tags + QUESTION}, {"role": "assistant", "content": ANSWER}]
        row = {"messages": messages, "images": images, "videos": videos}
        return self.template.encode(TemplateInputs.from_dict(row), return_length=True)


@pytest.fixture(scope="module")
def tiny(hook, media, tmp_path_factory):
    """A function that makes the tiny model of an architecture, once."""
    made = {}

    def make(architecture="qwen2_5_vl"):
        if architecture not in made:
            made[architecture] = Tiny(hook, tmp_path_factory.mktemp("tiny") / architecture, architecture, media)
        return made[architecture]

    return make


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    for name, value in (SETTINGS | {"VISION_CACHE": "1"}).items():
        monkeypatch.setenv(name, value)


def same(ours, theirs):
    assert ours[0] == pytest.approx(theirs[0], abs=1e-5)
    assert ours[1].keys() == theirs[1].keys()
    assert all(torch.allclose(ours[1][name], theirs[1][name], atol=1e-5) for name in theirs[1])


BATCHES = [("a", "b"), ("b", "a"), ("c", "ab", "d"), ("", "d", "d"), ("ca",)]
CLIPS = [("v", "a"), ("wv", "b"), ("w", "vd", "")]


@pytest.mark.slow
@pytest.mark.parametrize("architecture", BASES)
def test_losses_and_gradients_are_those_of_seeing_each_time(tiny, architecture):
    """All new, all kept, some of either in a batch, none; several in a row, the same one twice, and clips."""
    one = tiny(architecture)
    batches = BATCHES + (CLIPS if one.clips else [])
    plain = [one.step(*rows) for rows in batches]
    frozen = one.frozen()
    try:
        cached = [one.step(*rows) for rows in batches]
    finally:
        frozen.end()
    for ours, theirs in zip(cached, plain, strict=True):
        same(ours, theirs)
    found = frozen.cache.summary()
    assert 0 < found["computed"] < found["media"]
    again = one.step(*batches[0])
    assert frozen.cache.summary() == found  # it is over
    same(again, plain[0])


def kept(one, step=("a", "b")):
    """(what is counted after a step and another of the same rows, the loss of the second)."""
    frozen = one.frozen()
    try:
        one.step(*step)
        found = one.step(*step)
    finally:
        frozen.end()
    return frozen.cache and frozen.cache.summary(), found


@pytest.mark.slow
@pytest.mark.parametrize("change", ["written", "past autograd", "replaced"])
def test_a_changed_weight_is_noticed(tiny, change):
    one = tiny()
    frozen, weight = one.frozen(), max(one.tower, key=torch.numel)
    before = weight.detach().clone()
    try:
        old = one.step("a", "b")
        with torch.no_grad():
            if change == "written":
                weight.neg_()  # the norm stays
            elif change == "past autograd":
                weight.data += 0.1
            else:
                weight.data = -before
        changed = one.step("a", "b")
    finally:
        frozen.end()
    assert frozen.cache.summary()["computed"] == 4
    same(changed, one.step("a", "b"))
    assert abs(changed[0] - old[0]) > 1e-4
    weight.data = before


@pytest.mark.slow
def test_a_tower_that_is_trained_is_seen_each_time(tiny, caplog):
    """From the beginning, or from some step on; each alone, for both are needed."""
    one = tiny()
    merger = set(map(id, one.model.model.visual.merger.parameters()))
    for weight in (one.tower[0], next(weight for weight in one.tower if id(weight) in merger)):
        plain, frozen = one.step("a", "b"), one.frozen()
        weight.requires_grad_(True)
        try:
            one.step("a", "b")
            trained = one.step("a", "b")
            assert trained[1].keys() - plain[1].keys()
            assert frozen.cache.summary()["computed"] == 4
            frozen.end()
            same(trained, one.step("a", "b"))
            caplog.clear()
            assert one.frozen().cache is None
            assert "the vision tower or the aligner is trained; it needs freeze_vit and freeze_aligner" in caplog.text
        finally:
            weight.requires_grad_(False)


@pytest.mark.slow
def test_where_processes_or_draws_must_run_the_tower_it_has_no_effect(tiny, hook, monkeypatch, caplog):
    one = tiny()
    tower = one.model.model.visual.config
    assert one.frozen().end() is None
    for name, change, reason in (
        ("VISION_CACHE", lambda: monkeypatch.setenv("VISION_CACHE", "0"), None),
        ("zero3", lambda: monkeypatch.setattr(hook, "is_deepspeed_zero3_enabled", lambda: True), "under ZeRO-3"),
        ("dropout", lambda: monkeypatch.setattr(tower, "attn_drop", 0.1, raising=False), "drop"),
        ("another", lambda: monkeypatch.setattr(one.model.config, "model_type", "other"), "it is there for qwen2_5_vl"),
    ):
        caplog.clear()
        change()
        assert one.frozen().cache is None, name
        assert (reason or "") in caplog.text
        assert caplog.text.count("has no effect") == (reason is not None)
        monkeypatch.undo()
        monkeypatch.setenv("VISION_CACHE", "1")


@pytest.mark.slow
def test_no_more_is_kept_than_is_allowed(tiny, monkeypatch):
    one = tiny()
    plain, found = one.step("a", "b"), kept(one)[0]
    assert found["computed"] == 2
    of_both = 2 * 9 * 128 * 4  # at most 9 tokens of 128 float32 each
    monkeypatch.setenv("VISION_CACHE", str(0.6 * of_both / 1e9))
    found, again = kept(one)
    assert (found["media"], found["computed"]) == (4, 3)
    same(again, plain)


@pytest.mark.slow
def test_what_is_kept_under_mixed_precision_or_without_gradients_serves_nothing_else(tiny):
    one = tiny()
    plain, frozen = one.step("a", "b"), one.frozen()
    try:
        with torch.autocast("cpu", torch.bfloat16):
            mixed = one.step("a", "b")
        with torch.inference_mode():
            one.model(**{k: v for k, v in one.template.data_collator([one.encoded("c")]).items() if k != "labels"})
        same(one.step("a", "b"), plain)
        one.step("c")  # its features were made where no gradient is possible
        with torch.autocast("cpu", torch.bfloat16):
            assert one.step("a", "b")[0] == pytest.approx(mixed[0], abs=1e-6)
    finally:
        frozen.end()
    assert frozen.cache.summary()["computed"] == 2 + 1 + 2


# ------------------------------------------------------------------------------------------------------ a real training


@pytest.mark.slow
def test_adapters_are_trained_alike_by_the_real_trainer(hook, media, root, tmp_path, monkeypatch):
    """LoRA on all linear layers but the frozen ones, with gradient checkpointing, rows one behind another."""
    from swift.pipelines import sft_main

    from swift_plugins.tiny_model import build

    build(tmp_path / "model", [ANSWER, QUESTION], vocab_size=500, architecture="qwen3_vl")
    rows = [
        {
            "messages": [{"role": "user", "content": "<image>" * len(row) + QUESTION}, said(row)],
            "images": [media[name] for name in row],
        }
        for row in ["a", "b", "c", "d", "ab", "ca", "a", "b"] * 2
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = {
        "model": tmp_path / "model",
        "model_type": "qwen3_vl",
        "template": "forensic_qwen3_vl",
        "external_plugins": root / "swift_plugins" / "register.py",
        "callbacks": "forensics",
        "tuner_type": "lora",
        "target_modules": "all-linear",
        "freeze_vit": "true",
        "torch_dtype": "float32",
        "bf16": "false",
        "use_cpu": "true",
        "dataset": tmp_path / "rows.jsonl",
        "check_model": "false",
        "strict": "true",
        "padding_free": "true",
        "max_steps": 4,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 1,
        "learning_rate": 1e-2,
        "logging_steps": 1,
        "save_strategy": "no",
        "add_version": "false",
        "report_to": "none",
        "dataloader_num_workers": 0,
    }
    found = {}
    for room in ("0", "1"):
        monkeypatch.setenv("VISION_CACHE", room)
        given = flags | {"output_dir": tmp_path / room}
        sft_main([str(word) for key, value in given.items() for word in (f"--{key}", value)])
        found[room] = losses(tmp_path / room)
    assert found["1"] == pytest.approx(found["0"], abs=1e-4)
    assert found["1"][4] < found["1"][1]
    told = json.loads((tmp_path / "1" / "speed.json").read_text())
    assert (told["vision_cache"]["media"], told["vision_cache"]["computed"]) == (20, 4)
    assert "vision computed 4 times for 20 media" in described(told)
    plain = json.loads((tmp_path / "0" / "speed.json").read_text())
    assert "vision_cache" not in plain
    assert told["per_row"]["patches"] == pytest.approx(plain["per_row"]["patches"] * 4 / 20, rel=0.3)


def said(row):
    return {"role": "assistant", "content": ANSWER if "a" in row else "This is a real image."}
