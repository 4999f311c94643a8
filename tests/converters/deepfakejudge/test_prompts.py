"""The DeepfakeJudge converter tells the prompt of its rows, and where the label and the candidates stand in it."""

from __future__ import annotations

import hashlib
import time

import pytest

from converters.layouts.deepfakejudge_rows import Raw
from converters.rows.judge_prompts import recover_prompt
from swift_plugins.core.tasks import TASKS, get_task
from swift_plugins.core.tasks.candidates import fill
from tests.converters.deepfakejudge.making import LABELS, NAMES, PAIR, POINT, messages, pairwise, pointwise, said

LONG = (
    "You judge explanations. An image may be real, fake or edited; Fake means generated, EDITED means retouched.\n"
    "Return JSON-free text: <reasoning>why {{briefly}}</reasoning>\n<score>1-5</score>, never <answer>real</answer>.\n"
)
POINTS = {
    "label before": POINT,
    "label after": "<image>Read this: {candidate_response}\n\nTruth = {ground_truth_label}",
    "label twice": "<image>{ground_truth_label}! {candidate_response}\nRemember: it is {ground_truth_label}.",
    "candidate last": "<image>Label: {ground_truth_label}\n{candidate_response}",
    "other mentions": "<image>" + LONG + "Real or fake? {ground_truth_label}.\nCandidate [{candidate_response}] real?",
    "an example": f"<image>Form: {said('…', 'real')}. Label {{ground_truth_label}}. Given: {{candidate_response}}. Go.",
    "an example after": f"<image>Is it {{ground_truth_label}}? {{candidate_response}} (like {said('…')}, or fake)",
    "no tag": "Label: {ground_truth_label}\nCandidate: {candidate_response}\nScore?",
}
PAIRS = {
    "label before": PAIR,
    "label last": "<image>1) {response_a}\n2) {response_b}\nIt is {ground_truth_label}: A or B? <answer>A</answer>",
    "label between": "<image>{response_a} was said of a {ground_truth_label} image; or {response_b} real, fake",
    "other mentions": "<image>" + LONG + "{ground_truth_label}\n### A ###\n{response_a}\n### B ###\n{response_b}\n}}{{",
    "an example": f"<image>Each is {said('…', 'edited')}. {{ground_truth_label}}\nA {{response_a}} B {{response_b}}",
}
TEXTS = [
    said(text, verdict)
    for verdict, text in [
        ("fake", "plain"),
        ("real", "braces {response_a} {ground_truth_label} {} }{"),
        ("Edited", "it is fake, not real"),
        ("fake", "real real real"),
        ("real", "two\nlines\n\n"),
        ("fake", "日本語 ☂ é"),
        ("real", "\\d (.*) $1 &amp;"),
    ]
]


def tagged(template: str) -> str:
    return template if "<image>" in template else f"<image>{template}"


@pytest.mark.parametrize("labelled", [True, False], ids=["labels stated", "labels told by the prompt alone"])
@pytest.mark.parametrize("template", POINTS.values(), ids=POINTS)
def test_the_pointwise_prompt_is_recovered(convert, template, labelled):
    rows = [pointwise(i, template, TEXTS[i % 7]) for i in range(21)]
    labels = [row["label"] for row in rows]
    raw = rows if labelled else [{k: v for k, v in row.items() if k != "label"} for row in rows]
    done = convert({"pointwise/train": raw})
    facts = done.manifest["subsets"]["pointwise/train"]
    assert facts["prompt"] == tagged(template)
    assert facts["prompt_sha256"] == hashlib.sha256(tagged(template).encode()).hexdigest()
    assert facts["rows_of_this_prompt"] == 21
    assert facts["image_tags_added"] == (0 if "<image>" in template else 21)
    for i, row in enumerate(done.rows):
        text = row["messages"][0]["content"]
        assert text == tagged(rows[i]["messages"][0]["content"])
        assert text[slice(*row["meta"]["candidate"])] == TEXTS[i % 7]
        assert row["meta"]["label"] == labels[i]
        slots = {"ground_truth_label": labels[i], "candidate_response": TEXTS[i % 7]}
        assert fill(facts["prompt"], slots).text == text


@pytest.mark.parametrize("template", PAIRS.values(), ids=PAIRS)
def test_the_pairwise_prompt_is_recovered(convert, template):
    rows = [pairwise(i, template) for i in range(12)]
    done = convert({"pairwise/train": [{k: v for k, v in row.items() if k != "label"} for row in rows]})
    facts = done.manifest["subsets"]["pairwise/train"]
    assert [facts["prompt"], facts["rows_of_this_prompt"]] == [template, 12]
    for i, row in enumerate(done.rows):
        text, meta = row["messages"][0]["content"], row["meta"]
        slots = {name: text[slice(*meta[name])] for name in ("response_a", "response_b")}
        assert slots == {"response_a": said(f"left {i}"), "response_b": said(f"right {i}", "real")}
        assert meta["label"] == LABELS[i % 3]
        assert fill(facts["prompt"], slots | {"ground_truth_label": meta["label"]}).text == text


def test_a_label_in_capitals_is_recovered_as_the_rows_have_it(convert):
    rows = [pointwise(i) for i in range(6)]
    for row in rows:
        asked, label = row["messages"][0], row.pop("label")
        asked["content"] = asked["content"].replace(f" {label}.", f" {label.upper()}.")
    done = convert({"pointwise/train": rows})
    facts = done.manifest["subsets"]["pointwise/train"]
    assert [facts["prompt"], facts["rows_of_this_prompt"]] == [POINT, 6]
    assert [row["meta"]["label"] for row in done.rows] == [*LABELS, *LABELS]
    assert [row["messages"] for row in done.rows] == [row["messages"] for row in rows]


FREE = [
    "It looks fake to me, real hair is not blue.",
    "<answer>Fake.</answer>",
    "<reasoning>never closed",
    "<reasoning>quotes <reasoning> itself</reasoning> <answer>real</answer>",
    said("one") + " and then " + said("two", "real"),
    "</reasoning><score>5</score>",
    "",
]


@pytest.mark.parametrize("text", FREE)
def test_a_candidate_of_an_odd_form_is_found_by_the_prompt_around_it(convert, text):
    rows = [pointwise(i) for i in range(6)]
    rows.insert(3, pointwise(1, text=text))
    done = convert({"pointwise/train": [{k: v for k, v in row.items() if k != "label"} for row in rows]})
    facts = done.manifest["subsets"]["pointwise/train"]
    assert [facts["prompt"], facts["rows_of_this_prompt"]] == [POINT, 7]
    found = done.rows[3]
    assert found["messages"][0]["content"][slice(*found["meta"]["candidate"])] == text
    assert found["meta"]["label"] == "fake"


@pytest.mark.parametrize(
    ("a", "b", "known"),
    [
        ("free text", "more of it", True),
        (said("one") + said("two"), "free", True),
        ("one\nB: two", said("x"), False),  # it holds what stands between the two
        (said("one") + "\nB: two", said("x") + said("y"), False),
        (said("one") + " and more\nB: " + said("two"), said("x"), False),  # whose frames alone would tell a part of it
        (said("one") + "\nB: " + said("two"), said("x"), False),
        ("free", said("one") + "\nB: " + said("two"), False),
    ],
)
def test_two_candidates_of_an_odd_form_are_told_apart_or_not_at_all(convert, capsys, a, b, known):
    prompt = fill(PAIR, {"ground_truth_label": "fake", "response_a": a, "response_b": b}).text
    rows = [*map(pairwise, range(6)), pairwise(1, messages=messages(prompt, "<answer>A</answer>"))]
    done = convert({"pairwise/train": rows})
    meta = done.rows[-1]["meta"]
    if known:
        assert [prompt[slice(*meta[name])] for name in ("response_a", "response_b")] == [a, b]
    else:
        assert [meta["response_a"], meta["response_b"]] == [[], []]
        assert done.manifest["subsets"]["pairwise/train"]["rows_whose_candidates_were_not_found"] == 1
        assert "note: 1 rows of pairwise/train do not tell where their candidates stand" in capsys.readouterr().out


def test_candidates_stated_by_fields_are_found_in_any_order(convert):
    template = "<image>Second: {response_b} First: {response_a} ({ground_truth_label})"
    rows = []
    for i in range(6):
        slots = {"ground_truth_label": LABELS[i % 3], "response_a": f"free {i}", "response_b": f"odd [{i}]"}
        row = {"query": fill(template, slots).text, "response": "<answer>A</answer>", "image": f"images/{NAMES[i]}.png"}
        rows.append(row | {key: slots[key] for key in ("response_a", "response_b")})
    done = convert({"pairwise/train": rows})
    assert done.manifest["subsets"]["pairwise/train"]["prompt"] == template
    for raw, row in zip(rows, done.rows, strict=True):
        for name in ("response_a", "response_b"):
            assert row["messages"][0]["content"][slice(*row["meta"][name])] == raw[name]


@pytest.mark.parametrize("at", [0, 7, 20])
@pytest.mark.parametrize("odd", ["other wording", "a typo in a fixed mention", "another label in one of two places"])
def test_one_odd_row_among_many_changes_nothing(convert, odd, at):
    template = "<image>Real or fake? {ground_truth_label}: {candidate_response} ({ground_truth_label})"
    rows = [pointwise(i, template) for i in range(20)]
    strange = {
        "other wording": "<image>Judge {candidate_response}, {ground_truth_label}.",
        "a typo in a fixed mention": template.replace("Real or fake", "Real or real"),
        "another label in one of two places": template.replace("({ground_truth_label})", "(edited)"),
    }[odd]
    rows.insert(at, pointwise(1, strange))
    done = convert({"pointwise/test": rows})
    facts = done.manifest["subsets"]["pointwise/test"]
    assert [facts["prompt"], facts["rows_of_this_prompt"]] == [template, 20]
    assert done.rows[at]["messages"] == rows[at]["messages"]
    place = done.rows[at]["meta"]["candidate"]
    if odd == "other wording":  # what stands around the frame may be the candidate's own
        assert place == []
    else:
        assert done.rows[at]["messages"][0]["content"][slice(*place)] == said("sign 1")


def test_one_label_in_the_whole_file_gives_no_template_but_places(convert, capsys):
    rows = [pointwise(3 * i, LONG + POINT) for i in range(5)] + [pointwise(0, LONG + POINT, "free text")]
    done = convert({"pointwise/human": rows})
    facts = done.manifest["subsets"]["pointwise/human"]
    shared = rows[0]["messages"][0]["content"].replace(said("sign 0"), "{candidate_response}")
    assert facts["prompt"] is None
    assert facts["prompt_sha256"] == hashlib.sha256(tagged(shared).encode()).hexdigest()
    places = [row["messages"][0]["content"][slice(*row["meta"]["candidate"])] for row in done.rows]
    assert places == [*(said(f"sign {3 * i}") for i in range(5)), "free text"]
    assert "the prompt of pointwise/human could not be told from its rows" in capsys.readouterr().out


@pytest.mark.parametrize("rows", [[pointwise()], [pointwise(), pointwise()]], ids=["one row", "one row twice"])
def test_a_prompt_with_a_candidate_in_it_is_no_template(convert, rows):
    assert convert({"pointwise/train": rows}).manifest["subsets"]["pointwise/train"]["prompt"] is None


def test_without_any_place_and_label_a_row_is_rejected(convert):
    rows = [pointwise(3 * i) for i in range(4)]
    for row in rows[1:]:
        del row["label"]
    (reject, *_) = convert({"pointwise/train": rows}).rejects
    assert reject["reason"] == "label: neither a field nor the prompt tells it"


@pytest.mark.parametrize("slot", ["{response_a}", "{candidate_response}", "{ground_truth_label}"])
def test_a_prompt_that_holds_a_slot_of_its_own_gives_no_template(convert, slot):
    rows = [pointwise(i) for i in range(6)]
    for row in rows:
        row["messages"][0]["content"] += f" {slot}"
    done = convert({"pointwise/train": rows})
    assert done.manifest["subsets"]["pointwise/train"]["prompt"] is None
    assert [row["messages"] for row in done.rows] == [row["messages"] for row in rows]


def test_the_prompt_of_a_bench_subset_is_told_where_all_rows_share_it(convert):
    rows = [{"image": "images/a.png", "messages": messages("Is it real?", said(f"{i}"))} for i in range(3)]
    assert convert({"detect/test": rows}).manifest["subsets"]["detect/test"]["prompt"] == "<image>Is it real?"
    rows[0]["messages"] = messages("Is it fake?", said("x"))
    assert convert({"detect/test": rows}).manifest["subsets"]["detect/test"]["prompt"] is None


def raw_row(prompt: str) -> Raw:
    return Raw("x.png", None, prompt, None, None, None, None, {}, "", None, "", [], False, {})


@pytest.mark.parametrize(
    "piece",
    [
        "<reasoning>",
        "</reasoning>",
        "</reasoning> <answer>real</answer>",
        said("x"),
        "real ",
        "real fake ",
        "{",
        "<",
        "</reasoning>        <answer>        ",
        "{candidate_response}",
        "\nA: ",
        "\nB: ",
    ],
)
@pytest.mark.parametrize("names", [tuple(get_task(name).CANDIDATES) for name in TASKS if name.startswith("dfj")])
def test_a_hostile_prompt_takes_linear_time(piece, names):
    if not names:
        return
    rows = [raw_row(row["messages"][0]["content"]) for row in map([pointwise, pairwise][len(names) - 1], range(6))]
    size = 2_000_000 // len(piece)
    rows += [raw_row(piece * size), raw_row(rows[0].prompt.replace("</reasoning>", piece * size))]
    begin = time.process_time()
    assert recover_prompt(rows, names).rows >= 6
    assert time.process_time() - begin < 5
