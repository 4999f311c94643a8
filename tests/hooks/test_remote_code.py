"""No model folder runs code: a marker in every route, and the list of all places where the libraries run any."""

from __future__ import annotations

import ast
import importlib.util
import json
import pickle
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("swift")

from swift_plugins import register  # noqa: F401
from swift_plugins.core.model_folders import states_of
from swift_plugins.hooks import remote_code
from tests.hooks.code_routes import ROUTES

PACKAGES = ("transformers", "peft", "swift", "sentence_transformers")
RUNNERS = (
    "get_cached_module_file|get_class_in_module|get_class_from_dynamic_module|load_custom_generate|import_from_string|"
    "import_module_class|exec_module|import_module|__import__|exec|eval|git_clone_github|import_external_file|get_kernel|"
    "torch_load|run_path|run_module|add_safe_globals"
)
LOADERS = r"(torch|joblib|cloudpickle)\.load|(pickle|dill)\.(loads?|Unpickler)"
QUICK = re.compile(rf"\b({RUNNERS}|(torch|pickle|joblib|dill|cloudpickle)\.\w*[lL]oad\w*|allow_pickle)\b".encode())


# ------------------------------------------------------------------------------------------------------------ the list


def places(path: Path):
    """The functions called in a module that run, import, unpickle or fetch code."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        last = name.rpartition(".")[2]
        if re.fullmatch(LOADERS, name):
            yield name
        elif re.fullmatch(RUNNERS, last) and (last != "eval" or name == "eval"):
            yield last
        elif any(keyword.arg == "allow_pickle" for keyword in node.keywords):
            yield "allow_pickle"


def installed() -> set[str]:
    found = set()
    for package in PACKAGES:
        if (spec := importlib.util.find_spec(package)) is None:
            continue
        root = Path(spec.origin).parent
        for path in root.rglob("*.py"):
            if not path.name.startswith("convert_") and QUICK.search(path.read_bytes()):
                counts = sorted(Counter(places(path)).items())
                said = ", ".join(name if n == 1 else f"{name} x{n}" for name, n in counts)
                found |= {f"{path.relative_to(root.parent).as_posix()}: {said}"} if said else set()
    return found


@pytest.mark.slow
def test_every_place_where_the_libraries_run_code_is_known_and_closed():
    """A release that adds a route fails here until it is read, closed and recorded with its reason."""
    recorded = [line for lines in ROUTES.values() for line in lines.split("\n") if line]
    by_file = {}
    for line in recorded:
        file, _, said = line.partition(": ")
        by_file.setdefault(file, []).extend(said.split(", "))
    there = tuple(f"{package}/" for package in PACKAGES if importlib.util.find_spec(package))
    known = {f"{file}: {', '.join(sorted(said))}" for file, said in by_file.items() if file.startswith(there)}
    found = {
        f"{file}: {', '.join(sorted(said.split(', ')))}" for file, _, said in (x.partition(": ") for x in installed())
    }
    assert sorted(found - known) == [], "new or changed"
    assert sorted(known - found) == [], "gone"


def test_no_module_keeps_a_replaced_function_by_name():
    names = {"get_cached_module_file", "get_class_in_module", "git_clone_github", "safe_snapshot_download"}
    kept = {
        (module.__name__, name)
        for module in [*sys.modules.values()]
        for name in names & {*getattr(module, "__dict__", {})}
        if getattr(vars(module)[name], "__module__", None) != remote_code.__name__
        and not hasattr(vars(module)[name], "__wrapped__")
    }
    assert kept == set()


# ------------------------------------------------------------------------------------------------------------- markers


class Evil:
    """A pickle that makes a file as it is read."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    from swift_plugins.tiny_model import build

    folder = tmp_path_factory.mktemp("tiny")
    build(folder, ["FAKE"], vocab_size=400)
    return folder


@pytest.fixture
def model(tiny, tmp_path) -> Path:
    return shutil.copytree(tiny, tmp_path / "model")


@pytest.fixture
def plant(model, tmp_path):
    """Plant a marker that code or a pickle in the model's folder would make; returns its path."""
    marker = tmp_path / "ran"
    code = f"open({str(marker)!r}, 'w').close()\nclass Evil: pass\ndef generate(model, **kwargs): pass\n"

    def call(file: str, content: dict | None = None, weights: str = "") -> Path:
        (model / "custom_generate").mkdir(exist_ok=True)
        (model / "evil.py").write_text(code)
        if file.endswith(".py"):
            (model / file).write_text(code)
        elif content is not None:
            before = json.loads((model / file).read_text()) if (model / file).is_file() else {}
            (model / file).write_text(json.dumps(before | content))
        else:
            (model / file).write_bytes(pickle.dumps(Evil(marker)))
        if weights:
            (model / "model.safetensors").rename(model / weights)
        if not [*(model / "custom_generate").iterdir()]:
            (model / "custom_generate").rmdir()
        return marker

    return call


NAMES = {"model_type": "evil", "tokenizer_class": "Evil", "processor_class": "Evil", "image_processor_type": "Evil"}
ROUTE = [
    ("custom_generate/generate.py", None, ""),
    ("config.json", NAMES | {"auto_map": {"AutoConfig": "evil.Evil", "AutoModelForImageTextToText": "evil.Evil"}}, ""),
    ("config.json", {"auto_map": {"AutoModelForImageTextToText": "evil.Evil"}}, ""),
    ("tokenizer_config.json", NAMES | {"auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}}, ""),
    ("processor_config.json", NAMES | {"auto_map": {"AutoProcessor": "evil.Evil"}}, ""),
    ("preprocessor_config.json", NAMES | {"auto_map": {"AutoImageProcessor": "evil.Evil"}}, ""),
    ("video_preprocessor_config.json", NAMES | {"auto_map": {"AutoVideoProcessor": "evil.Evil"}}, ""),
    ("pytorch_model.bin", None, "unused.safetensors"),
]


@pytest.mark.parametrize(("file", "content", "weights"), ROUTE)
def test_no_file_of_a_folder_that_ms_swift_loads_is_run(model, plant, file, content, weights):
    """What prediction, the judge, the probe and a training's --model and --adapters all go through."""
    from swift.model import get_model_processor

    marker = plant(file, content, weights)
    with pytest.raises(ValueError, match=r"wants to run code of its own|is a pickle") as refusal:
        get_model_processor(str(model), model_type="qwen2_5_vl")
    assert str(model / file) in str(refusal.value)
    assert not marker.exists()


@pytest.mark.parametrize(("file", "content", "weights"), ROUTE)
def test_nor_of_one_that_transformers_loads_without_a_look_at_it(model, plant, file, content, weights):
    """The second line: what would run the code refuses, in whichever module it was imported by name."""
    from transformers import AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

    marker = plant(file, content, weights)
    for kind in (AutoModelForImageTextToText, AutoProcessor, AutoTokenizer):
        try:
            kind.from_pretrained(str(model), trust_remote_code=True)
        except (ValueError, OSError, pickle.UnpicklingError, KeyError, AttributeError):
            continue
    assert not marker.exists()


def adapter(folder: Path, **config) -> Path:
    folder.mkdir()
    lora = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(lora | config))
    return folder


def test_a_pickled_adapter_is_refused_where_peft_would_read_it(model, tmp_path):
    from peft import PeftModel
    from swift.model import get_model_processor

    marker = tmp_path / "ran"
    folder = adapter(tmp_path / "adapter")
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Evil(marker)))
    network, _ = get_model_processor(str(model), model_type="qwen2_5_vl")
    with pytest.raises(ValueError, match=r"adapter_model\.bin is a pickle"):
        PeftModel.from_pretrained(network, str(folder))
    assert not marker.exists()


def test_a_repository_is_never_cloned_and_offline_nothing_is_fetched(monkeypatch):
    from swift.model.models import deepseek
    from swift.utils import safe_snapshot_download

    with pytest.raises(ValueError, match="would be fetched and run"):
        deepseek.git_clone_github("https://github.com/deepseek-ai/DeepSeek-VL")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="evil-org/evil-model is not a folder, and nothing is fetched"):
        safe_snapshot_download("evil-org/evil-model")


# ------------------------------------------------------------------------------------------------------------ training


@pytest.fixture
def train(root, model, tmp_path):
    """Start `swift sft` on the model; its last lines."""

    def call(*flags: str) -> str:
        (tmp_path / "data.jsonl").write_text('{"messages": [{"role": "user", "content": "a"}]}\n')
        fixed = [
            "--model",
            model,
            "--model_type",
            "qwen2_5_vl",
            "--template",
            "forensic_qwen2_5_vl",
            "--use_cpu",
            "true",
        ]
        fixed += ["--external_plugins", root / "swift_plugins" / "register.py", "--dataset", tmp_path / "data.jsonl"]
        fixed += ["--output_dir", tmp_path / "out", "--add_version", "false", "--torch_dtype", "float32"]
        fixed += ["--fp16", "false", "--bf16", "false", "--tuner_type", "lora", "--check_model", "false"]
        command = [sys.executable, "-m", "swift.cli.sft", *map(str, [*fixed, *flags])]
        done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=300)
        assert done.returncode != 0
        return done.stderr[-3000:]

    return call


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--model", "--adapters"])
def test_training_refuses_what_it_would_load(train, model, plant, tmp_path, flag):
    marker = tmp_path / "ran"
    if flag == "--model":
        plant("custom_generate/generate.py")
        assert "wants to run code of its own" in train()
    else:
        folder = adapter(tmp_path / "checkpoint-3")
        (folder / "adapter_model.bin").write_bytes(pickle.dumps(Evil(marker)))
        assert "adapter_model.bin is a pickle" in train(flag, str(folder))
    assert not marker.exists()


def states(folder: Path) -> Path:
    """A checkpoint with what transformers writes of an optimizer and of random numbers."""
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([weight])
    weight.sum().backward()
    optimizer.step()
    folder.mkdir(parents=True)
    torch.save(optimizer.state_dict(), folder / "optimizer.pt")
    random_states = {"python": random.getstate(), "numpy": np.random.get_state(), "cpu": torch.random.get_rng_state()}
    torch.save(random_states, folder / "rng_state.pth")
    (folder / "forensics.json").write_text('{"vision": {}, "global_step": 3}')
    return folder


def test_states_of_a_training_pass_and_others_are_not_read(tmp_path):
    folder = states(tmp_path / "out" / "checkpoint-3")
    files = states_of(str(folder), str(tmp_path / "other"))
    assert len(files) == 2
    remote_code.check_states(files)
    marker = tmp_path / "ran"
    for save in (torch.save, lambda evil, path: path.write_bytes(pickle.dumps(evil))):
        save({"state": Evil(marker)}, folder / "optimizer.pt")
        with pytest.raises(ValueError, match=r"optimizer\.pt holds more than the states of a training"):
            remote_code.check_states(files)
    assert not marker.exists()


@pytest.mark.slow
def test_training_does_not_go_on_from_states_that_would_run_code(train, tmp_path):
    marker = tmp_path / "ran"
    folder = states(tmp_path / "foreign" / "checkpoint-3")
    torch.save(Evil(marker), folder / "optimizer.pt")
    assert "optimizer.pt holds more than the states of a training" in train("--resume_from_checkpoint", str(folder))
    assert not marker.exists()
