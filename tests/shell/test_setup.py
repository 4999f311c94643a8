"""Installation: what fails is said, and an environment that is incomplete is never trusted."""

import os
import shutil
from functools import partial

import pytest

from tests import launcher
from tests.launcher import ROOT

run = partial(launcher.run, check=False)


def copy_of_setup(folder):
    """A project of its own with setup.sh and an installer `uv` that fails, as one does without a network."""
    (folder / "shell").mkdir()
    shutil.copy(ROOT / "shell" / "setup.sh", folder / "shell")
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    tools = folder / "tools"
    tools.mkdir()
    (tools / "uv").write_text("#!/bin/sh\nexit 1\n")
    (tools / "uv").chmod(0o755)
    return tools


@pytest.mark.slow
def test_an_offline_installation_fails_clearly_and_is_not_trusted(tmp_path):
    tools = copy_of_setup(tmp_path)
    path = f"{tools}:{os.environ['PATH']}"
    for _ in range(2):
        done = run("bash", "shell/setup.sh", cwd=tmp_path, PATH=path)
        assert done.returncode == 1
        assert "check the network and the disk space, then run this again" in done.stderr
        assert not (tmp_path / ".venv" / "ready").exists()


@pytest.mark.slow
def test_a_half_made_environment_is_thrown_away(tmp_path):
    tools = copy_of_setup(tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "leftover").write_text("half")
    run("bash", "shell/setup.sh", cwd=tmp_path, PATH=f"{tools}:{os.environ['PATH']}")
    assert not (tmp_path / ".venv" / "leftover").exists()


@pytest.fixture
def working(tmp_path):
    """A project whose environment was finished for another setup.cfg, and whose `uv` fails."""
    tools = copy_of_setup(tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 0\n")
    python.chmod(0o755)
    (tmp_path / ".venv" / "ready").write_text("train,test 1 2 3 4\n")
    return tmp_path, lambda: run("bash", "shell/setup.sh", cwd=tmp_path, PATH=f"{tools}:{os.environ['PATH']}")


def test_an_offline_upgrade_leaves_the_working_environment(working):
    folder, setup = working
    for _ in range(2):
        done = setup()
        assert done.returncode == 1
        assert "the old packages are still in place but do not match setup.cfg" in done.stderr
        assert done.stderr.count("\n") == 1
        assert (folder / ".venv" / "ready").read_text() == "train,test 1 2 3 4\n"
        assert (folder / ".venv" / "bin" / "python").read_text() == "#!/bin/sh\nexit 0\n"


def test_an_upgrade_that_succeeds_is_marked(working):
    folder, setup = working
    (folder / "tools" / "uv").write_text("#!/bin/sh\nexit 0\n")
    assert setup().returncode == 0
    assert (folder / ".venv" / "ready").read_text() != "train,test 1 2 3 4\n"
    assert not (folder / ".venv" / "incomplete").exists()
    assert (setup().returncode, setup().stdout) == (0, "")


@pytest.mark.slow
def test_a_first_installation_is_incomplete_until_it_succeeds(tmp_path):
    tools = copy_of_setup(tmp_path)
    seen = tmp_path / "seen"
    (tools / "uv").write_text(f"#!/bin/sh\nls -a .venv > {seen}\nexit 1\n")
    done = run("bash", "shell/setup.sh", cwd=tmp_path, PATH=f"{tools}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert "old packages" not in done.stderr
    assert "incomplete" in seen.read_text().split()
    assert (tmp_path / ".venv" / "incomplete").exists()


@pytest.mark.slow
def test_an_environment_that_is_incomplete_is_thrown_away_whatever_its_mark_says(working):
    folder, setup = working
    (folder / "tools" / "uv").write_text("#!/bin/sh\nexit 0\n")
    assert setup().returncode == 0  # now the mark is right
    (folder / ".venv" / "incomplete").touch()
    (folder / "tools" / "uv").write_text("#!/bin/sh\nexit 1\n")
    (folder / ".venv" / "leftover").touch()
    assert setup().returncode == 1
    assert not (folder / ".venv" / "leftover").exists()


def test_a_second_run_does_nothing():
    done = run("bash", "shell/setup.sh")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_python_is_one_clear_line(tmp_path):
    copy_of_setup(tmp_path)
    tools = tmp_path / "only"
    tools.mkdir()
    for name in ("bash", "cat", "cksum", "dirname", "rm"):
        (tools / name).symlink_to(shutil.which(name))
    done = run(str(tools / "bash"), "shell/setup.sh", cwd=tmp_path, PATH=str(tools))
    assert done.returncode == 1
    assert "no Python 3.10 or newer found" in done.stderr
