"""Published weights of VideoLLaMA 3 come into transformers' layout whole, or not at all."""

from __future__ import annotations

import json
import re
import shutil

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file, save_file

from swift_plugins import convert_videollama3
from swift_plugins.convert_videollama3 import main
from swift_plugins.core.videollama3 import CLIP_LIMITS, IMAGE_LIMITS

# Transformers' names -> those of the published weights.
OLD = (
    ("model.vision_model.", "model.vision_encoder."),
    ("model.projector.", "model.mm_projector."),
    ("model.language_model.", "model."),
)


def old_name(name):
    for new, old in OLD:
        if name.startswith(new):
            return old + name.removeprefix(new)
    return name


@pytest.fixture(scope="module")
def loaded():
    """A tiny VideoLLaMA 3 and its processor."""
    from swift_plugins.tiny_architectures import videollama3

    torch.manual_seed(0)
    return videollama3(["Where is it?"], 500)


def write_published(folder, model, processor, shards=3):
    """The folder in the published layout: its code, its flat settings, its shards."""
    folder.mkdir()
    tensors = {
        old_name(name): tensor.clone() for name, tensor in model.state_dict().items() if name != "lm_head.weight"
    }
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    names = [f"model-{i + 1:05d}-of-{shards:05d}.safetensors" for i in range(shards)]
    weight_map = {name: names[i % shards] for i, name in enumerate(tensors)}
    for shard in names:
        save_file({name: tensors[name] for name in tensors if weight_map[name] == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    text, vision = model.config.text_config.to_dict(), model.config.vision_config.to_dict()
    flat = text | {"model_type": "videollama3_qwen2", "vision_encoder_config": vision, "image_token_index": 151665}
    flat |= {"auto_map": {"AutoModelForCausalLM": "modeling.Model"}, "torch_dtype": "float32", "rope_theta": 10000.0}
    (folder / "config.json").write_text(json.dumps(flat, default=str))
    (folder / "modeling.py").write_text("raise SystemExit('code of the folder was run')")
    processor.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def published(tmp_path, loaded):
    return write_published(tmp_path / "published", *loaded)


def convert(src, out):
    return main(["--src", str(src), "--out", str(out)])


def test_the_converted_model_is_the_same_model(published, loaded, tmp_path, capsys):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    assert convert(published, tmp_path / "new") == 0
    said = capsys.readouterr().out
    assert re.search(r"will take [\d.]+ GB, [\d.]+ GB are free", said)
    model, processor = loaded
    new = AutoModelForImageTextToText.from_pretrained(tmp_path / "new").eval()
    assert set(new.state_dict()) == set(model.state_dict())
    ids = torch.arange(12)[None]
    with torch.no_grad():
        assert torch.allclose(new(input_ids=ids).logits, model.eval()(input_ids=ids).logits, atol=1e-5)
    assert [path.name for path in (tmp_path / "new").glob("*.py")] == []
    written = AutoProcessor.from_pretrained(tmp_path / "new")
    assert dict(written.video_processor.size) | CLIP_LIMITS == dict(written.video_processor.size)
    assert dict(written.image_processor.size) | IMAGE_LIMITS == dict(written.image_processor.size)
    assert (written.image_processor.merge_size, written.video_processor.merge_size) == (1, 2)
    assert written.tokenizer.get_vocab() == processor.tokenizer.get_vocab()
    assert new.config.video_token_id == written.tokenizer.convert_tokens_to_ids("<|video_pad|>")


def test_one_file_is_a_model_too(tmp_path, loaded):
    src = write_published(tmp_path / "published", *loaded, shards=1)
    (src / "model-00001-of-00001.safetensors").rename(src / "model.safetensors")
    (src / "model.safetensors.index.json").unlink()
    assert convert(src, tmp_path / "new") == 0
    assert len(load_file(tmp_path / "new" / "model.safetensors")) == len(loaded[0].state_dict()) - 1


def change_shard(src, change):
    path = src / "model-00001-of-00003.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def renamed(src):
    change_shard(src, lambda tensors: tensors.update({"model.visual.weight": tensors.pop(min(tensors))}))


def reshaped(src):
    change_shard(src, lambda tensors: tensors.update({min(tensors): torch.zeros(3, 3)}))


def dropped(src):
    change_shard(src, lambda tensors: tensors.pop(min(tensors)))


def torn(src):
    path = src / "model-00002-of-00003.safetensors"
    path.write_bytes(path.read_bytes()[:-40])


def another_tokenizer(src):
    text = (src / "tokenizer.json").read_text().replace("<|video_pad|>", "<|movie_pad|>")
    (src / "tokenizer.json").write_text(text)


def outside(src):
    index = json.loads((src / "model.safetensors.index.json").read_text())
    index["weight_map"] |= {"model.norm.weight": "../other.safetensors"}
    (src / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda src: (src / "config.json").unlink(), "config.json is missing"),
        (lambda src: (src / "config.json").write_text('{"model_type": "qwen2_vl"}'), "not a published VideoLLaMA 3"),
        (lambda src: (src / "config.json").write_text("{"), "not a JSON object"),
        (lambda src: (src / "model-00003-of-00003.safetensors").unlink(), "lacks model-00003-of-00003.safetensors"),
        (renamed, r"1 tensor\(s\) unknown or doubled: model.visual.weight"),
        (reshaped, r"1 tensor\(s\) of another shape: .* \(3, 3\), expected"),
        (dropped, r"1 tensor\(s\) missing: model\."),
        (torn, "was not downloaded whole"),
        (another_tokenizer, "is not this model's: it has "),
        (outside, "names files in other folders"),
    ],
)
def test_what_is_no_whole_model_is_one_line_and_leaves_nothing(published, tmp_path, capsys, spoil, problem):
    spoil(published)
    assert convert(published, tmp_path / "out" / "new") == 2
    error = capsys.readouterr().err
    assert re.search(problem, error), error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_pickled_weights_are_not_read(published, tmp_path, capsys):
    for path in published.glob("*.safetensors*"):
        path.unlink()
    (published / "pytorch_model.bin").write_bytes(b"x")
    assert convert(published, tmp_path / "new") == 2
    assert "can run code" in capsys.readouterr().err


def test_a_disk_that_fills_up_or_a_kill_leaves_no_half_model(published, tmp_path, capsys, monkeypatch):
    def full(places, out):
        (out / "half.safetensors").write_bytes(b"x")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(convert_videollama3, "write_weights", full)
    (tmp_path / "out" / ".new.half").mkdir(parents=True)  # of a run that was killed
    assert convert(published, tmp_path / "out" / "new") == 2
    assert "No space left" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(published, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 1000))
    assert convert(published, tmp_path / "out" / "new") == 2
    assert "too full: make room for" in capsys.readouterr().err


def test_what_is_there_is_left_alone(published, tmp_path, capsys):
    (tmp_path / "new").mkdir()
    assert convert(published, tmp_path / "new") == 2
    assert "exists already" in capsys.readouterr().err
