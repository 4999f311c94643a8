"""What several tests share: the repository's root, a small synthetic dataset, the published files."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest
from hypothesis import settings

from converters import sample_deeptrace

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("fixed", deadline=None, derandomize=True)  # the same examples in every run, on any machine
settings.load_profile("fixed")

# What a shell starts with & ignores Ctrl-C, and so would each command that these tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


# The files that take longest, the longest first: no process then has one of them left when the others are done.
LONGEST = (
    "slow/test_readme_judges.py",
    "slow/test_readme_fakevlm.py",
    "slow/test_readme.py",
    "slow/test_train.py",
    "slow/test_train_fakevlm.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {ROOT / "tests" / name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture(scope="module", autouse=True)
def environment_of_the_file() -> Iterator[None]:
    """What a file's tests, and ms-swift called by them, leave in the environment is gone with them.

    So is what ms-swift wrote of it into qwen-vl-utils, which it does once in a process, with the first model it loads.
    """
    own = os.environ
    with mock.patch.dict(own):
        yield
        os.environ = own  # noqa: B003 - `datasets` puts a copy in its place when several processes read rows
    if reader := sys.modules.get("qwen_vl_utils.vision_process"):
        vars(reader).pop("_patch", None)
        importlib.reload(reader)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture
def vision() -> ModuleType:
    """qwen-vl-utils' reader as it was released: ms-swift writes a loaded model's limits into the imported one."""
    spec = importlib.util.find_spec("qwen_vl_utils.vision_process")
    assert spec
    assert spec.loader
    untouched = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(untouched)
    return untouched


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Path:
    """A synthetic RewardData of 24 clips, all nine categories among them; read it, do not change it."""
    folder = tmp_path_factory.mktemp("sample") / "RewardData"
    assert sample_deeptrace.main(["--out", str(folder), "--train", "18", "--val", "4", "--test", "2"]) == 0
    return folder


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of the published files, where they are present."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the published files are not present")
    return folder


@pytest.fixture(scope="session")
def copy(tmp_path_factory) -> Path:
    """The files under version control (and those about to be), with the environment that is installed here."""
    folder = tmp_path_factory.mktemp("copy")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder
