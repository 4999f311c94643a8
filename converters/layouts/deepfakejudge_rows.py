"""The rows of DeepfakeJudge-Dataset: the keys that they may have, and each row by role.

The dataset is gated and its field names are documented only in part, so names are found out here: every role of a row
has the spellings under which ms-swift and the dataset's page write it, and a file that lacks a role is refused with the
keys that it does have.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from swift_plugins.core.tasks import MAX_CHARS, dfj_detect, dfj_pairwise, dfj_pointwise, dfj_reason
from swift_plugins.core.tasks.verdicts import LABELS

# role -> the keys that may hold it, the likeliest first; compared in lower case with "_" for "-" and " ".
KEYS = {
    "images": ("images", "image", "image_path", "img_path", "image_file", "file_name"),
    "messages": ("messages", "conversations", "conversation"),
    "system": ("system", "system_prompt"),
    "prompt": ("query", "prompt", "question", "instruction", "user"),
    "gold": ("response", "output", "completion", "target", "assistant", "solution"),
    "label": ("label", "ground_truth_label", "gt_label", "image_label", "true_label", "ground_truth", "gt"),
    "score": ("score", "rating", "human_score", "human_rating", "gold_score", "gt_score", "gt_rating", "target_score"),
    "better": ("answer", "preference", "preferred", "human_preference", "winner", "better", "choice"),
    "candidate_response": ("candidate_response", "candidate", "model_response"),
    "response_a": ("response_a", "responsea", "candidate_a"),
    "response_b": ("response_b", "responseb", "candidate_b"),
    "reasoning": ("reasoning", "gold_reasoning", "rationale", "gold_rationale", "explanation"),
    "regions": ("bboxes", "bbox", "boxes", "bounding_boxes", "regions", "annotations"),
    "source": ("source", "generator", "image_source", "generator_model", "model"),
    "ratings": ("ratings", "human_scores", "human_ratings", "human_preferences", "annotator_scores"),
}
_NOT_OF = {  # a detector's own score, or an answer that is a label, is no judge's
    dfj_pointwise.NAME: ("better",),
    dfj_pairwise.NAME: ("score",),
    dfj_detect.NAME: ("score", "better"),
    dfj_reason.NAME: ("score", "better"),
}
_RATING = "(?:score|rating|answer|preference)"
_RATER = re.compile(f"(?:annotator|rater|human)_?[0-9]{{1,2}}(?:_{_RATING})?|human_{_RATING}")
# task -> the ways in which a row may be complete; one of them must be there.
_WAYS = {
    dfj_pointwise.NAME: (
        ("images", "messages"),
        ("images", "prompt", "gold"),
        ("images", "prompt", "score"),
        ("images", "label", "candidate_response", "score"),
    ),
    dfj_pairwise.NAME: (
        ("images", "messages"),
        ("images", "prompt", "gold"),
        ("images", "prompt", "better"),
        ("images", "label", "response_a", "response_b", "better"),
    ),
    dfj_detect.NAME: (("images", "label"), ("images", "messages"), ("images", "prompt", "gold")),
    dfj_reason.NAME: (("images", "label", "reasoning"), ("images", "messages"), ("images", "prompt", "gold")),
}
LABEL_WORDS = {
    **{label: label for label in LABELS},
    "authentic": "real",
    "generated": "fake",
    "ai-generated": "fake",
    "ai_generated": "fake",
    "synthetic": "fake",
    "t2i": "fake",
    "manipulated": "edited",
    "tampered": "edited",
    "edit": "edited",
}


class Fields:
    """Which key of a file's rows holds which role: of several spellings the one that most rows have."""

    def __init__(self, name: str, task: str, rows: Sequence[dict[str, Any]]):
        seen = Counter(key for row in rows for key in row)  # in the order of their first row
        plain = {re.sub(r"[\s-]", "_", key.lower()): key for key in seen}
        self.keys = {
            role: max((plain[s] for s in spellings if s in plain), key=seen.__getitem__, default=None)
            for role, spellings in KEYS.items()
        }
        self.keys |= dict.fromkeys(_NOT_OF[task])
        if task in (dfj_detect.NAME, dfj_reason.NAME):  # there "answer" is the label, unless another key has the word
            words = Counter(key for row in rows for key, value in row.items() if isinstance(value, str))
            named = [plain[s] for s in (*KEYS["label"], "answer", "verdict") if s in plain]
            self.keys["label"] = max(named, key=words.__getitem__, default=None)
        raters = {key for spelling, key in plain.items() if _RATER.fullmatch(spelling)}
        if self.keys["messages"] or self.keys["gold"]:  # a human's rating beside an answer is no second answer
            self.keys |= {role: None for role in ("score", "better") if self.keys[role] in raters}
        if not any(all(self.keys[role] for role in way) for way in _WAYS[task]):
            wanted = " or ".join("+".join(way) for way in _WAYS[task])
            listed = ", ".join(" ".join(key[:40].split()) for key in [*seen][:40]) or "none"
            raise ValueError(f"{name}: cannot find {wanted} among its keys: {listed}")
        self.raters = sorted(raters - {*self.keys.values()})
        used = {*self.keys.values(), *self.raters}
        self.unused = [key for key in seen if key not in used]

    def get(self, row: dict[str, Any], role: str) -> Any:
        key = self.keys[role]
        return row.get(key) if key else None


@dataclass(slots=True)
class Raw:
    """One row of the dataset by role; None where it has nothing.

    `prompt` and `gold` are to the letter, but that a prompt without an image tag gets one in front (`tag_added`), as
    ms-swift would put it there. `spans` says where in the prompt its candidates stand.
    """

    image: str
    system: str | None
    prompt: str | None
    gold: str | None
    label: str | None
    score: int | None
    better: str | None
    candidates: dict[str, str]
    reasoning: str
    regions: Any
    source: str
    ratings: list[Any]
    tag_added: bool
    spans: dict[str, list[int]]


def read_raw(row: dict[str, Any], fields: Fields) -> Raw:
    """A row by role; ValueError says what is wrong with it."""
    system, prompt, gold = _texts(fields, row)
    if gold is not None and len(gold) > MAX_CHARS:
        raise ValueError(f"answer: it has {len(gold)} characters, at most {MAX_CHARS} are read")
    tag_added = prompt is not None and "<image>" not in prompt
    if tag_added:
        prompt = f"<image>{prompt}"
    label = fields.get(row, "label")
    if isinstance(label, str):
        if label.strip().lower() not in LABEL_WORDS:
            raise ValueError(f"label not known: {label[:40]!r}; known are {', '.join(LABEL_WORDS)}")
        label = LABEL_WORDS[label.strip().lower()]
    elif label is not None:
        raise ValueError(f"label not known: {label!r:.40}; it must be a word, a number's polarity is not published")
    reasoning, source = fields.get(row, "reasoning"), fields.get(row, "source")
    ratings = fields.get(row, "ratings")
    if isinstance(ratings, dict):
        ratings = list(ratings.values())
    elif not isinstance(ratings, list):
        ratings = [ratings, *(row.get(key) for key in fields.raters)]
    candidates = {
        role: text
        for role in ("candidate_response", "response_a", "response_b")
        if isinstance(text := fields.get(row, role), str)
    }
    return Raw(
        _image(fields.get(row, "images")),
        system,
        prompt,
        gold,
        label,
        None if (score := fields.get(row, "score")) is None else score_of(score),
        None if (better := fields.get(row, "better")) is None else better_of(better),
        candidates,
        reasoning.strip() if isinstance(reasoning, str) else "",
        fields.get(row, "regions"),
        source if isinstance(source, str) else "",
        [x for x in ratings if x is not None],
        tag_added,
        {},
    )


def score_of(value: Any) -> int:
    """A score as the dataset may write it: 4, "4", 4.0 or "<score>4</score>"."""
    text = str(int(value) if isinstance(value, float) and value == int(value) else value).strip()
    if isinstance(value, bool) or text not in dfj_pointwise.SCORES:
        answer = dfj_pointwise.parse_trained(text).answer
        if answer is None:
            raise ValueError(f"score must be 1..5: got {value!r:.60}")
        return answer.score
    return int(text)


def better_of(value: Any) -> str:
    """The better candidate as the dataset may write it: "A", "b", "Response A" or "<answer>A</answer>"."""
    text = str(value).strip()
    short = re.sub(r"(?i)^(?:response|candidate)[ _]", "", text).upper()
    if short in dfj_pairwise.OTHER:
        return short
    answer = dfj_pairwise.parse_trained(text).answer
    if answer is None:
        raise ValueError(f"answer must be A or B: got {value!r:.60}")
    return answer.better


# task of a judge -> how its dataset may write a decision
DECISION_OF: dict[str, Callable[[Any], Any]] = {dfj_pointwise.NAME: score_of, dfj_pairwise.NAME: better_of}


def _image(value: Any) -> str:
    """The one image's path, given as a text, as {"path": …} or as a list of one of them."""
    path = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(path, dict):
        path = path.get("path")
    if not isinstance(path, str) or not path:
        raise ValueError(f"image: expected the path of one image, got {value!r:.80}")
    return path


_ROLES = {"human": "user", "gpt": "assistant"}


def _texts(fields: Fields, row: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    """(system text, prompt, gold answer), from messages, a LLaVA conversation or query and response."""
    messages = fields.get(row, "messages")
    if messages is None:
        system, prompt, gold = (fields.get(row, role) for role in ("system", "prompt", "gold"))
        if gold is not None and not isinstance(gold, str):
            raise ValueError(f"answer: expected a text, got {gold!r:.60}")
        return system if isinstance(system, str) else None, prompt if isinstance(prompt, str) else None, gold
    found: dict[str, str] = {}
    for message in messages if isinstance(messages, list) else [messages]:
        if not isinstance(message, dict):
            raise ValueError(f"messages: expected objects of role and content, got {message!r:.80}")
        role, text = message.get("role", message.get("from")), message.get("content", message.get("value"))
        if isinstance(text, list):
            text = "".join(map(_part, text))
        role = _ROLES.get(str(role), role)
        if role not in ("system", "user", "assistant") or role in found or not isinstance(text, str):
            raise ValueError(f"messages: expected one text of the user and one of the assistant, got {messages!r:.80}")
        found[role] = text
    return found.get("system"), found.get("user"), found.get("assistant")


def _part(part: Any) -> str:
    """The text of one part of a message's content, as in chat completions."""
    match part:
        case {"type": "image" | "image_url"}:
            return "<image>"
        case str(text) | {"type": "text", "text": str(text)}:
            return text
    raise ValueError(f"messages: expected parts of type text or image, got {part!r:.80}")
