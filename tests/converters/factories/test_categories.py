"""The category of an image that none is given for: found once, kept, and never guessed anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from converters.factories import categories
from converters.factories.categories import TEXTS, classify
from converters.factories.running import Pictured
from swift_plugins.core.records import sha256_file

COLOURS = {"red": "animal", "green": "object", "blue": "human"}


@pytest.fixture
def pictured(tmp_path) -> list[Pictured]:
    found = []
    for name in COLOURS:
        path = tmp_path / f"{name}.png"
        Image.new("RGB", (8, 8), name).save(path)
        found.append(Pictured("rows:1", {"id": name}, str(path), sha256_file(path), (8, 8)))
    return found


def by_colour(images, candidate_labels, hypothesis_template):
    """A classifier that tells by the colour, in the form of transformers' pipeline."""
    assert hypothesis_template == "{}"
    names = [{"red": 0, "green": 1, "blue": 2}[min(COLOURS, key=lambda c: _far(image, c))] for image in images]
    return [[{"label": candidate_labels[name], "score": 0.75}] for name in names]


def _far(image: Image.Image, name: str) -> float:
    other = Image.new("RGB", (1, 1), name).getpixel((0, 0))
    return sum(abs(a - b) for a, b in zip(image.getpixel((0, 0)), other, strict=True))


def test_what_is_found_is_kept_and_read_by_the_whole_of_the_shards(pictured, tmp_path, monkeypatch):
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "config.json").write_text("{}")
    monkeypatch.setattr(categories, "_load", lambda folder: by_colour)
    part, whole = tmp_path / "categories.1-of-2.jsonl", tmp_path / "categories.jsonl"
    assert classify(tmp_path / "clip", pictured[:2], [part]) == {"red": ("animal", 0.75), "green": ("object", 0.75)}
    loaded = []
    monkeypatch.setattr(categories, "_load", lambda folder: loaded.append(folder) or by_colour)
    found = classify(tmp_path / "clip", pictured, [whole, part])
    assert {name: category for name, (category, _) in found.items()} == COLOURS
    assert len(whole.read_text().splitlines()) == 1
    assert classify(tmp_path / "clip", pictured, [whole, part]) == found
    assert len(loaded) == 1, "with nothing to find nothing is loaded"
    (tmp_path / "clip" / "config.json").write_text('{"other": 1}')
    with pytest.raises(ValueError, match="classifier differ"):
        classify(tmp_path / "clip", pictured, [whole, part])


def test_a_folder_that_would_run_code_is_not_loaded(pictured, tmp_path):
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ValueError, match="is a pickle"):
        classify(tmp_path / "clip", pictured, [tmp_path / "categories.jsonl"])


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """A tiny random CLIP in the layout in which transformers publishes one."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("clip") / "clip"
    words = sorted({word for text in TEXTS for word in text.replace(",", " ,").split()})
    vocabulary = {word: i for i, word in enumerate(["<|startoftext|>", "<|endoftext|>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<|endoftext|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **ends)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"vocab_size": len(vocabulary), "max_position_embeddings": 32, "eos_token_id": 1, "bos_token_id": 0}
    config = CLIPConfig(
        text_config=sizes | ids | {"pad_token_id": 1},
        vision_config=sizes | {"image_size": 16, "patch_size": 8},
        projection_dim=8,
    )
    CLIPModel(config).save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    CLIPProcessor(images, fast).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_clip_of_transformers_names_one_of_the_four(clip, pictured, tmp_path):
    found = classify(clip, pictured, [tmp_path / "categories.jsonl"])
    assert {category for category, _ in found.values()} <= {*TEXTS.values()}
    assert all(0.25 <= score <= 1 for _, score in found.values())
    lines = [json.loads(line) for line in (tmp_path / "categories.jsonl").read_text().splitlines()]
    assert [line["id"].split("#")[0] for line in lines] == [*COLOURS]
