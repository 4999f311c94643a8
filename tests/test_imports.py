"""Imports go one way, by folder; a script starts from any folder without loading torch."""

from __future__ import annotations

import argparse
import ast
import configparser
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("swift_plugins", "converters", "eval")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
SCRIPTS = [path for path in SOURCES if '__name__ == "__main__"' in path.read_text(encoding="utf-8")]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
HEAVY = {
    "swift",
    "torch",
    "torchvision",
    "transformers",
    "peft",
    "deepspeed",
    "torchmetrics",
    "vllm",
    "qwen_vl_utils",
    "sentence_transformers",
}
# folder -> the folders whose modules it may import; the longest name that a module stands below counts. A folder is
# always allowed itself; a command, a file right in converters/ or eval/, is imported by nothing.
CORE, ANSWERING = "swift_plugins/core", "swift_plugins/answering"
TASKS, MEASURES, REGISTER = f"{CORE}/tasks", f"{CORE}/measures", "swift_plugins/register"
SHARED = (CORE, TASKS, MEASURES, ANSWERING)
SCORING = ("eval/scorers", "eval/encoders", "eval/estimates")
CONVERTING = ("converters/rows", "converters/layouts", "converters/conversion")
MAY = {
    TASKS: (f"{CORE}/names",),
    MEASURES: (CORE, TASKS),
    CORE: (TASKS, MEASURES),
    "swift_plugins/hooks": (CORE, TASKS, MEASURES),
    ANSWERING: (CORE, TASKS, MEASURES, REGISTER),
    REGISTER: ("swift_plugins/hooks",),
    "swift_plugins": (*SHARED, REGISTER),
    "converters/conversion": (CORE, TASKS, MEASURES),
    "converters/layouts": ("converters/conversion", CORE, TASKS, MEASURES),
    "converters/rows": (*CONVERTING, CORE, TASKS, MEASURES),
    "converters/samples": (CORE, TASKS),
    "converters/factories": (*CONVERTING, *SHARED),
    "converters": (*CONVERTING, "converters/samples", "converters/factories", *SHARED),
    "eval/estimates": (CORE,),
    "eval/encoders": ("eval/estimates", CORE, TASKS, MEASURES),
    "eval/scorers": (*SCORING, CORE, TASKS, MEASURES),
    "eval/reporting": (*SCORING, CORE, TASKS, MEASURES),
    "eval/judging": SHARED,
    "eval/perturbing": SHARED,
    "eval/exchanging": SHARED,
    "eval": (*SCORING, "eval/reporting", "eval/judging", "eval/perturbing", "eval/exchanging", *SHARED),
}
LOADS_SWIFT = ("swift_plugins/hooks", REGISTER)  # as they begin; LAZY where they need it
LAZY = (ANSWERING, "swift_plugins", "eval/encoders", "converters/factories")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    """The dotted names that a module imports: for `from a.b import c` both a.b and a.b.c, for it may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_top(tree: ast.Module) -> ast.Module:
    """The module without what stands in functions and classes."""
    body = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    return ast.Module(body, [])


def within(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}/")


def room(name: str) -> str:
    """The folder of MAY, or the one file that it names, that a module belongs to."""
    return max((folder for folder in MAY if within(name, folder)), key=len, default=name)


def own_modules(tree: ast.AST) -> set[str]:
    """The project's modules that are imported, as paths without their suffix; of a package only what is a file."""
    found = {name.replace(".", "/") for name in imported(tree)}
    return {name for name in found if (ROOT / f"{name}.py").is_file() or (ROOT / name / "__init__.py").is_file()}


def is_command(module: str) -> bool:
    return module.count("/") == 1 and (ROOT / f"{module}.py") in SCRIPTS


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_go_one_way(path):
    name = name_of(path).removesuffix(".py").removesuffix("/__init__")
    home = room(name)
    modules = {module for module in own_modules(parse(path)) if module not in PACKAGES}
    wrong = {
        m
        for m in modules
        if room(m) != home and not any((within(m, may) and room(m) == room(may)) or m == may for may in MAY[home])
    }
    assert wrong == set(), f"{home} may import {MAY[home]}"
    assert {module for module in modules if is_command(module)} == set(), "nothing imports a command"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_imports_recipes_shell_or_tests(path):
    assert not {name.split(".")[0] for name in imported(parse(path))} & {"recipes", "shell", "tests"}


@pytest.mark.parametrize("path", [path for path in SOURCES if within(name_of(path), TASKS)], ids=name_of)
def test_a_task_needs_only_the_standard_library(path):
    outside = {name.split(".")[0] for name in imported(parse(path))} - sys.stdlib_module_names
    assert outside <= {"swift_plugins"}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_hooks_load_swift_and_torch(path):
    tree, name = parse(path), name_of(path).removesuffix(".py")
    anywhere = {name.split(".")[0] for name in imported(tree)} & HEAVY
    begins = {name.split(".")[0] for name in imported(at_top(tree))} & HEAVY
    assert not begins or room(name) in LOADS_SWIFT, f"{name} imports {sorted(begins)} as it begins"
    assert not anywhere or room(name) in (*LOADS_SWIFT, *LAZY), f"{name} imports {sorted(anywhere)}"
    if within(name, CORE):
        light = {name.split(".")[0] for name in imported(at_top(tree))} & {"numpy", "scipy", "pandas"}
        assert not light, f"{name} imports {sorted(light)} as it begins"


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=name_of)
def test_eval_is_imported_by_from(path):
    """`import eval.x` would put a package in the place of the built-in eval."""
    plain = {alias.name for node in ast.walk(parse(path)) if isinstance(node, ast.Import) for alias in node.names}
    assert not {name for name in plain if within(name.replace(".", "/"), "eval")}


def test_the_scripts_are_found():
    assert {"converters/deeptrace_to_swift.py", "eval/predict.py", "eval/score.py"} <= set(map(name_of, SCRIPTS))


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
@pytest.mark.parametrize("way", ["file", "module"])
def test_a_script_helps_from_any_folder_without_torch(path, way, tmp_path):
    (tmp_path / "swift_plugins").mkdir()  # what lies in the working folder must not matter to a script run by its path
    target = [str(path)] if way == "file" else ["-m", name_of(path).removesuffix(".py").replace("/", ".")]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *target, "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path if way == "file" else ROOT,
        env=os.environ | {"PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("usage: ")
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "argparse" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("path", [path for path in SCRIPTS if "swift_plugins" not in path.parts], ids=name_of)
def test_every_default_is_stated_in_the_help(path, monkeypatch):
    """For a switch and for an option that nothing stands in for there is none."""
    found: list[argparse.Action] = []
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    monkeypatch.setattr(argparse.ArgumentParser, "print_help", lambda parser, file=None: found.extend(parser._actions))
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # a command's own ways with signals are not this process's
    with pytest.raises(SystemExit):
        runpy.run_path(str(path), run_name="__main__")
    options = [action for action in found if action.nargs != 0 and action.default not in (None, [])]
    assert found
    assert [a.option_strings[0] for a in options if str(a.default) not in a.help and "(default" not in a.help] == []


def test_an_installation_holds_every_file_that_the_packages_read():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    stated = {name: globs.split() for name, globs in config["options.package_data"].items()}
    for package in PACKAGES:
        folder = ROOT / package
        needed = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
        assert needed == {path for glob in stated.get(package, []) for path in folder.glob(glob)}


LIBRARY = [path for path in SOURCES if path not in SCRIPTS and path.name not in ("__init__.py", "register.py")]


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_every_file_of_the_library_imports_what_tells_that_it_is_none_to_run(path):
    told = {name.split(".")[0] for name in imported(parse(path))} & set(PACKAGES)
    assert told, f"add `import swift_plugins  # noqa: F401` to {name_of(path)}: who runs it hears that it is no command"


@pytest.mark.parametrize(
    "target",
    [
        ["eval/scorers/base.py"],
        ["converters/layouts/folders.py"],
        ["eval/estimates/auc.py"],
        ["swift_plugins/core/names.py"],
        ["-m", "eval.estimates.numbers"],
        ["-m", "swift_plugins.core.names"],
    ],
    ids=lambda target: target[-1],
)
def test_a_file_of_the_library_says_that_it_is_no_command(target):
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *target], capture_output=True, text=True, timeout=60, cwd=ROOT, env=env)
    assert done.returncode == 2
    assert "is no command but a part of some. Commands: " in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "path", [path for path in SCRIPTS if "\nimport numpy" not in path.read_text(encoding="utf-8")], ids=name_of
)
def test_a_python_without_the_packages_is_told_which_one_has_them(path):
    done = subprocess.run([sys.executable, "-S", path], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 1
    assert f"run `source {ROOT}/.venv/bin/activate` first" in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_fixture_hides_what_is_restored_after_every_file():
    """A file's own fixture of that name takes its place, and what the file leaves would fail another file's tests."""
    common = ROOT / "tests" / "conftest.py"

    def functions(path):
        return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]

    always = {one.name for one in functions(common) if any("autouse" in ast.unparse(by) for by in one.decorator_list)}
    assert always
    others = [(path, one.name) for path in TESTS if path != common for one in functions(path)]
    assert [both for both in others if both[1] in always] == []
