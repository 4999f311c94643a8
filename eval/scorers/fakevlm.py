"""Score FakeVLM's answers (sections 5.2 to 5.5 of the paper): the verdict, and the explanation behind it.

F1 takes fake as the positive class. An unparsed answer counts as the opposite of the truth. On FaceForensics++ each
manipulation's fakes have an AUC of their own, and where several frames of a video were answered the video has one too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from eval.estimates.auc import Average, auc, logit
from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.shares import shares
from eval.scorers import explanations, fakevlm_tables, judges, verdicts
from eval.scorers.base import AddScores, Metric, Similarities, check_texts, missing, most_frequent, parse, percents
from eval.scorers.verdicts import Verdict, VerdictScorer
from swift_plugins.core.measures.fields import explanation_scores
from swift_plugins.core.measures.texts import rouge_l
from swift_plugins.core.tasks import Parsed
from swift_plugins.core.tasks.fakevlm import GRAMMARS, Answer, parse_upstream, render
from swift_plugins.core.tasks.verdicts import VERDICTS

# The names of table 5: FF-DF, FF-F2F, FF-FS and FF-NT.
MANIPULATIONS = {"Deepfakes": "auc_df", "Face2Face": "auc_f2f", "FaceSwap": "auc_fs", "NeuralTextures": "auc_nt"}
AUCS = (*MANIPULATIONS.values(), "auc_average")
BY_VIDEO = ("accuracy_by_video", "auc_by_video", *(f"{name}_by_video" for name in AUCS))
TEXT_METRICS = ("rouge_l", "css", "rouge_l_answer", "css_answer")
DIMENSIONS = ("category", "manipulation", "source", "dataset", "part", "split", "label")
METRICS = {
    "accuracy": Metric(),
    "f1": Metric(note="positive class: fake", both_classes=True),
    "real_f1": Metric(note="positive class: real", both_classes=True),
    "real_accuracy": Metric(note="recall of the real images"),
    "fake_accuracy": Metric(note="recall of the fake images"),
    **verdicts.DEPLOYED,
    **{name: Metric(note="by P(fake), frames") for name in AUCS},
    **{name: Metric(note="videos") for name in BY_VIDEO},
    "rouge_l": Metric(note="explanations alone"),
    "css": Metric(note="explanations alone"),
    "rouge_l_answer": Metric(note="whole answers"),
    "css_answer": Metric(note="whole answers"),
    "explanation": explanations.METRIC,
    "judge_score": judges.SCORE,
    "accuracy_upstream_parser": Metric(note="as the released parser reads the answers"),
}
POLICY = verdicts.DEPLOYED_POLICY | {
    "unparsed": verdicts.POLICY["unparsed"],
    "auc_none": "no AUC has a value, of a manipulation or by video neither, where a parsed answer has no P(fake)",
    "f1": "positive class fake, as real_f1 has real; the paper does not say which its F1 takes",
    "auc_of_a_manipulation": "its fakes against the real rows of FaceForensics++ (manipulation original); auc_average "
    "is the mean of the four of table 5",
    "by_video": "a video's P(fake) is the mean of its rows'; its verdict is right if more than half of theirs are",
    "rouge_l, css": "of the explanation alone, on rows with a gold one; 0 for an answer without, or an unparsed one",
    "rouge_l_answer, css_answer": "of the whole answer, parsed or not, with the gold answer, on the same rows; the "
    "paper does not say which of both it measured",
    "explanation": explanations.POLICY,
    "judge_score": judges.SCORE_POLICY,
    "css": "cosine similarity of sentence embeddings x 100; a negative one counts as 0",
    "accuracy_upstream_parser": "by the released rule, wrong where it would guess at random",
}


@dataclass(frozen=True, slots=True)
class Explained(Verdict):
    """A verdict with the measures of its explanation and of its whole answer, 0..1; css is None if not asked for.

    `upstream` is the verdict that the released parser reads, None where it reads none.
    """

    gold: str
    upstream: str | None
    judge_score: float | None
    rouge_l: float
    rouge_l_answer: float
    css: float | None = None
    css_answer: float | None = None

    @property
    def written(self) -> str:
        return self.gold

    @property
    def explanation(self) -> str:
        return _explained(self.parsed)

    @property
    def manipulation(self) -> str:
        return self.row["meta"].get("manipulation") or ""

    @property
    def video(self) -> tuple[str, ...] | None:
        """What tells videos apart; one that is labelled both ways is two. None where the row is of no video."""
        video = self.row["meta"].get("video")
        return (video, self.manipulation, self.label) if video else None

    @property
    def picture(self) -> str:
        return str(next(iter(self.row.get("images") or [self.row["id"]])))

    @property
    def quality(self) -> float:
        return (self.right + (self.rouge_l if self.gold else self.right)) / 2

    @property
    def measures(self) -> dict[str, float | None]:
        of_texts = {name: getattr(self, name) if self.gold else None for name in TEXT_METRICS}
        return {"p_fake": self.row.get("p_fake")} | percents(of_texts)


def _explained(parsed: Parsed) -> str:
    return (parsed.answer.explanation if parsed.answer else None) or ""


def check_meta(meta: Mapping[str, Any]) -> None:
    """ValueError unless what is scored by has its form."""
    if meta.get("label") not in VERDICTS:
        raise ValueError(f"meta.label must be real or fake, got {meta.get('label')!r:.40}")
    check_texts(meta, ("explanation", "video", *DIMENSIONS))
    regions_of(meta)


class Region(msgspec.Struct):
    """A part of the image that shows what is wrong, as [x0, y0, x1, y1] in px of the image."""

    bbox: tuple[float, float, float, float]


_read_regions = msgspec.json.Decoder(list[Region]).decode


def regions_of(meta: Mapping[str, Any]) -> list[tuple[str, float, float, float, float]]:
    """The annotated regions (meta.regions, JSON text) as boxes of the page: kind, x, y, width and height in percent.

    None where the image's size is not known, as after a conversion without media checks.
    """
    try:
        regions = _read_regions(meta.get("regions") or "[]")
    except (msgspec.DecodeError, TypeError, RecursionError) as error:
        raise ValueError(f"meta.regions must be a JSON list of objects with a bbox of four numbers: {error}") from None
    width, height = meta.get("width"), meta.get("height")
    if not regions or width is None or height is None:
        return []
    if type(width) is not int or type(height) is not int or min(width, height) < 1:
        raise ValueError(f"meta.regions need meta.width and meta.height in px, got {width!r:.20} and {height!r:.20}")
    spans = [
        [100 * min(max(x / side, -1.0), 2.0) for x, side in zip(region.bbox, (width, height) * 2, strict=True)]
        for region in regions
    ]
    return [("true", x0, y0, x1 - x0, y1 - y0) for x0, y0, x1, y1 in spans]


def add_css(cases: Sequence[Explained], similarities: Similarities) -> list[Explained]:
    """The cases with the CSS of their explanations and of their whole answers."""
    explanations = [(case.explanation, case.gold) for case in cases]
    answers = [(case.row.get("response") or "", case.row.get("labels") or "") for case in cases]
    scores = np.array(similarities(explanations + answers)).reshape(2, len(cases)).T.tolist()
    return [replace(case, css=css, css_answer=whole) for case, (css, whole) in zip(cases, scores, strict=True)]


def text_metrics(cases: Sequence[Explained], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
    """TEXT_METRICS on the rows with a gold explanation."""
    explained = np.array([bool(case.gold) for case in cases])
    some = [case for case in cases if case.gold]
    if not some:
        return missing(TEXT_METRICS, 0, "no row with a gold explanation")
    if any(case.parsed.answer for case in some) and not any(case.explanation for case in some):
        return missing(TEXT_METRICS, len(some), "no answer explains")
    unasked = [name for name in TEXT_METRICS if getattr(some[0], name) is None]
    scores = {
        name: (100 * np.array([getattr(case, name) for case in some]), np.ones(len(some)))
        for name in TEXT_METRICS
        if name not in unasked
    }
    return shares(scores, clusters, rows[explained]) | missing(unasked, len(some), "not asked for: score with --css")


def manipulation_aucs(
    kinds: Sequence[str], p: np.ndarray, fake: np.ndarray, rows: np.ndarray, clusters: Clusters
) -> dict[str, Estimate]:
    """The AUC of each of MANIPULATIONS that is there against the originals, and where all are there their mean."""
    kind = np.array(kinds)
    original = (kind == "original") & ~fake
    found = {}
    for name, metric in MANIPULATIONS.items():
        if (kind == name).any():
            some = (kind == name) & fake | original
            found[metric] = known_auc(p[some], fake[some], rows[some], clusters)
    if len(found) == len(MANIPULATIONS):
        found["auc_average"] = average(list(found.values()), int(original.sum()))
    return found


def known_auc(p: np.ndarray, fake: np.ndarray, rows: np.ndarray, clusters: Clusters) -> Estimate:
    if np.isnan(p).any():
        return Estimate(None, len(p), "not every row has a P(fake) (p_fake)")
    return auc(p, fake, clusters, rows)


def average(parts: Sequence[Estimate], shared: int) -> Estimate:
    """The mean of AUCs of one file, which share so many rows, or the reason why one has no value."""
    n = sum(part.n - shared for part in parts) + shared
    if lacking := next((part.reason for part in parts if part.value is None), None):
        return Estimate(None, n, lacking)
    value = float(np.mean([part.value for part in parts]))
    return Estimate(value, n, statistic=Average([part.statistic for part in parts]), interval=logit)


def video_metrics(
    cases: Sequence[Explained], p: np.ndarray, fake: np.ndarray, rows: np.ndarray, clusters: Clusters
) -> dict[str, Estimate]:
    """BY_VIDEO, if some video has more than one frame; each video is of the cluster of its first row."""
    places: dict[tuple[str, ...], list[int]] = {}
    for i, case in enumerate(cases):
        if case.video:
            places.setdefault(case.video, []).append(i)
    videos = list(places.values())
    if not any(len({cases[i].picture for i in video}) > 1 for video in videos):
        return {}
    first = [video[0] for video in videos]
    right = np.array([2 * sum(cases[i].right for i in video) > len(video) for video in videos])
    of_videos = fake[first], rows[first], clusters
    mean_p = np.array([p[video].mean() for video in videos])
    aucs = {"auc": known_auc(mean_p, *of_videos)}
    aucs |= manipulation_aucs([cases[i].manipulation for i in first], mean_p, *of_videos)
    accuracy = verdicts.verdict_metrics(fake[first], right, rows[first], clusters)["accuracy"]
    return {"accuracy_by_video": accuracy, **{f"{name}_by_video": area for name, area in aucs.items()}}


class FakeVLM(VerdictScorer[Explained]):
    metrics = METRICS
    slice_metrics = ("accuracy", "f1", "auc", "tpr_at_1", "accuracy_by_video", "rouge_l", "css")
    policy = POLICY
    dimensions = DIMENSIONS
    encoders: Mapping[str, AddScores] = {"css": add_css}

    def read_case(self, row: dict[str, Any], grammar: str) -> Explained:
        check_meta(row["meta"])
        parsed, response = parse(GRAMMARS, row, grammar), row.get("response") or ""
        upstream, gold = parse_upstream(response).answer, (row["meta"].get("explanation") or "").strip()
        explanation_scores(row)
        return Explained(
            row,
            parsed,
            verdicts.p_fake_of(row, parsed),
            gold,
            upstream=upstream.verdict if upstream else None,
            judge_score=judges.score_of(row),
            rouge_l=rouge_l(gold, _explained(parsed)),
            rouge_l_answer=rouge_l(row.get("labels") or "", response),
        )

    def measure(self, cases: Sequence[Explained], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
        """Every metric that these rows can have: those of manipulations and of videos only where there are any."""
        found = self.measured(cases, rows, clusters)
        found["f1"] = found["fake_f1"]
        upstream = 100.0 * np.array([case.upstream == case.label for case in cases])
        found |= shares({"accuracy_upstream_parser": (upstream, np.ones(len(cases)))}, clusters, rows)
        found |= text_metrics(cases, rows, clusters) | explanations.metric(cases, rows, clusters, self.judging)
        if any(case.judge_score is not None for case in cases):
            found["judge_score"] = judges.score_metric(cases, rows, clusters)
        fake, p = np.array([case.fake for case in cases]), np.array([case.p_fake for case in cases], float)
        if np.isnan(p).any():  # the AUC of what is left, perhaps only of the unparsed, would tell nothing of the model
            p = np.full(len(p), np.nan)
        found |= manipulation_aucs([case.manipulation for case in cases], p, fake, rows, clusters)
        found |= video_metrics(cases, p, fake, rows, clusters)
        return {name: found[name] for name in self.metrics if name in found}

    def simple_baselines(self, cases: Sequence[Explained]) -> dict[str, list[Explained]]:
        """The most frequent verdict, without an explanation."""
        response = render(Answer(most_frequent(case.label for case in cases)))
        first = self.read_case(cases[0].row | {"response": response, "p_fake": None}, "trained")
        return {
            self.baselines[0]: [
                replace(
                    first,
                    row=case.row | {"response": response, "p_fake": None},
                    gold=case.gold,
                    judge_score=case.judge_score,
                    rouge_l=0.0,
                    rouge_l_answer=rouge_l(case.row.get("labels") or "", response),
                )
                for case in cases
            ]
        }

    def published(self, cases: Sequence[Explained]) -> dict[str, Any]:
        datasets = {case.row["meta"].get("dataset") for case in cases}
        of_tests = all(case.row["meta"].get("split") in (None, "", "test") for case in cases)
        return fakevlm_tables.published(datasets if of_tests else ())

    def extras(self, cases: Sequence[Explained], clusters: Clusters, metrics: dict[str, Any]) -> dict[str, Any]:
        """How often the released parser reads another verdict than this one."""
        differ = sum(case.upstream != case.answered for case in cases)
        remark = f"the released parser and this one read {differ} of {len(cases)} answers differently"
        judged = explanations.extras(cases, clusters, metrics)
        remarks = [remark, *judged["remarks"], *judges.failed_judgements(cases, metrics)]
        return judged | {"parsers_differ": differ, "remarks": remarks}

    def describe(self, case: Explained, cases: Sequence[Explained]) -> dict[str, Any]:
        shown = super().describe(case, cases)
        shown["facts"] += explanations.facts(case)
        if case.gold:
            shown["facts"].append(f"ROUGE-L {100 * case.rouge_l:.1f}")
            shown["facts"] += [f"CSS {100 * case.css:.1f}"] if case.css is not None else []
        texts = [("gold", case.row.get("labels") or "–"), *shown["texts"]]
        return shown | {"texts": texts, "boxes": regions_of(case.row["meta"])}
