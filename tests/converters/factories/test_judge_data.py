"""make_judge_data.py with models that err by known rules: it converges, stops, catches what is wrong, counts right."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from converters import deepfakejudge_to_swift, make_judge_data
from converters.factories import judge_rows
from converters.factories.grading import Case, Graded, Rating, Variant, read_rationale
from converters.factories.models import Models
from swift_plugins.core.records import check_row, read_rows
from swift_plugins.core.tasks import get_task
from tests.converters.factories import scripted
from tests.converters.factories.conftest import IMAGES
from tests.converters.factories.scripted import Scripted
from tests.killing import contents

ROUNDS, PARAPHRASES = 2, 3
OPTIONS = ("--rounds", str(ROUNDS), "--paraphrases", str(PARAPHRASES), "--check", "none", "--similarity", "5:95")


def make(data: Path, out: Path, server: Scripted, *options: str) -> int:
    asked = ["--generator", f"gen@{server.url}", "--evaluator", f"eva@{server.url}"]
    return make_judge_data.main(["--data", str(data), "--out", str(out), *asked, *OPTIONS, *options])


def rows_of(out: Path, name: str) -> list[dict]:
    return [row for _, row in read_rows(out / f"{name}.jsonl")]


@pytest.fixture(scope="module")
def made(reasoned, tmp_path_factory):
    """(folder, server) of a whole run; read them, do not change them."""
    out = tmp_path_factory.mktemp("made") / "judge"
    with Scripted().served() as server:
        assert make(reasoned, out, server) == 0
    return out, server


def golds(reasoned: Path) -> list[str]:
    return [row["meta"]["reasoning"] for row in rows_of(reasoned.parent, "test")]


def test_the_loop_converges_stops_at_its_limit_and_counts_right(reasoned, made):
    out, _ = made
    kinds = {level: Counter(scripted.kind_of(gold, level) for gold in golds(reasoned)) for level in (1, 2, 3, 4, 5)}
    grading = json.loads((out / "manifest.json").read_text())["grading"]
    for level, of in kinds.items():
        facts = grading["levels"][str(level)]
        after = {"1": of["true"], "2": of["drifts once"], "3": of["drifts twice"]}
        assert facts["accepted_after_ratings"] == {k: n for k, n in after.items() if n}
        assert facts["not_accepted"] == ({"unaccepted": of["stubborn"]} if of["stubborn"] else {})
        steps = Counter({level: of["true"]})
        if level > 1:
            steps[scripted.steps_from(level, 1)] += of["drifts once"] + of["stubborn"]
            steps[scripted.steps_from(level, 2)] += of["drifts twice"]
        rated = {str(score): n for score, n in sorted(steps.items()) if n}
        assert grading["confusion_intended_by_rated"]["first"][str(level)] == rated
    stubborn = sum(of["stubborn"] for of in kinds.values())
    assert stubborn > 3
    assert grading["acceptance"] == round(1 - stubborn / (5 * IMAGES), 4)
    rejects = [row["reason"] for row in rows_of(out, "rejects") if row["reason"].startswith("unaccepted")]
    assert len(rejects) == stubborn
    assert all(len(reason.split(" then ")) == ROUNDS + 1 for reason in rejects)


def test_a_paraphrase_that_says_something_else_is_caught(made):
    out, server = made
    kinds = Counter(
        scripted.drawn(
            scripted.PARAPHRASES, scripted.standin.field(prompt, "Rationale"), prompt.split("paraphrase ")[1][0]
        )
        for prompt, _ in server.asked
        if prompt.startswith("Say the rationale below")
    )
    assert min(kinds.values()) > 5
    taken = json.loads((out / "manifest.json").read_text())["grading"]["paraphrases_not_taken"]
    assert taken["paraphrase changed the verdict"] == kinds["changes the verdict"]
    assert taken["paraphrase too near"] == kinds["copies"]
    assert taken.get("paraphrase rated otherwise", 0) > 0
    for row in rows_of(out, "pointwise/train"):
        begin, end = row["meta"]["candidate"]
        verdict = row["messages"][0]["content"][begin:end].split("<answer>")[1].removesuffix("</answer>")
        right = verdict == scripted.truth_of(row["meta"]["label"])
        assert right == (row["meta"]["score"] > 1)


def test_the_rows_tell_the_rating_and_why_and_lose_nothing(made):
    out, _ = made
    manifest = json.loads((out / "manifest.json").read_text())
    images = {}
    for name in manifest["subsets"]:
        rows = rows_of(out, name)
        for row in rows:
            check_row(row)
            task = get_task(row["task"])
            answer = task.GRAMMARS["trained"](row["messages"][1]["content"]).answer
            assert task.decision(answer) == row["meta"].get("score", row["meta"].get("answer"))
            assert Path(row["images"][0]).is_file()
            if "score" in row["meta"]:
                assert answer.reasoning.startswith("The candidate names this: ")
                assert row["meta"]["score"] == row["meta"]["intended"]
        images[name] = {row["meta"]["media_id"] for row in rows}
    assert not images["pointwise/train"] & images["pointwise/test"]
    assert images["pairwise/train"] <= images["pointwise/train"]
    texts = [(row["meta"]["media_id"], row["messages"][0]["content"]) for row in rows_of(out, "pointwise/train")]
    assert len(texts) == len(set(texts))
    accepted = sum(facts["accepted"] for facts in manifest["grading"]["levels"].values())
    dropped = sum(manifest["grading"]["paraphrases_not_taken"].values())
    pointwise = sum(sum(manifest["counts"][name].values()) for name in manifest["counts"] if "pointwise" in name)
    assert pointwise == accepted * (1 + PARAPHRASES) - dropped - manifest["grading"]["duplicates_taken_out"]


def test_pairs_are_of_different_ratings_and_balanced_exactly(made):
    out, _ = made
    for part in ("train", "test"):
        rows = rows_of(out, f"pairwise/{part}")
        answers = Counter(row["meta"]["answer"] for row in rows)
        assert answers["A"] == answers["B"] > 5
        for row in rows:
            better = {"A": "intended_a", "B": "intended_b"}[row["meta"]["answer"]]
            assert row["meta"][better] == max(row["meta"]["intended_a"], row["meta"]["intended_b"])
            assert row["meta"]["intended_a"] != row["meta"]["intended_b"]
        levels = Counter(tuple(sorted((row["meta"]["intended_a"], row["meta"]["intended_b"]))) for row in rows)
        for pair in levels:
            of = [r for r in rows if {r["meta"]["intended_a"], r["meta"]["intended_b"]} == {*pair}]
            assert abs(sum(1 if r["meta"]["answer"] == "A" else -1 for r in of)) <= 2


def test_the_published_layout_is_read_back_as_the_same_rows(made, tmp_path):
    out, _ = made
    options = ["--src", str(out / "published"), "--out", str(tmp_path), "--check", "header", "--workers", "1"]
    assert deepfakejudge_to_swift.main(options) == 0
    assert not rows_of(tmp_path, "rejects")
    for name in ("pointwise/train", "pointwise/test", "pairwise/train", "pairwise/test"):
        ours, theirs = rows_of(out, name), rows_of(tmp_path, name)
        assert len(ours) == len(theirs) > 0
        for own, read in zip(ours, theirs, strict=True):
            assert own["messages"] == read["messages"]
            assert {k: v for k, v in read["meta"].items() if k != "pair"}.items() <= own["meta"].items()
            assert Path(own["images"][0]).read_bytes() == Path(read["images"][0]).read_bytes()


def test_each_role_is_asked_and_counted(made):
    out, server = made
    calls = json.loads((out / "manifest.json").read_text())["calls"]
    assert server.models == {
        "gen": calls["generator"]["calls"] + calls["paraphraser"]["calls"],
        "eva": calls["evaluator"]["calls"],
    }
    prompts = [prompt for prompt, _ in server.asked.elements()]
    assert sum(of["prompt_tokens"] for of in calls.values()) == sum(map(len, prompts))
    assert sum(of["calls"] for of in calls.values()) == len(prompts)


def test_a_killed_run_goes_on_and_asks_nothing_twice(reasoned, made, tmp_path):
    whole, _ = made
    out = tmp_path / "judge"
    with Scripted().served() as server:
        ask, left = Models.ask, iter(range(60))

        def killed(models, role, rows):
            for found in ask(models, role, rows):
                if next(left, None) is None:
                    raise KeyboardInterrupt
                yield found

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Models, "ask", killed)
            assert make(reasoned, out, server) == 130
        assert not (out / "manifest.json").exists()
        log = out / "calls.jsonl"
        log.write_bytes(log.read_bytes() + b'{"id": "torn')
        assert make(reasoned, out, server) == 0
    calls = json.loads((out / "manifest.json").read_text())["calls"]
    assert sum(server.asked.values()) - sum(of["calls"] for of in calls.values()) <= 8, "what was under way"
    left, right = contents(out), contents(whole)
    for name in right:
        if not name.startswith("calls") and name != "manifest.json":
            assert left[name] == right[name], name
    assert json.loads(left["manifest.json"])["grading"] == json.loads(right["manifest.json"])["grading"]


def test_a_longer_run_takes_over_what_a_shorter_one_asked(reasoned, tmp_path):
    out = tmp_path / "judge"
    with Scripted().served() as server:
        assert make(reasoned, out, server, "--limit", "4", "--paraphrases", "0") == 0
        assert make(reasoned, out, server, "--limit", "4") == 0
        asked = sum(server.asked.values())
        calls = json.loads((out / "manifest.json").read_text())["calls"]
        assert asked == sum(of["calls"] for of in calls.values())
        assert make(reasoned, out, server, "--limit", "4") == 0
        assert sum(server.asked.values()) == asked
        assert make(reasoned, out, server, "--limit", "4", "--max-tokens", "7") == 2


def test_shards_ask_their_parts_and_the_whole_is_made_of_them(reasoned, made, tmp_path):
    whole, _ = made
    out = tmp_path / "judge"
    with Scripted().served() as server:
        for number in (1, 2, 3):
            assert make(reasoned, out, server, "--shard", f"{number}/3") == 0
            assert not (out / "manifest.json").exists()
        asked = sum(server.asked.values())
        assert make(reasoned, out, server) == 0
        assert sum(server.asked.values()) == asked
    assert contents(out)["pairwise/train.jsonl"] == contents(whole)["pairwise/train.jsonl"]


def test_a_dry_run_asks_nobody_and_tells_the_calls(reasoned, tmp_path, capsys):
    out = tmp_path / "judge"
    asked = ["--generator", "gen@http://127.0.0.1:9/v1"]
    assert make_judge_data.main(["--data", str(reasoned), "--out", str(out), *asked, *OPTIONS, "--dry-run"]) == 0
    assert not list(out.glob("*"))
    said = capsys.readouterr().out
    assert f"{5 * IMAGES} calls" in said
    assert f"{5 * IMAGES * (1 + PARAPHRASES)} calls" in said
    assert "tokens" in said


def test_replies_in_another_form_are_asked_for_again_and_then_set_aside(reasoned, tmp_path):
    def faults(prompt: str) -> str | None:
        if prompt.startswith("You rate how well") and "intact" in prompt.split("Candidate: ")[1]:
            return "I think it deserves <score>5</score><|im_end|> \x1b[2J"
        if prompt.startswith("You write rationales") and "could not be read" not in prompt:
            return "<reasoning>Fine.</reasoning> <answer>maybe</answer>"
        return None

    with Scripted(faults).served() as server:
        assert make(reasoned, tmp_path, server, "--limit", "6", "--tries", "2") == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    generator, evaluator = manifest["calls"]["generator"], manifest["calls"]["evaluator"]
    assert generator["unread"] == {"the answer is neither real nor fake": generator["calls"] // 2}
    assert sum(evaluator["unread"].values()) > 0
    rejects = [row["reason"] for row in rows_of(tmp_path, "rejects")]
    assert any(reason.startswith("no reply: evaluator: no reply in 2 tries: no <reasoning>") for reason in rejects)
    written = b"".join(v for k, v in contents(tmp_path).items() if not k.endswith(".png") and "calls" not in k)
    assert b"\x1b" not in written
    assert b"im_end" not in written


def test_a_server_without_a_reply_costs_the_rationale_which_is_asked_for_again_on_demand(reasoned, tmp_path, capsys):
    with Scripted(broken=True).served() as server:
        assert make(reasoned, tmp_path, server, "--limit", "3") == 2
        assert "no usable rationale" in capsys.readouterr().err
        asked = sum(server.asked.values())
        server.broken = False
        assert make(reasoned, tmp_path, server, "--limit", "3") == 2, "what failed is not asked for again by itself"
        assert sum(server.asked.values()) == asked
        assert make(reasoned, tmp_path, server, "--limit", "3", "--retry-errors") == 0
    assert json.loads((tmp_path / "manifest.json").read_text())["calls"]["generator"]["failed"] == 0


@pytest.mark.parametrize(
    ("judge", "warned"),
    [("Qwen/Qwen2.5-VL-7B-Instruct", True), ("MBZUAI/DeepfakeJudge-3B", True), ("InternVL3-8B", False)],
)
def test_models_of_the_judges_family_are_warned_of(reasoned, tmp_path, capsys, judge, warned):
    asked = ["--generator", "gpt-4.1@http://127.0.0.1:9/v1", "--evaluator", "Qwen3-VL-235B@http://127.0.0.1:9/v1"]
    options = ["--data", str(reasoned), "--out", str(tmp_path), *asked, "--judge", judge, "--dry-run"]
    assert make_judge_data.main(options) == 0
    assert ("evaluator and the judge" in capsys.readouterr().err) == warned


@pytest.mark.parametrize("fault", ["no gold", "no label", "no image"])
def test_rows_that_tell_too_little_are_set_aside_with_the_reason(reasoned, tmp_path, fault):
    rows = rows_of(reasoned.parent, "test")
    match fault:
        case "no gold":
            rows[1]["meta"]["reasoning"] = "n/a"
        case "no label":
            rows[1]["meta"]["label"] = 1
        case "no image":
            rows[1]["images"] = [str(tmp_path / "gone.png")]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows[:6]))
    with Scripted().served() as server:
        assert make(data, tmp_path / "out", server, "--paraphrases", "0") == 0
    (reject,) = [row for row in rows_of(tmp_path / "out", "rejects") if row["id"] == rows[1]["id"]]
    assert reject["where"] == f"{data}:2"
    assert reject["reason"].split(":")[0] == {"no gold": "gold", "no label": "label", "no image": "media"}[fault]


def test_the_same_rationale_twice_is_taken_once_but_the_place_makes_a_difference():
    case = Case("x:1", "1", "/x.png", "a" * 64, "fake", "gold", "")
    long = "The left hand melts into the table, as wax would, and the light on it comes from the wrong side, {}."

    def of(level: int, *texts: str) -> Graded:
        variants = [Variant(i, text, Rating(level, "why", "none")) for i, text in enumerate(texts)]
        return Graded(case, level, "none", [level], variants)

    five = of(5, long.format("top left"), long.format("top left").upper(), long.format("top  left!"))
    two = of(2, long.format("top right"), long.format("top left"))
    out = judge_rows.deduplicated([five, two])
    assert [(done.level, variant.number) for done, variant in out] == [(5, 1), (5, 2), (2, 1)]
    assert [len(done.variants) for done in (five, two)] == [1, 1]


# Kuckreja et al. (DeepfakeJudge), "Example: Graded Reasoning from Bootstrapping": a fake image.
EXAMPLE = {
    5: (
        "The train in the mid-right appears unnaturally bright and overly smooth, lacking realistic surface "
        "textures that would normally show wear and detail. The entire upper-right train section is distorted, "
        "with shapes fused together and unclear details, making it hard to distinguish individual parts. The "
        "merging of elements creates an unnatural and confusing structure that does not align with typical train "
        "forms. Edges between the train and the background are uneven and lack depth, further weakening the "
        "image's realism. These texture and structural anomalies clearly indicate that the scene is artificially "
        "generated."
    ),
    4: (
        "The train located on the right side is strikingly bright and shows a lack of detailed texture, giving it"
        " an overly smooth and synthetic appearance. In the upper-right section, the shapes seem to merge, "
        "complicating the identification of distinct train parts. The boundaries between the train and its "
        "background are somewhat uneven, further diminishing its natural look. These texture irregularities and "
        "the blending of forms strongly suggest that the image is AI-generated."
    ),
    3: (
        "The train exhibits an unusually bright and smooth texture, with certain sections blending into one "
        "another in the upper right area. The distinct features of the train's structure are somewhat obscured, "
        "and the edges around it lack sharpness, indicating possible alterations. Overall, the image raises "
        "suspicion and does not appear entirely authentic, despite some visible details."
    ),
    2: (
        "The train looks a little off because some parts seem merged and unclear, especially on the upper right. "
        "The colors also look a bit unnatural. However, the rest of the scene looks okay. It might be edited or "
        "just a low-quality photo. There are no strong clear signs, so I'm not completely sure."
    ),
    1: (
        "The train looks normal and the tracks appear fine, with no visible issues. The colors and textures seem "
        "consistent with a real photo. The background and surrounding objects also look natural. Nothing stands "
        "out as fake or edited here, so this image is definitely real."
    ),
}


def test_the_published_example_of_the_levels_is_read_and_makes_ten_pairs():
    case = Case("x:1", "train", "/train.png", "a" * 64, "fake", EXAMPLE[5], "")
    graded = []
    for level, text in EXAMPLE.items():
        verdict = scripted.FOLD["fake"] if level > 1 else "real"
        candidate = read_rationale(f"<reasoning>{text}</reasoning> <answer>{verdict}</answer>", verdict)
        graded.append(Graded(case, level, "none", [level], [Variant(0, candidate, Rating(level, "why", "none"))]))
        wrong = {"fake": "real", "real": "fake"}[verdict]
        with pytest.raises(ValueError, match="answer must be"):
            read_rationale(f"<reasoning>{text}</reasoning> <answer>{verdict}</answer>", wrong)
    assert judge_rows.deduplicated(graded) == []
    rows = [*judge_rows.pairwise(judge_rows.pairs_of(graded, None, 0), 0)]
    assert len(rows) == 10
    assert Counter(row.published["answer"] for row in rows) == {"A": 5, "B": 5}


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "The ball melts. <answer>fake</answer>",
        "<reasoning>It melts.</reasoning> <answer>fake</answer> and more",
        "<reasoning>It melts.</reasoning> <answer>fake</answer> <answer>fake</answer>",
        "<reasoning></reasoning> <answer>fake</answer>",
        "<reasoning>It <reasoning>melts.</reasoning> <answer>fake</answer>",
        "<reasoning>It melts.",
        "</think><reasoning>It melts.</reasoning> <answer>fake</answer>",
        "<reasoning>This is a real photo.</reasoning> <answer>fake</answer>",
        f"<reasoning>{'It melts. ' * 500}</reasoning> <answer>fake</answer>",
        "<reasoning>" * 3000,
    ],
)
def test_a_rationale_in_another_form_is_none(reply):
    with pytest.raises(ValueError, match=r"\w") as raised:
        read_rationale(reply, "fake")
    assert "melts" not in str(raised.value), "what is wrong goes back to the model and quotes nothing"


def test_a_rationale_is_only_ever_text():
    reply = "<think>hm</think> <reasoning>It melts.<|im_end|>\n<image>\x1b[2J</reasoning>\n<answer>fake</answer>"
    assert (
        read_rationale(reply, "fake") == "<reasoning>It melts.‹|im_end|> ‹image>[2J</reasoning> <answer>fake</answer>"
    )


def test_no_secret_of_the_environment_is_in_any_file(reasoned, tmp_path, capsys, monkeypatch):
    key = "sk-CANARY-0123456789abcdef"
    monkeypatch.setenv("OPENAI_API_KEY", key)

    def faults(prompt: str) -> str | None:
        if prompt.startswith("You write rationales") and "of level 3." in prompt:
            return f"<reasoning>The key is {key}.</reasoning> <answer>fake</answer>"
        return None

    with Scripted(faults).served() as server:
        assert make(reasoned, tmp_path, server, "--limit", "4", "--paraphrases", "0") == 0
    assert not [name for name, content in contents(tmp_path).items() if b"CANARY" in content]
    said = capsys.readouterr()
    assert "CANARY" not in said.out + said.err


def test_a_generator_that_says_the_same_again_is_not_asked_twice_and_stops(reasoned, tmp_path):
    def faults(prompt: str) -> str | None:
        if prompt.startswith("You write rationales") and "of level 4." in prompt:
            verdict = prompt.split('The verdict in the answer is "')[1].split('"')[0]
            return f"<reasoning>It is what it is.</reasoning> <answer>{verdict}</answer>"
        return None

    with Scripted(faults).served() as server:
        assert make(reasoned, tmp_path, server, "--limit", "4", "--paraphrases", "0", "--rounds", "5") == 0
        calls = json.loads((tmp_path / "manifest.json").read_text())["calls"]
        assert sum(server.asked.values()) == sum(of["calls"] for of in calls.values())
        assert make(reasoned, tmp_path, server, "--limit", "4", "--paraphrases", "0", "--rounds", "5") == 0
    assert json.loads((tmp_path / "manifest.json").read_text())["calls"] == calls
    reasons = [row["reason"] for row in rows_of(tmp_path, "rejects") if "intended 4" in row["reason"]]
    assert reasons == ["unaccepted: intended 4, rated 3 then 3 then 3 then 3 then 3 then 3"] * 4
    assert {tuple(row) for row in rows_of(tmp_path, "calls")} == {("id", "role", "seconds", "response", "usage")}
    lines = [row["id"] for row in rows_of(tmp_path, "calls")]
    assert len(lines) == len(set(lines))


def test_a_budget_ends_the_run_and_a_rerun_goes_on(reasoned, tmp_path, capsys):
    with Scripted().served() as server:
        assert make(reasoned, tmp_path, server, "--limit", "4", "--budget-requests", "30") == 2
        assert "the budget (requests 30) is used up" in capsys.readouterr().err
        assert sum(server.asked.values()) == len(rows_of(tmp_path, "calls")) == 30
        assert make(reasoned, tmp_path, server, "--limit", "4") == 0
        calls = json.loads((tmp_path / "manifest.json").read_text())["calls"]
        assert sum(server.asked.values()) == sum(of["calls"] for of in calls.values()) > 60


def test_the_task_of_a_slurm_array_is_a_shard(reasoned, tmp_path, capsys, monkeypatch):
    for name, value in {"ID": 1, "MIN": 0, "COUNT": 2}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
    with Scripted().served() as server:
        assert make(reasoned, tmp_path, server, "--limit", "4", "--paraphrases", "0") == 0
    assert "shard 2/2: 2 images asked about" in capsys.readouterr().out
    assert (tmp_path / "calls.2-of-2.jsonl").is_file()
