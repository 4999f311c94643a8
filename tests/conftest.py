"""What several tests share: the repository's root, a small synthetic dataset, the published files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

from converters import sample_deeptrace

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("fixed", deadline=None, derandomize=True)  # the same examples in every run, on any machine
settings.load_profile("fixed")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


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
