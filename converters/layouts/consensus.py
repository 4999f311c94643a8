"""Several people's labels of one video: what they agree on, and how far they are from each other.

One label may hold several traces. Traces of different people are one where their boxes overlap and their times meet;
its box is the median of theirs, side by side, its onset the earliest by which as many had begun as must agree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean, median
from typing import Any, NamedTuple

import msgspec

from converters.conversion.sources import Sourced, unusable
from converters.layouts.annotations import Annotation
from swift_plugins.core.boxes import Box, iou

SAME = 0.3  # IoU of boxes from which they are of one trace
# What is told of a row beside its consensus; None where there is nothing to compare.
MEASURES = ("annotators", "agreed", "said_fake", "box_iou", "onset_spread")


class Trace(msgspec.Struct):
    """What one person marked: a box in px, the frames at which it begins and ends, in the source's count."""

    box: Box
    start: float
    end: float | None
    reason: str = ""
    tags: tuple[str, ...] = ()


class Label(NamedTuple):
    """What one person says of a video: real or fake, "" where they say neither, and the traces."""

    verdict: str
    traces: Sequence[Trace]

    def said(self, untraced: str) -> str:
        """The verdict; `untraced` where there is neither one nor a trace. ValueError where the two contradict."""
        if self.traces and self.verdict == "real":
            raise ValueError("contradiction: a label says real, and marks a trace")
        return "fake" if self.traces else self.verdict or untraced


class Marked(msgspec.Struct):
    """A video as an annotation tool exports it: perhaps several names, what is known of it, people's labels."""

    names: list[str]
    labels: list[Label]
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    duration: float | None = None
    group: str = ""


def agreed(item: Sourced[Marked], path: str, untraced: str, quorum: int | None) -> list[Sourced[Annotation]]:
    """A row for each trace, or for a real video, on which `quorum` people, else half of them, agree, and the others
    with the reason."""
    marked = item.row
    if not marked.labels:
        return [unusable(item.where, path, item.split, "label: nobody has labelled the video")]
    try:
        said = [label.said(untraced) for label in marked.labels]
    except ValueError as error:
        return [unusable(item.where, path, item.split, str(error))]
    if "" in said:
        reason = "label: neither a trace nor a verdict; if that means real, say --untraced real"
        return [unusable(item.where, path, item.split, reason)]
    fake = said.count("fake")
    need = quorum or math.ceil(len(said) / 2)
    if 2 * fake == len(said) or max(fake, len(said) - fake) < need:
        reason = f"disagreement: {fake} of {len(said)} people say fake"
        return [unusable(item.where, path, item.split, reason)]
    about = dict.fromkeys(MEASURES) | {"annotators": len(said), "said_fake": fake}
    base = Annotation(
        path,
        "fake" if 2 * fake > len(said) else "real",
        group=marked.group,
        width=marked.width,
        height=marked.height,
        fps=marked.fps,
        duration=marked.duration,
    )
    if base.label == "real":
        base.meta = about | {"agreed": len(said) - fake}
        return [Sourced(item.where, path, item.split, base)]
    groups = matched([label.traces for label in marked.labels])
    if not groups:
        return [Sourced(item.where, path, item.split, msgspec.structs.replace(base, meta=about | {"agreed": fake}))]
    return [_row(item, base, about, group, need) for group in groups]


def _row(
    item: Sourced[Marked], base: Annotation, about: Mapping[str, Any], group: Sequence[Trace], need: int
) -> Sourced[Annotation]:
    if len(group) < need:
        reason = f"disagreement: {len(group)} of {about['annotators']} people marked the trace at {group[0].start:g}"
        return unusable(item.where, base.path, item.split, reason)
    box, starts = middle(group), sorted(trace.start for trace in group)
    ends = sorted((trace.end for trace in group if trace.end is not None), reverse=True)
    near = sorted(group, key=lambda trace: -iou(trace.box, box))
    tags = [tag for trace in near for tag in trace.tags]
    several = len(group) > 1
    found = msgspec.structs.replace(
        base,
        box=box,
        start=starts[need - 1],
        end=ends[need - 1] if len(ends) >= need else None,
        reason=next((trace.reason for trace in near if trace.reason), ""),
        category=";".join(tag for tag in dict.fromkeys(tags) if 2 * tags.count(tag) >= len(group)),
        meta={
            **about,
            "agreed": len(group),
            "box_iou": round(fmean(iou(a.box, b.box) for a, b in combinations(group, 2)), 4) if several else None,
            "onset_spread": starts[-1] - starts[0] if several else None,
        },
    )
    return Sourced(item.where, base.path, item.split, found)


def middle(group: Sequence[Trace]) -> Box:
    """The median of each side of their boxes."""
    x0, y0, x1, y1 = (float(median(trace.box[side] for trace in group)) for side in range(4))
    return x0, y0, x1, y1


def matched(people: Sequence[Sequence[Trace]]) -> list[list[Trace]]:
    """The traces of several people in groups of one trace each, with one of a person at most, by their first onsets."""
    groups: list[list[Trace]] = []
    members: list[set[int]] = []
    marked = [(who, trace) for who, traces in enumerate(people) for trace in traces]
    for who, trace in sorted(marked, key=lambda one: one[1].start):
        fits = [
            (iou(trace.box, middle(group)), -i)
            for i, group in enumerate(groups)
            if who not in members[i] and any(_meet(trace, other) for other in group)
        ]
        best = max(fits, default=(0.0, 0))
        if best[0] >= SAME:
            groups[-best[1]].append(trace)
            members[-best[1]].add(who)
        else:
            groups.append([trace])
            members.append({who})
    return groups


def _meet(a: Trace, b: Trace) -> bool:
    """Whether two traces are there at one time; one whose end is not told lasts to the end."""
    return a.start <= (math.inf if b.end is None else b.end) and b.start <= (math.inf if a.end is None else a.end)


def summary(items: Sequence[Sourced[Annotation]]) -> dict[str, Any]:
    """What people agreed on, over all rows: on how many videos there were several, and how close they were."""
    rows = [item.row for item in items if not item.reason]
    several = {row.path for row in rows if row.meta["annotators"] > 1}
    overlaps = [row.meta["box_iou"] for row in rows if row.meta["box_iou"] is not None]
    spreads = [row.meta["onset_spread"] for row in rows if row.meta["onset_spread"] is not None]
    return {
        "videos": len({row.path for row in rows}),
        "videos_of_several_people": len(several),
        "rows_disagreed_on": sum(item.reason.startswith("disagreement") for item in items),
        "mean_box_iou": round(fmean(overlaps), 4) if overlaps else None,
        "mean_onset_spread_frames": round(fmean(spreads), 2) if spreads else None,
    }
