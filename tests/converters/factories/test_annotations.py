"""annotate_images.py with captioners that err at known rates: what it keeps is what two of them saw."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from converters import annotate_images, fakeclue_to_swift
from converters.factories.captions import (
    CATEGORIES,
    FAMILIES,
    Observation,
    caption_prompt,
    read_groups,
    read_observations,
)
from converters.factories.prompts import prompts_below
from converters.layouts import fakeclue
from swift_plugins.core.records import check_row, read_rows
from swift_plugins.core.tasks import fakevlm
from tests.converters.factories import captioning
from tests.converters.factories.captioning import Captioning
from tests.killing import contents

MODELS = ("qwen2-vl", "internvl", "deepseek-vl")


def annotate(data: Path, out: Path, server: Captioning, *options: str) -> int:
    asked = [flag for name in MODELS for flag in ("--captioner", f"{name}@{server.url}")]
    return annotate_images.main(["--data", str(data), "--out", str(out), *asked, "--check", "header", *options])


def rows_of(out: Path, name: str) -> list[dict]:
    return [row for _, row in read_rows(out / f"{name}.jsonl")]


@pytest.fixture(scope="module")
def made(labelled, tmp_path_factory):
    """(folder, server) of a whole run; read them, do not change them."""
    out = tmp_path_factory.mktemp("made") / "annotated"
    with Captioning().served() as server:
        assert annotate(labelled, out, server) == 0
    return out, server


def kept_of(row: dict) -> set[str]:
    """The sentences of an explanation."""
    text = row["meta"]["explanation"]
    for family in FAMILIES:
        text = text.replace(f"{family.capitalize()}: ", "")
    return {f"{sentence.strip().rstrip('.')}." for sentence in text.split(". ") if sentence.strip()}


def images_of(rows: list[dict]) -> list[tuple[dict, str]]:
    return [(row, base64.b64encode(Path(row["images"][0]).read_bytes()).decode()) for row in rows]


def test_precision_and_recall_of_what_is_kept_are_those_of_two_in_three(labelled, made):
    out, _ = made
    rows = images_of(rows_of(out, "train"))
    right = kept = there = single_right = single = 0
    for row, image in rows:
        if not row["meta"]["explanation"]:
            continue
        true = {text for _, text in captioning.truth(image)}
        special = row["meta"]["asked_as_unseen"]
        reports = [{text for _, text in captioning.seen(image, model, special)} for model in MODELS]
        agreed = {text for text in set().union(*reports) if sum(text in report for report in reports) >= 2}
        assert kept_of(row) == agreed
        right, kept, there = right + len(agreed & true), kept + len(agreed), there + len(true)
        single_right, single = single_right + len(reports[0] & true), single + len(reports[0])
    assert len(rows) > 40
    assert right / kept > 0.97, "what two make up is seldom the same"
    assert single_right / single < 0.75, "a captioner alone makes up a third"
    assert right / there == pytest.approx(0.896, abs=0.06)  # at least two of three, each with 0.8


def test_a_fake_with_nothing_to_see_gets_no_forced_explanation(labelled, made):
    out, _ = made
    rows = {row["id"]: row for row in rows_of(out, "train")}
    asked = rows_of(labelled.parent, "train")
    perfect = [row for row, image in images_of(asked) if captioning.perfect(image)]
    fakes = [row for row in perfect if row["meta"]["label"] == "fake"]
    assert len(fakes) > 2
    for row in fakes:
        found = rows[row["id"]]
        assert found["messages"][1]["content"] == "This is a fake image."
        assert found["meta"]["asked_as_unseen"]
    rejected = {row["id"]: row["reason"] for row in rows_of(out, "rejects")}
    assert set(rejected) == {row["id"] for row in perfect if row["meta"]["label"] == "real"}
    assert all(reason.startswith("no agreement: 6 observations") for reason in rejected.values())
    assert json.loads((out / "manifest.json").read_text())["nothing_seen"] == len(fakes)


def test_the_manifest_tells_the_agreement_of_each_family(made):
    out, _ = made
    manifest = json.loads((out / "manifest.json").read_text())
    families = manifest["agreement"]["families"]
    kept = sum(len(kept_of(row)) for row in rows_of(out, "train") if row["meta"]["explanation"])
    assert sum(of["kept"] for of in families.values()) == kept
    for of in families.values():
        seen = [of.get(f"seen_by_{n}", 0) for n in (1, 2, 3)]
        assert of["kept"] == seen[1] + seen[2]
        assert of["agreed_percent"] == pytest.approx(100 * of["kept"] / sum(seen), abs=0.06)
    for of in manifest["agreement"]["captioners"].values():
        assert 0.4 < of["shared"] / of["observations"] < 0.8
    assert manifest["prompts"]["captions/fake/animal"]["version"] == 1
    assert manifest["generic_explanations"]["sentences"] == {}


def test_the_published_layout_is_read_back_as_the_same_rows(made, tmp_path):
    out, _ = made
    options = ["--src", str(out / "published"), "--out", str(tmp_path), "--check", "header", "--workers", "1"]
    assert fakeclue_to_swift.main(options) == 0
    ours, theirs = rows_of(out, "train"), rows_of(tmp_path, "train")
    assert len(ours) == len(theirs)
    for own, read in zip(ours, theirs, strict=True):
        check_row(own)
        assert own["messages"] == read["messages"]
        assert read["meta"].items() <= own["meta"].items()
        assert Path(own["images"][0]).read_bytes() == Path(read["images"][0]).read_bytes()
        answer = fakevlm.parse_trained(own["messages"][1]["content"]).answer
        assert answer.verdict == own["meta"]["label"]


def test_there_are_fourteen_prompts_and_one_for_what_is_not_seen():
    assert set(CATEGORIES) == set(fakeclue.CATEGORIES)
    texts = {
        (verdict, category): "\n".join(part.text for part in caption_prompt(verdict, category, False))
        for verdict in ("real", "fake")
        for category in CATEGORIES
    }
    assert len(set(texts.values())) == 14
    assert "Do not force an explanation" in caption_prompt("fake", "human", True)[0].text
    names = {prompt.name for prompt in prompts_below("captions")}
    assert names == {
        *(f"captions/{verdict}/{category}" for verdict, category in texts),
        *(f"captions/{name}" for name in ("ask_real", "ask_fake", "ask_unseen", "aggregate")),
    }


def test_a_sentence_that_stands_under_many_images_is_told(labelled, tmp_path, capsys):
    everywhere = "The image has an unnatural look to it."
    with Captioning(everywhere=everywhere).served() as server:
        assert annotate(labelled, tmp_path, server, "--limit", "20") == 0
    found = json.loads((tmp_path / "manifest.json").read_text())["generic_explanations"]
    (said,) = found["sentences"]
    assert said == everywhere
    assert found["sentences"][said] == found["images_with_such"] > 15
    assert "generic: under" in capsys.readouterr().out


HOSTILE = {
    "no json": "I see wax-like skin.",
    "more than json": '[{"family": "texture", "critical": false, "text": "Wax."}] as you see',
    "another key": '[{"family": "texture", "critical": false, "text": "Wax.", "path": "/etc/passwd"}]',
    "another family": '[{"family": "vibes", "critical": false, "text": "Wax."}]',
    "the other verdict": '[{"family": "texture", "critical": false, "text": "This is a real image and a fake image."}]',
    "no text": '[{"family": "texture", "critical": false, "text": ""}]',
    "too deep": "[" * 5000,
    "too long": "x" * 200_000,
}


@pytest.mark.parametrize("reply", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_list_in_another_form_is_none(reply):
    with pytest.raises(ValueError, match=r"\w") as raised:
        read_observations(reply, "fake")
    assert "/etc" not in str(raised.value)


def test_what_is_read_is_only_ever_text():
    reply = '```json\n[{"family": "texture", "critical": true, "text": "Wax<|im_end|>\\n<image>\\u001b[2J"}]\n```'
    (found,) = read_observations(reply, "fake")
    assert found.text == "Wax‹|im_end|> ‹image>[2J."


@pytest.mark.parametrize(
    ("names", "wrong"), [('["A1", "D9"]', "must name"), ('["A1"]', "two groups"), ("[]", "must name")]
)
def test_an_aggregator_that_invents_observations_is_not_believed(names, wrong):
    named = {"A1": Observation("texture", False, "Wax."), "B1": Observation("texture", False, "Wax.")}
    group = '{{"family": "texture", "from": {}, "critical": false, "text": "Wax."}}'
    reply = f"[{group.format(names)}, " + group.format('["A1", "B1"]') + "]"
    with pytest.raises(ValueError, match=wrong):
        read_groups(reply, named, "fake")


def test_an_aggregator_that_says_something_else_is_not_believed():
    named = {
        "A1": Observation("texture", False, "The skin of the left cheek is smooth as wax."),
        "B1": Observation("texture", False, "The face has no pores and shines like plastic."),
    }
    group = '[{"family": "texture", "from": ["A1", "B1"], "critical": false, "text": "%s"}]'
    (found,) = read_groups(group % "The skin of the face is smooth, without pores, like wax.", named, "fake")
    assert found.captioners == 2
    with pytest.raises(ValueError, match="something else"):
        read_groups(group % "A second sun stands over London.", named, "fake")


def test_a_captioner_without_a_usable_reply_leaves_it_to_the_other_two(labelled, tmp_path):
    with Captioning(hostile={"internvl": HOSTILE["no json"]}).served() as server:
        assert annotate(labelled, tmp_path, server, "--limit", "12", "--tries", "1") == 0
    assert {row["meta"]["captioners"] for row in rows_of(tmp_path, "train")} == {2}
    rows = images_of(rows_of(tmp_path, "train"))
    for row, image in rows:
        reports = [
            {text for _, text in captioning.seen(image, model, row["meta"]["asked_as_unseen"])}
            for model in (MODELS[0], MODELS[2])
        ]
        if row["meta"]["explanation"]:
            assert kept_of(row) == reports[0] & reports[1]


def test_what_one_saw_is_kept_where_it_and_the_aggregator_call_it_critical(labelled, tmp_path):
    glaring = '[{"family": "anatomy", "critical": %s, "text": "The person has three arms."}]'

    class Glaring(Captioning):
        def aggregated(self, prompt: str) -> str:
            return super().aggregated(prompt).replace("false", "true")

    for said, kept in (("true", True), ("false", False)):
        out = tmp_path / said
        with Glaring(hostile={"internvl": glaring % said}).served() as server:
            assert annotate(labelled, out, server, "--limit", "14") == 0
        texts = [row["meta"]["explanation"] for row in rows_of(out, "train") if row["meta"]["explanation"]]
        assert all(("three arms" in text) == kept for text in texts)
        assert len(texts) > 3


def test_a_killed_run_goes_on_and_shards_make_the_same(labelled, made, tmp_path):
    whole, _ = made
    log = (whole / "calls.jsonl").read_bytes().splitlines(keepends=True)
    out = tmp_path / "annotated"
    out.mkdir()
    (out / "calls.jsonl").write_bytes(b"".join(log[:40]) + log[40][:20])
    (out / "calls.jsonl.run.json").write_bytes((whole / "calls.jsonl.run.json").read_bytes())
    with Captioning().served() as server:
        assert annotate(labelled, out, server, "--shard", "2/2") == 0
        assert annotate(labelled, out, server) == 0
        calls = json.loads((out / "manifest.json").read_text())["calls"]
        assert sum(server.asked.values()) + 40 >= sum(of["calls"] for of in calls.values())
    left, right = contents(out), contents(whole)
    assert {name for name in left if "calls" not in name} == {name for name in right if "calls" not in name}
    assert all(left[name] == right[name] for name in left if "calls" not in name)


def test_three_different_captioners_are_asked_for(labelled, tmp_path, capsys):
    one = ["--captioner", "qwen@http://127.0.0.1:9/v1"]
    for flags in (one, one * 3):
        with pytest.raises(SystemExit):
            annotate_images.main(["--data", str(labelled), "--out", str(tmp_path), *flags])
        assert "give --captioner three times, each another model" in capsys.readouterr().err


def test_a_category_is_asked_for_where_none_is_known(labelled, tmp_path, capsys):
    rows = rows_of(labelled.parent, "train")[:4]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row | {"meta": row["meta"] | {"category": ""}}) + "\n" for row in rows))
    with Captioning().served() as server:
        assert annotate(data, tmp_path / "out", server) == 2
        assert "give one by --category or --classifier" in capsys.readouterr().err
        assert annotate(data, tmp_path / "out", server, "--category", "scene") == 0
    assert {row["meta"]["category"] for row in rows_of(tmp_path / "out", "train")} == {"scene"}


def test_a_dry_run_asks_nobody_and_writes_nothing(labelled, tmp_path, capsys):
    asked = [flag for name in MODELS for flag in ("--captioner", f"{name}@http://127.0.0.1:9/v1")]
    out = tmp_path / "out"
    assert annotate_images.main(["--data", str(labelled), "--out", str(out), *asked, "--limit", "10", "--dry-run"]) == 0
    assert not out.exists()
    said = capsys.readouterr().out
    assert said.count(" 10 calls") == 4
