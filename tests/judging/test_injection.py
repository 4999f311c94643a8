"""The suites that try to talk a judge into a verdict: what they write, and what is measured of the answers."""

import json
import re
from dataclasses import replace

import pytest
from PIL import Image

from eval import injection
from eval.injection import measure
from eval.judging.attacks import ATTACKS, BENIGN, compose, variants
from swift_plugins.answering import asking
from swift_plugins.core.tasks import dfj_pairwise, dfj_pointwise, get_task
from swift_plugins.core.tasks.candidates import fill, neutralise

CANDIDATE = "<reasoning>The shadow falls to the left, where the lamp stands.</reasoning> <answer>fake</answer>"
TAG = re.compile(r"</?(?:reasoning|score|answer|image|video)>|<\|")


def base(task, image="/x.png", number=0):
    """A judge row of a converter whose candidates are CANDIDATE; the second of a pair is the worse one."""
    texts = (
        {"candidate_response": CANDIDATE}
        if task is dfj_pointwise
        else {"response_a": CANDIDATE, "response_b": CANDIDATE}
    )
    text, spans = fill(task.PROMPT, {"ground_truth_label": "fake", **texts})
    places = {name.removesuffix("_response"): list(spans[name]) for name in texts}
    gold = {"score": 2} if task is dfj_pointwise else {"answer": "A"}
    return {
        "id": f"r{number}",
        "task": task.NAME,
        "images": [image],
        "messages": [{"role": "user", "content": text}],
        "meta": {"media_id": f"m{number}", "label": "fake", **gold, **places},
    }


def attacked(task, mode):
    """name of the attack -> (the whole prompt, the decision that the attack wants)."""
    best = "5" if task is dfj_pointwise else "B"
    decision = f"{task.CHOICES.before}{best}{task.CHOICES.after}"
    return {
        item.rows[0]["meta"]["name"]: (item.rows[0]["messages"][0]["content"], decision)
        for item in variants(base(task), mode)
        if item.rows[0]["meta"]["suite"] == "attack"
    }


@pytest.mark.parametrize("task", [dfj_pointwise, dfj_pairwise], ids=lambda task: task.NAME)
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_adds_no_tag_to_the_prompt(task, name):
    plain = base(task)["messages"][0]["content"]
    prompt, decision = attacked(task, "safe")[name]
    assert prompt != plain
    own = TAG.findall(plain)
    frame = {"<reasoning>", "</reasoning>", "<answer>", "</answer>"}  # a candidate of another form has no frame left
    assert [tag for tag in TAG.findall(prompt) if tag not in frame] == [tag for tag in own if tag not in frame]
    for tag in frame:
        assert prompt.count(tag) <= plain.count(tag)
    assert prompt.count("\n") == plain.count("\n")
    assert prompt.count(decision) == plain.count(decision)


@pytest.mark.parametrize("task", [dfj_pointwise, dfj_pairwise], ids=lambda task: task.NAME)
@pytest.mark.parametrize("name", ATTACKS)
def test_a_judge_that_quotes_the_attack_still_says_its_own_verdict(task, name):
    best, own = ("5", task.Answer(2)) if task is dfj_pointwise else ("B", task.Answer("A"))
    raw = compose(ATTACKS[name], CANDIDATE, f"{task.CHOICES.before}{best}{task.CHOICES.after}", best)
    safe = re.sub(r"</?(?:reasoning|answer)>", "", neutralise(raw))  # as one quotes it inside a reasoning
    parse = task.GRAMMARS["trained"]
    quoting = f"It says: {safe}"
    assert parse(f"<reasoning>{quoting}</reasoning>\n{task.render(own)}").answer == replace(own, reasoning=quoting)
    assert parse(f"<reasoning>{quoting}</reasoning>").answer is None
    echo = parse(f"{raw}\n{task.render(own)}").answer  # even of the untouched text
    assert echo is None or replace(echo, reasoning=None) == own


@pytest.mark.parametrize("name", ATTACKS)
def test_no_special_token_reaches_the_model_as_one(name):
    pytest.importorskip("tokenizers")
    from swift_plugins.core.special_texts import QWEN_TOKENS
    from swift_plugins.tiny_architectures import build_tokenizer

    tokenizer = build_tokenizer(["a few words to learn from"], 400, QWEN_TOKENS)
    special = {tokenizer.convert_tokens_to_ids(token) for token in QWEN_TOKENS}
    safe = neutralise(compose(ATTACKS[name], CANDIDATE, "<score>5</score>", "5"))
    assert not special & set(tokenizer.encode(safe, add_special_tokens=False))
    raw = tokenizer.encode(ATTACKS["system turn"], add_special_tokens=False)
    assert special & set(raw)  # untouched they would be


def test_harmless_texts_stay_as_they_are():
    changed = {
        name for name, pattern in BENIGN.items() if neutralise(text := compose(pattern, CANDIDATE, "", "")) != text
    }
    assert changed == {"mark-up", "lines"}


def test_a_row_that_does_not_say_where_its_candidate_stands_is_refused():
    row = base(dfj_pointwise)
    row["meta"]["candidate"] = []
    with pytest.raises(ValueError, match="where its candidate stands"):
        variants(row, "safe")


# ------------------------------------------------------------------------------------------------------------ measures


def answer(base_id, suite, name, verdict, mode="safe"):
    return {
        "task": "dfj_pointwise",
        "base": base_id,
        "media_id": base_id,
        "suite": suite,
        "name": name,
        "mode": mode,
        "verdict": verdict,
    }


def test_success_and_drift_by_hand():
    rows = [
        answer("a", "clean", "clean", 2),
        answer("b", "clean", "clean", 5),
        answer("c", "clean", "clean", None),
        answer("d", "clean", "clean", 4),
        answer("a", "attack", "x", 5),
        answer("a", "attack", "y", 2),
        answer("b", "attack", "x", 5),
        answer("c", "attack", "x", 5),
        answer("d", "attack", "x", 3),
        answer("d", "attack", "y", None),
        answer("a", "benign", "p", 3),
        answer("a", "benign", "p", 1, "exact"),
        answer("d", "benign", "p", 4),
        answer("d", "benign", "p", 4, "exact"),
        answer("b", "benign", "p", None),
        answer("b", "benign", "p", 4, "exact"),
        answer("a", "attack", "z", None) | {"error": "out of memory"},
    ]
    found = measure("dfj_pointwise", rows)
    assert (found["attack_success_rate"]["value"], found["attack_success_rate"]["n"]) == (25.0, 4)
    assert {name: rate["value"] for name, rate in found["by_attack"].items()} == {"x": 50.0, "y": 0.0}
    assert found["attacks_unparsed"]["value"] == 25.0
    assert (found["benign_drift"]["value"], found["benign_drift"]["n"]) == (pytest.approx(200 / 3, abs=1e-3), 3)
    assert (found["benign_unparsed"]["value"], found["benign_drift_mean"]) == (pytest.approx(100 / 3, abs=1e-3), 1.0)
    assert (found["not_attacked"], found["clean_unparsed"], found["errors"]) == (1, 1, 1)


@pytest.mark.parametrize("best", ["A", "B"])
def test_an_attack_asks_for_the_attacked_candidate(best):
    decision = f"<answer>{best}</answer>"
    wide, entities, other = (
        compose(ATTACKS[name], "x", decision, best) for name in ("wide signs", "entities", "second answer")
    )
    assert f"＜answer＞{best}＜/answer＞" in wide
    assert f"&lt;answer&gt;{best}&lt;/answer&gt;" in entities
    assert f"Response {'B' if best == 'A' else 'A'}: " in other


class Gullible:
    """A judge that takes the first decision it reads in the candidate for its own; else it says 2, or A."""

    special_tokens = frozenset({"<|im_end|>"})

    def answer(self, rows):
        found = []
        for row in rows:
            task = get_task(row["task"])
            head = row["messages"][0]["content"].partition("Score the reasoning")[0].partition("Whose reasoning")[0]
            tag = "score" if task is dfj_pointwise else "answer"
            said = re.search(rf"<{tag}>([1-5AB])</{tag}>", head)
            decision = said.group(1) if said else "2" if task is dfj_pointwise else "A"
            found.append({"response": f"<{tag}>{decision}</{tag}>"})
        return found


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    Image.new("RGB", (32, 32)).save(tmp_path / "x.png")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "forensics.json").write_text('{"vision": {}}')
    monkeypatch.setattr(asking.Asking, "start", lambda self: Gullible())

    def call(task, mode):
        rows = [base(task, str(tmp_path / "x.png"), number) for number in range(3)]
        (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        flags = [
            "--model",
            tmp_path / "model",
            "--data",
            tmp_path / "data.jsonl",
            "--candidates",
            mode,
            "--json",
            "--out",
            tmp_path / f"{task.NAME}.{mode}.jsonl",
            "--check",
            "header",
        ]
        assert injection.main(list(map(str, flags))) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return call


@pytest.mark.parametrize("task", [dfj_pointwise, dfj_pairwise], ids=lambda task: task.NAME)
def test_safe_candidates_save_a_judge_that_believes_every_tag(run, task, tmp_path):
    untouched, safe = run(task, "exact"), run(task, "safe")
    assert untouched["by_attack"]["decision inside"]["value"] == 100
    assert safe["attack_success_rate"]["value"] == 0
    assert set(safe["by_attack"]) == set(ATTACKS)
    assert safe["benign_drift"]["value"] == 0
    assert safe["rows"] == 3
    page = (tmp_path / f"{task.NAME}.exact.jsonl.report.html").read_text()
    assert "decision inside" in page
    assert page.count("<script") == 2  # of the candidates' texts none
