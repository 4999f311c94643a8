"""Scores of perturbed test sets against values worked out by hand; the headline is of the clean rows alone."""

import pytest

from eval import perturb
from tests.scorers.test_fakevlm import answered
from tests.scoring import dfj_row, refusal, score_rows, values, write_rows


def verdict(image, label, answered, kind="none", strength=0, p_fake=None, **meta):
    """The answer to one image under one perturbation; None is an answer that cannot be parsed."""
    row_id = f"{image}/{kind}/{strength}" if strength else image
    response = f"<reasoning>It melts.</reasoning> <answer>{answered}</answer>" if answered else "Who knows."
    facts = {
        "media_id": image,
        "label": label,
        "perturbation": kind,
        "strength": strength,
        "parameter": f"quality {100 - 10 * strength}" if strength else "",
    }
    return dfj_row("dfj_detect", row_id, response, **(facts | meta)) | {"p_fake": p_fake}


# Four images; clean: three right. jpeg 1: the same and one more right. jpeg 3: two right, one of them lost by an answer
# that cannot be parsed. blur 2 is there for two images only, both right when clean, none now.
ROWS = [
    verdict("a", "real", "real"),
    verdict("b", "real", "real"),
    verdict("c", "fake", "fake"),
    verdict("d", "fake", "real"),
    verdict("a", "real", "fake", "jpeg", 3),
    verdict("b", "real", None, "jpeg", 3),
    verdict("c", "fake", "fake", "jpeg", 3),
    verdict("d", "fake", "fake", "jpeg", 3),
    verdict("a", "real", "real", "jpeg", 1),
    verdict("b", "real", "real", "jpeg", 1),
    verdict("c", "fake", "fake", "jpeg", 1),
    verdict("d", "fake", "fake", "jpeg", 1),
    verdict("a", "real", "fake", "blur", 2),
    verdict("c", "fake", "real", "blur", 2),
]


def points_of(report, kind):
    return {point["strength"]: point for point in report["robustness"]["kinds"][kind]}


def test_points_by_hand(tmp_path):
    report = score_rows(tmp_path, ROWS)
    assert list(report["robustness"]["kinds"]) == ["jpeg", "blur"]
    jpeg, blur = points_of(report, "jpeg"), points_of(report, "blur")
    assert list(jpeg) == [0, 1, 3]
    assert {s: (p["n"], p["n_unparsed"], p["metrics"]["accuracy"]["value"]) for s, p in jpeg.items()} == {
        0: (4, 0, 75),
        1: (4, 0, 100),
        3: (4, 1, 50),
    }
    assert [jpeg[s]["parameter"] for s in jpeg] == ["", "quality 90", "quality 70"]
    assert jpeg[1]["minus_clean"]["metrics"]["accuracy"]["value"] == 25
    assert jpeg[3]["minus_clean"]["metrics"]["accuracy"]["value"] == -25
    # a and b are right on the clean image only, d on the perturbed one only: 3 discordant, at most 1 of one side.
    assert jpeg[3]["minus_clean"]["accuracy"] == {"n": 4, "only_this": 1, "only_other": 2}
    assert jpeg[3]["minus_clean"]["metrics"]["accuracy"]["p_value"] == 1
    assert "minus_clean" not in jpeg[0]
    assert (blur[0]["n"], blur[2]["n"], blur[2]["metrics"]["accuracy"]["value"]) == (4, 2, 0)
    assert blur[2]["minus_clean"]["metrics"]["accuracy"]["value"] == -100  # of a and c alone, not of all clean rows
    assert blur[2]["minus_clean"]["accuracy"] == {"n": 2, "only_this": 0, "only_other": 2}
    assert blur[2]["minus_clean"]["metrics"]["accuracy"]["p_value"] == 0.5


def test_the_headline_is_that_of_the_clean_rows_and_every_row_is_accounted_for(tmp_path):
    report, clean = score_rows(tmp_path, ROWS), score_rows(tmp_path, ROWS[:4])
    for key in ("n", "n_unparsed", "parse_rate", "metrics", "slices", "baselines", "confusion", "unparsed_reasons"):
        assert report[key] == clean[key], key
    found = report["robustness"]
    assert (found["n_clean"], found["n_perturbed"], found["n_unparsed"]) == (4, 10, 1)
    assert found["n_clean"] + found["n_perturbed"] == len(ROWS)
    assert report["remarks"][0] == (
        "all but the robustness is of the 4 clean rows alone; 10 more, of which 1 unparsed, are of perturbed media"
    )
    assert "robustness" in report["policy"]
    assert "robustness" not in clean


def test_intervals_are_paired_and_on_the_headlines_draws(tmp_path):
    """Perturbed answers like the clean ones differ by nothing in every replicate, however wide the intervals are."""
    rows = [
        verdict(f"r{i}", "fake" if i % 2 else "real", "fake", kind, strength, p_fake=0.5 + i / 100)
        for kind, strength in (("none", 0), ("noise", 2))
        for i in range(20)
    ]
    report = score_rows(tmp_path, rows)
    clean, noise = report["robustness"]["kinds"]["noise"]
    assert report["robustness"]["followed"] == ["accuracy", "auc", "brier"]
    for name in ("accuracy", "auc", "brier"):
        assert clean["metrics"][name] == noise["metrics"][name] == report["metrics"][name]
        assert noise["minus_clean"]["metrics"][name] == {
            "value": 0,
            "ci95": None,
            "n": 20,
            "clusters": 20,
            "p_value": 1,
            "detectable": None,
        }
    assert noise["metrics"]["accuracy"]["ci95"][1] - noise["metrics"]["accuracy"]["ci95"][0] > 20


def test_metrics_that_the_clean_rows_lack_are_not_followed(tmp_path):
    assert score_rows(tmp_path, ROWS)["robustness"]["followed"] == ["accuracy"]


def test_a_task_without_accuracy_has_its_own_metrics_and_counts_no_rows_right(tmp_path):
    def judged(image, score, kind="none", strength=0):
        meta = {
            "media_id": image,
            "score": 4,
            "ratings": [],
            "candidate": [14, 22],
            "perturbation": kind,
            "strength": strength,
            "parameter": "x" if strength else "",
        }
        row_id = f"{image}/{kind}/{strength}" if strength else image
        return dfj_row("dfj_pointwise", row_id, f"<score>{score}</score>", **meta)

    rows = [judged("a", 4), judged("b", 3), judged("a", 2, "jpeg", 1), judged("b", 2, "jpeg", 1)]
    report = score_rows(tmp_path, rows, "--out", tmp_path / "report")
    first = report["robustness"]["followed"][0]
    assert first in ("rmse", "mae")
    assert "accuracy" not in points_of(report, "jpeg")[1]["minus_clean"]
    assert "<h2>Robustness</h2>" in (tmp_path / "report" / "report.html").read_text()


def test_pairs_asked_in_both_orders_find_their_clean_rows(tmp_path):
    def asked(kind, strength, order, answered):
        meta = {
            "media_id": "p",
            "answer": "A" if order == "AB" else "B",
            "ratings": [],
            "response_a": [14, 22],
            "response_b": [24, 34],
            "pair": "p",
            "order": order,
            "perturbation": kind,
            "strength": strength,
            "parameter": "x" if strength else "",
        }
        row_id = "p" + (f"/{kind}/{strength}" if strength else "") + ("/swapped" if order == "BA" else "")
        return dfj_row("dfj_pairwise", row_id, f"<answer>{answered}</answer>", **meta)

    rows = [
        asked("none", 0, "AB", "A"),
        asked("none", 0, "BA", "B"),
        asked("jpeg", 2, "AB", "B"),
        asked("jpeg", 2, "BA", "B"),
    ]
    point = points_of(score_rows(tmp_path, rows), "jpeg")[2]
    found = {name: point["metrics"][name]["value"] for name in ("accuracy", "consistency")}
    assert found == {"accuracy": 0, "consistency": 0}
    apart = {name: metric["value"] for name, metric in point["minus_clean"]["metrics"].items()}
    assert (apart["accuracy"], apart["consistency"]) == (-100, -100)


def test_where_nothing_can_be_parsed_any_more_explanations_are_worth_0(tmp_path):
    rows = [
        answered("a", "fake", "This is a fake image. the fur melts", perturbation="none", strength=0, parameter=""),
        answered("a/blur/5", "fake", "Hm.", perturbation="blur", strength=5, parameter="x"),
    ]
    point = points_of(score_rows(tmp_path, rows), "blur")[5]
    assert point["metrics"]["rouge_l"]["value"] == 0
    assert point["minus_clean"]["metrics"]["rouge_l"]["value"] == -100


def test_a_task_may_have_no_baseline(tmp_path):
    """One explanation alone has no other image's to stand beside it."""
    rows = [
        dfj_row(
            "loki_open",
            row_id,
            "It melts.",
            explanation="it melts",
            perturbation=kind,
            strength=strength,
            parameter="x" * strength,
        )
        for row_id, kind, strength in (("a", "none", 0), ("a/jpeg/1", "jpeg", 1))
    ]
    assert score_rows(tmp_path, rows, "--out", tmp_path / "report")["baselines"] == {}
    assert 'aria-label="rouge_l under jpeg by strength"' in (tmp_path / "report" / "report.html").read_text()


def test_other_detectors_are_compared_on_the_clean_rows_and_have_curves_of_their_own(tmp_path):
    """This one, whose rows stand in another order, knows clean images and takes all others for real."""
    told = [row["meta"]["label"] if row["meta"]["perturbation"] == "none" else "real" for row in ROWS]
    rows = [row | {"response": f"<answer>{said}</answer>"} for row, said in zip(ROWS, told, strict=True)]
    other = write_rows(tmp_path / "other.jsonl", rows[::-1])
    report = score_rows(tmp_path, ROWS, "--baseline", f"other={other}", "--out", tmp_path / "report")
    assert report["baselines"]["other"]["accuracy"]["value"] == 100
    assert report["comparisons"]["other"]["accuracy"]["n"] == 4
    found = report["robustness"]["baselines"]["other"]
    assert {kind: [point["metrics"]["accuracy"]["value"] for point in points] for kind, points in found.items()} == {
        "jpeg": [100, 50, 50],
        "blur": [100, 50],
    }
    assert found["jpeg"][2]["minus_clean"]["accuracy"] == {"n": 4, "only_this": 0, "only_other": 2}
    assert found["jpeg"][2]["minus_clean"]["metrics"]["accuracy"]["p_value"] == 0.5
    page, text = ((tmp_path / "report" / f"report.{end}").read_text() for end in ("html", "md"))
    assert page.count('<polyline class="curve other"') == 2
    assert "<title>other: clean 100.0, quality 80 50.0</title>" in page
    head, blur = (line.split(" |") for line in text.splitlines() if line.startswith(("| perturbation", "| blur 2")))
    assert dict(zip(head, blur, strict=True))[" accuracy of other"] == " 50.0 [1.2, 98.8]"


def test_a_file_of_clean_rows_alone_is_scored_as_ever(tmp_path):
    report = score_rows(tmp_path, ROWS[:4])
    assert values(report)["accuracy"] == 75
    assert "robustness" not in report


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (ROWS[4:], ":1: every row is of a perturbed medium: there is no clean row to compare with"),
        (ROWS[1:5], ":4: the clean row of 'a/jpeg/3', 'a', is missing"),
        ([*ROWS[:1], dfj_row("dfj_detect", "x", "<answer>fake</answer>")], ":2: meta.perturbation and parameter"),
        ([verdict("a", "real", "real", strength=0, kind="jpeg")], ":1: meta.strength is 0 for perturbation 'none'"),
        (
            [
                *ROWS[:2],
                verdict("a", "real", "real", "jpeg", 1),
                verdict("b", "real", "real", "jpeg", 1, parameter="q"),
            ],
            ":4: strength 1 of jpeg is 'q' here, 'quality 90' before",
        ),
        ([verdict("a", "real", "real", strength=True)], ":1: meta.perturbation and parameter must be texts"),
    ],
)
def test_rows_that_cannot_be_placed_are_refused_with_file_and_line(tmp_path, capsys, rows, problem):
    assert problem in refusal(tmp_path, capsys, rows)


def test_rows_of_the_command_are_scored(tmp_path):
    """From the command's own file to the report; the detector knows clean images and takes all others for fakes."""
    from PIL import Image

    from swift_plugins.core.records import read_rows

    rows = []
    for i, label in enumerate(("real", "fake", "real")):
        Image.new("RGB", (8, 8), (40 * i, 90, 30)).save(tmp_path / f"{i}.png")
        row = verdict(f"set/{i}", label, None) | {"images": [str(tmp_path / f"{i}.png")]}
        row["meta"] = {k: v for k, v in row["meta"].items() if k not in ("perturbation", "strength", "parameter")}
        row["messages"] = [{"role": "user", "content": "<image>Real or fake?"}]
        rows.append({k: row[k] for k in ("id", "task", "messages", "images", "meta")})
    data, out = write_rows(tmp_path / "test.jsonl", rows), tmp_path / "perturbed"
    assert perturb.main(["--data", str(data), "--out", str(out), "--kinds", "blur,crop", "--strengths", "1,5"]) == 0
    told = [
        (row, "fake" if row["meta"]["strength"] else row["meta"]["label"]) for _, row in read_rows(out / "test.jsonl")
    ]
    answered = [row | {"labels": None, "response": f"<answer>{verdict}</answer>"} for row, verdict in told]
    report = score_rows(tmp_path, answered, "--gold", out / "test.jsonl")
    assert values(report)["accuracy"] == 100
    for kind in ("blur", "crop"):
        assert [p["metrics"]["accuracy"]["value"] for p in report["robustness"]["kinds"][kind]] == [
            100,
            pytest.approx(100 / 3, abs=1e-4),
            pytest.approx(100 / 3, abs=1e-4),
        ]
