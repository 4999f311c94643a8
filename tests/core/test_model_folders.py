"""A folder of a model is data: every way in which one could run code, unpickle or name a hub is refused by its file."""

from __future__ import annotations

import json
import os

import pytest

from swift_plugins.core.model_folders import base_of, inspect, model_files, states_of

LORA = {"peft_type": "LORA", "auto_mapping": None, "megatron_config": None, "base_model_name_or_path": "org/base"}


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return folder


MODEL = {
    "config.json": {"model_type": "qwen2_5_vl", "attn_implementation": "paged|sdpa", "auto_map": {}},
    "tokenizer.json": {"model": {"vocab": {"auto_map": 7, "custom_generate": 8}}},
    "model.safetensors": b"x",
    "model.safetensors.index.json": {"weight_map": {"a": "model-00001-of-00002.safetensors"}},
    "args.json": {"external_plugins": ["swift_plugins/register.py"], "attn_impl": None},
    "trainer_state.json": {"log_history": [{"loss": float("nan")}]},
    "forensics.json": {"vision": {"FPS": "4"}, "data": [{"task": "deeptrace"}], "global_step": 3},
    "modules.json": [{"idx": 0, "type": "sentence_transformers.models.Transformer", "path": ""}],
    "optimizer.pt": b"x",
    "rng_state_3.pth": b"x",
    "training_args.bin": b"x",
    "global_step3/mp_rank_00_model_states.pt": b"x",
    "zero_to_fp32.py": b"x",
}


def test_what_training_writes_passes(tmp_path):
    inspect(write(tmp_path / "model", MODEL))
    inspect(write(tmp_path / "adapter", {"adapter_config.json": LORA, "additional_config.json": {"lora_dtype": None}}))


REFUSED = {
    "a layout of its own": (
        {"config.json": {"auto_map": {"AutoConfig": "e.E"}, "model_type": "videollama3_qwen2"}},
        "python swift_plugins/convert_videollama3.py --src",
    ),
    "custom generate": ({"custom_generate/generate.py": b""}, "generate.py wants to run code of its own"),
    "custom generate below": ({"sub/custom_generate/generate.py": b""}, "generate.py wants to run code of its own"),
    "auto map": ({"config.json": {"auto_map": {"AutoConfig": "e.E"}}}, "config.json: auto_map wants to run code"),
    "nested auto map": ({"config.json": {"text_config": {"auto_map": {"A": "e.E"}}}}, "auto_map wants to run code"),
    "auto map in a list": ({"x.json": [[{"auto_map": {"A": "e.E"}}]]}, "x.json: auto_map wants to run code"),
    "pipelines": ({"config.json": {"custom_pipelines": {"p": {"impl": "e.E"}}}}, "custom_pipelines wants to run code"),
    "kernel": ({"config.json": {"attn_implementation": "org/kernel"}}, "attn_implementation 'org/kernel' names code"),
    "kernel of a part": ({"config.json": {"_attn_implementation": {"text": "o/k@v1"}}}, "names code on a hub"),
    "kernel by its inner name": ({"config.json": {"_attn_implementation_internal": "o/k"}}, "names code on a hub"),
    "kernel of args.json": ({"args.json": {"attn_impl": "org/kernel:f"}}, "args.json: attn_impl 'org/kernel:f' names"),
    "audio": (
        {"processor_config.json": {"audio_tokenizer": {"audio_tokenizer_class": "AutoModel"}}},
        "audio_tokenizer .* names another model",
    ),
    "audio by its own file": ({"a.json": {"audio_tokenizer_name_or_path": "org/x"}}, "'org/x' names another model"),
    "part of a hub": ({"config.json": {"vision_config": {"architecture": "hf_hub:o/x"}}}, "architecture 'hf_hub:o/x'"),
    "trust": ({"sentence_bert_config.json": {"model_args": {"trust_remote_code": True}}}, "trust_remote_code must not"),
    "backbone": ({"config.json": {"use_pretrained_backbone": True}}, "use_pretrained_backbone must not be set"),
    "quantisation": (
        {"config.json": {"quantization_config": {"quant_method": "eetq"}}},
        "quant_method 'eetq' may fetch",
    ),
    "activation": ({"2_Dense/config.json": {"activation_function": "torch.hub.x"}}, "must be a class of torch.nn"),
    "weights by name": (
        {"config.json": {"transformers_weights": "evil.bin"}},
        "transformers_weights 'evil.bin' must be",
    ),
    "weights outside": ({"config.json": {"transformers_weights": "../a.safetensors"}}, "transformers_weights"),
    "plug-in": ({"args.json": {"external_plugins": ["e.py"]}, "e.py": b""}, "external_plugins 'e.py' is a file of the"),
    "pickle": ({"pytorch_model.bin": b""}, "pytorch_model.bin is a pickle; only weights as safetensors"),
    "pickled shard": ({"pytorch_model-00001-of-00002.bin": b""}, "is a pickle"),
    "pickle index": ({"pytorch_model.bin.index.json": {}}, "index.json is a pickle"),
    "pickled variant": ({"model.safetensors": b"", "pytorch_model.fp16.bin": b""}, "fp16.bin is a pickle"),
    "pickled head": ({"model.safetensors": b"", "head.pt": b""}, "head.pt is a pickle"),
    "pickled adapter": ({"adapter_config.json": LORA, "adapter_model.bin": b""}, "adapter_model.bin is a pickle"),
    "other weights beside": ({"other.safetensors": b"", "pytorch_model.bin": b""}, "pytorch_model.bin is a pickle"),
    "index outside": ({"model.safetensors.index.json": {"weight_map": {"a": "../x.safetensors"}}}, "weight_map names"),
    "index of a pickle": ({"model.safetensors.index.json": {"weight_map": {"a": "x.bin"}}}, "weight_map names 'x.bin'"),
    "index of nothing": ({"model.safetensors.index.json": []}, "weight_map must be an object"),
    "other adapter": ({"adapter_config.json": {"peft_type": "XLORA", "adapters": {"a": "o/r"}}}, "must be LORA"),
    "megatron": ({"adapter_config.json": LORA | {"megatron_config": {"a": 1}}}, "megatron_config names modules"),
    "unpickled cache": ({"adapter_config.json": LORA | {"corda_config": {"cache_file": "x"}}}, "corda_config names"),
    "extras": ({"additional_config.json": {"megatron_core": "evil"}}, "additional_config.json: only lora_dtype"),
    "modules": ({"modules.json": [{"type": "os.system", "path": ""}]}, "not part of Sentence Transformers"),
    "modules outside": (
        {"modules.json": [{"type": "sentence_transformers.X", "path": "../a"}]},
        "path must be a folder",
    ),
    "not JSON": ({"config.json": b"{"}, "config.json: not JSON"),
    "nested": ({"config.json": b"[" * 100_000}, "config.json: not JSON"),
    "two values": ({"config.json": b'{"a": [{"auto_map": 1, "auto_map": null}]}'}, "the key 'auto_map' stands twice"),
    "two settings": ({"forensics.json": b'{"vision": {}, "vision": {}}'}, "the key 'vision' stands twice"),
    "settings list": ({"forensics.json": []}, "forensics.json: not what training records"),
    "settings without vision": ({"forensics.json": {}}, "forensics.json: not what training records"),
    "settings of texts": ({"forensics.json": {"vision": {}, "data": ["x"]}}, "forensics.json: .*data"),
    "environment": ({"forensics.json": {"vision": {"LD_PRELOAD": "x"}}}, "unknown vision setting 'LD_PRELOAD'"),
    "type": ({"forensics.json": {"vision": {}, "torch_dtype": "hub"}}, "forensics.json: .*torch_dtype"),
    "template": ({"forensics.json": {"vision": {}, "template": "../x"}}, "forensics.json: .*template"),
}


@pytest.mark.parametrize(("files", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_what_could_run_code_or_ask_a_hub_is_refused_by_its_file(tmp_path, files, problem):
    with pytest.raises(ValueError, match=problem) as refusal:
        inspect(write(tmp_path, files))
    assert str(tmp_path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_pickled_weights_beside_the_safetensors_that_come_first_are_not_looked_at(tmp_path):
    raw = {"openvino/openvino_model_qint8.bin": b"", "train_script.py": b""}
    inspect(write(tmp_path, raw | {"model.safetensors": b"", "pytorch_model.bin": b""}))


def test_a_link_to_a_folder_is_refused(tmp_path):
    write(tmp_path, {"elsewhere/generate.py": b"", "model/config.json": {}})
    os.symlink(tmp_path / "elsewhere", tmp_path / "model" / "custom_generate")
    with pytest.raises(ValueError, match="custom_generate is a link to a folder"):
        inspect(tmp_path / "model")


def test_a_pipe_is_not_waited_for(tmp_path):
    write(tmp_path, {"config.json": {}})
    os.mkfifo(tmp_path / "forensics.json")
    with pytest.raises(ValueError, match=r"forensics\.json is not a file that can be read"):
        inspect(tmp_path)


@pytest.mark.parametrize("base", ["evil-org/evil-model", "missing", ".", "", None, 7])
def test_a_base_that_is_no_folder_by_its_whole_path_is_refused(tmp_path, base):
    with pytest.raises(ValueError, match="which is no folder here: name the folder of its base"):
        base_of(tmp_path, base)


def test_a_base_is_inspected(tmp_path):
    write(tmp_path, {"base/config.json": {}})
    assert base_of(tmp_path, str(tmp_path / "base")) == str(tmp_path / "base")
    write(tmp_path, {"base/pytorch_model.bin": b""})
    with pytest.raises(ValueError, match="is a pickle"):
        base_of(tmp_path, str(tmp_path / "base"))


STATES = {"optimizer.pt": b"", "rng_state_0.pth": b"", "training_args.bin": b""}
WRITTEN = STATES | {"forensics.json": {"vision": {}, "global_step": 3}}


def test_training_goes_on_from_a_checkpoint_of_training_that_was_finished(tmp_path):
    folder = write(tmp_path / "out" / "checkpoint-3", WRITTEN)
    for home in ("out", "other"):
        names = {file.name for file in states_of(str(folder), str(tmp_path / home))}
        assert names == {"optimizer.pt", "rng_state_0.pth"}  # nothing reads the arguments
    for torn in (STATES, STATES | {"forensics.json": {"vision": {}, "global_step": 2}}):
        folder = write(tmp_path / "torn" / "checkpoint-3", torn)
        with pytest.raises(ValueError, match=r"holds no forensics\.json of its step.*--resume_only_model true"):
            states_of(str(folder), str(tmp_path / "torn"))


@pytest.mark.parametrize("name", ["global_step3/mp_rank_00_model_states.pt", "pytorch_model_fsdp_0/.metadata"])
def test_states_that_are_unpickled_without_restriction_are_read_only_where_they_were_written(tmp_path, name):
    folder = write(tmp_path / "out" / "checkpoint-3", WRITTEN | {name: b""})
    assert len(states_of(str(folder), str(tmp_path / "out"))) == 2
    with pytest.raises(ValueError, match="would read without restriction, and lies outside --output_dir"):
        states_of(str(folder), str(tmp_path / "other"))
    os.symlink(folder, tmp_path / "checkpoint-3")
    with pytest.raises(ValueError, match="would read without restriction, and lies outside --output_dir"):
        states_of(str(tmp_path / "checkpoint-3"), str(tmp_path))


def test_the_files_that_an_answer_may_depend_on(tmp_path):
    write(tmp_path, MODEL | {"tokenizer.model": b"", "vocab.txt": b"", "README.md": b"", ".git": b"", "t/a.jinja": b""})
    names = {file.relative_to(tmp_path).as_posix() for file in model_files(tmp_path)}
    assert {"model.safetensors", "tokenizer.model", "vocab.txt", "t/a.jinja", "config.json"} <= names
    assert not names & {"optimizer.pt", "rng_state_3.pth", "training_args.bin", "README.md", ".git"}
