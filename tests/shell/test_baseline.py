"""The papers' baselines by one command: what it runs, and all of it on a server that answers and judges by rule."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from eval import judge_explanations, predict, score
from swift_plugins.core.tasks.deeptrace_zero_shot import ZERO_SHOT_QUESTION
from tests.answering.misbehaving import GOOD, serving
from tests.core.clips import write_clip
from tests.judging.test_explanations import Judge, rows_of
from tests.launcher import Project, clean
from tests.scorers.test_deeptrace import fake, real
from tests.scoring import write_rows

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "of the test")
    return Project(tmp_path / "project")


def data(project, *sets):
    for name in sets:
        folder = project.folder / "data" / name
        folder.mkdir(parents=True)
        (folder / "test.jsonl").write_text("{}\n")


def steps(project):
    """Each script that was run, with its flags as flag -> value."""
    found = []
    for line in project.scripts():
        script, *flags = line.split()
        pairs = {flag: value for flag, value in zip(flags, [*flags[1:], ""], strict=True) if flag.startswith("--")}
        found.append((script, pairs))
    return found


def test_a_hosted_model_is_asked_judged_and_scored(project):
    data(project, "deeptrace")
    done = project.bash("baseline.sh", "deeptrace", "gpt-4.1", "--limit", "50", JUDGE="gpt-4.1")
    assert done.returncode == 0, done.stderr
    home = f"{project.folder}/output/baselines/deeptrace/gpt-4.1"
    (asked, ask), (judged, judge), (scored, to_score) = steps(project)
    assert (asked, judged, scored) == ("eval/predict.py", "eval/judge_explanations.py", "eval/score.py")
    assert ask == {
        "--backend": "openai",
        "--base-url": "https://api.openai.com/v1",
        "--model": "gpt-4.1",
        "--data": f"{project.folder}/data/deeptrace/test.jsonl",
        "--out": f"{home}/out.jsonl",
        "--retry-errors": "--prompt",
        "--prompt": "zero_shot",
        "--limit": "50",
    }
    assert (judge["--data"], judge["--out"]) == (f"{home}/out.jsonl", f"{home}/judged.jsonl")
    assert to_score == {"--pred": f"{home}/judged.jsonl", "--out": f"{home}/report", "--grammar": "auto"}


@pytest.mark.parametrize(
    ("model", "url", "grammar"),
    [
        ("gpt-5", "https://api.openai.com/v1", "auto"),
        ("gemini-2.5-pro", "https://generativelanguage.googleapis.com/v1beta/openai", "auto"),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "http://127.0.0.1:8000/v1", "auto"),
        ("JoeLeelyf/Skyra-RL", "http://127.0.0.1:8000/v1", "skyra"),
        ("AI-Safeguard/Ivy-Fake", "http://127.0.0.1:8000/v1", "ivy"),
        ("l8cv/BusterX_plusplus", "http://127.0.0.1:8000/v1", "busterx"),
    ],
)
def test_a_models_name_says_where_it_is_asked_and_how_it_writes(project, model, url, grammar):
    data(project, "fakeclue")
    assert project.bash("baseline.sh", "fakevlm", model).returncode == 0
    (_, ask), (_, to_score) = steps(project)
    assert (ask["--base-url"], to_score["--grammar"]) == (url, grammar)
    assert "--prompt" not in ask
    assert project.bash("baseline.sh", "fakevlm", model, BASE_URL="http://h/v1", GRAMMAR="qwen").returncode == 0
    (_, ask), (_, to_score) = steps(project)
    assert (ask["--base-url"], to_score["--grammar"]) == ("http://h/v1", "qwen")


@pytest.mark.parametrize(
    ("system", "name", "recipe"),
    [
        ("deeptrace", "Qwen2.5-VL-7B-Instruct", "recipes/deeptrace/zero_shot_qwen2_5_vl.yaml"),
        ("deeptrace", "VideoLLaMA3-7B", "recipes/deeptrace/videollama3_7b_full.yaml"),
        ("fakevlm", "fakeVLM", "recipes/fakevlm/released.yaml"),
        ("fakevlm", "llava-1.5-7b-hf", "recipes/fakevlm/llava_1_5_7b_full.yaml"),
    ],
)
def test_a_folder_is_asked_by_a_recipe_and_a_checkpoint_by_its_own_settings(project, system, name, recipe):
    data(project, {"deeptrace": "deeptrace", "fakevlm": "fakeclue"}[system])
    (project.folder / name).mkdir()
    assert project.bash("baseline.sh", system, name).returncode == 0
    (_, ask), _ = steps(project)
    assert (ask["--model"], ask["--recipe"]) == (f"{project.folder}/{name}", f"{project.folder}/{recipe}")
    frames = yaml.safe_load((ROOT / recipe).read_text(encoding="utf-8"))["ENV"].get("FPS", 2)
    assert frames == 2  # a second, as the paper has them (appendix E)
    (project.folder / name / "forensics.json").write_text("{}")
    assert project.bash("baseline.sh", system, name).returncode == 0
    assert "--recipe" not in steps(project)[0][1]


def test_deepfakejudges_tasks_are_all_asked_pairs_in_both_orders(project):
    data(project, *(f"deepfakejudge/{name}" for name in ("pairwise", "pointwise", "reason")))
    assert project.bash("baseline.sh", "deepfakejudge", "gpt-4.1", JUDGE="gpt-4.1").returncode == 0
    found = steps(project)
    asked = {Path(flags["--data"]).parent.name: flags for script, flags in found if script == "eval/predict.py"}
    assert list(asked) == ["reason", "pointwise", "pairwise"]
    assert [name for name, flags in asked.items() if "--swap" in flags] == ["pairwise"]
    judged = [flags["--data"] for script, flags in found if script == "eval/judge_explanations.py"]
    assert [Path(file).parent.name for file in judged] == ["reason"]
    scored = {Path(flags["--out"]).parent.name: flags for script, flags in found if script == "eval/score.py"}
    assert [name for name, flags in scored.items() if "--grammar" in flags] == ["reason"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ([], "name deeptrace, fakevlm or deepfakejudge"),
        (["loki", "gpt-4.1"], "name deeptrace, fakevlm or deepfakejudge"),
        (["fakevlm"], "name a model behind fakevlm"),
        (["deeptrace", "gpt-4.1"], "no test.jsonl of deeptrace in "),
        (["deeptrace", "gpt-4.1", "OPENAI_API_KEY="], "https://api.openai.com/v1 wants a key: set OPENAI_API_KEY"),
        (["deeptrace", "mine", "OPENAI_API_KEY=", "JUDGE=gpt-4.1"], "wants a key: set JUDGE_API_KEY or OPENAI_API_KEY"),
        (["deeptrace", "mine", "OPENAI_API_KEY="], "no test.jsonl of deeptrace in "),
    ],
)
def test_what_is_missing_is_one_clear_line(project, command, message):
    env = dict(part.split("=", 1) for part in command if "=" in part)
    done = project.bash("baseline.sh", *(part for part in command if "=" not in part), **env)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr


def test_help_says_all_and_runs_nothing(project):
    done = project.bash("baseline.sh", "--help")
    assert done.returncode == 0
    for name in ("BASE_URL", "RECIPE", "DATASET", "GRAMMAR", "JUDGE", "JUDGE_URL", "JUDGE_API_KEY", "OUTPUT_DIR"):
        assert name in done.stdout
    assert project.scripts() == []


# ----------------------------------------------------------------------------------------------------- the whole chain

TAGS = "<coordinates>[100, 50, 200, 150]</coordinates> <start_time>0:02</start_time> <explanation>{}</explanation>"
SAYS = {"a": "FAKE " + TAGS.format("the cup melts"), "b": "FAKE " + TAGS.format("the cup glows"), "c": "REAL"}
# Right verdicts: a, b and c of a, b, c, d; explanations 1 and 0.5, and d, which answers REAL, 0; IoU and onset 1, 1, 0.
OVERALL = (75 + 100 * 1.5 / 3 + 100 * 2 / 3 + 100 - 100 / 3) / 4


class Both(Judge):
    """Answers the zero-shot question about the videos in the order of the file, and judges by the rule."""

    def __init__(self):
        super().__init__()
        self.questions = []

    def __call__(self, request):
        content = request.asked["messages"][-1]["content"]
        if any(part["type"] != "text" for part in content):
            self.questions.append("".join(part.get("text", "") for part in content))
            said = [*SAYS.values(), "REAL"][(len(self.questions) - 1) % 4]
            return request.reply(GOOD | {"choices": [{"message": {"content": said}, "finish_reason": "stop"}]})
        return super().__call__(request)


@pytest.fixture
def videos(tmp_path):
    """A converted test set of four rows about one short clip."""
    clip = write_clip(tmp_path / "clip.mp4")
    rows = [fake("a"), fake("b"), real("c"), fake("d")]
    asked = [{"role": "user", "content": "<video>Real or fake?"}, {"role": "assistant", "content": "REAL"}]
    for row in rows:
        row.pop("response")
        row |= {"messages": asked, "videos": [clip]}
    (tmp_path / "data").mkdir()
    return write_rows(tmp_path / "data" / "test.jsonl", rows)


def test_answers_judgements_and_scores_make_the_overall_that_is_known(videos, tmp_path, capsys):
    server, pred, judged = Both(), tmp_path / "out.jsonl", tmp_path / "judged.jsonl"
    with serving(server) as url:
        asked = ["--backend", "openai", "--base-url", url, "--model", "rule-1", "--batch-size", "1"]
        flags = [*asked, "--data", str(videos), "--out", str(pred), "--prompt", "zero_shot", "--check", "header"]
        assert predict.main(flags) == 0
        judging = [*asked, "--data", str(pred), "--out", str(judged), "--grammar", "auto"]
        assert judge_explanations.main(judging) == 0
    assert all(ZERO_SHOT_QUESTION.removeprefix("<video>") in question for question in server.questions)
    capsys.readouterr()
    assert score.main(["--pred", str(judged), "--grammar", "auto", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["metrics"]["overall"]["value"] == pytest.approx(OVERALL, abs=1e-3)
    assert any("explanation and overall: judged by rule-1" in remark for remark in report["remarks"])
    assert report["run"]["data"]["rows"] == 4


@pytest.mark.slow
def test_one_command_does_it_all_and_again_asks_nothing(videos, tmp_path):
    server = Both()
    with serving(server) as url:
        env = {"BASE_URL": url, "DATASET": str(videos.parent), "JUDGE": "rule-1", "JUDGE_URL": url}
        line = ["bash", str(ROOT / "shell" / "baseline.sh"), "deeptrace", "rule-0", "--batch-size", "1"]
        env = clean(**env, OUTPUT_DIR=str(tmp_path / "home"))
        for _ in range(2):
            done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stdout + done.stderr
            assert (len(server.questions), len(server.asked)) == (4, 2)
    report = json.loads((tmp_path / "home" / "report" / "report.json").read_text())
    assert report["metrics"]["overall"]["value"] == pytest.approx(OVERALL, abs=1e-3)
    assert len(rows_of(tmp_path / "home" / "judged.jsonl")) == 4
