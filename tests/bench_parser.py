"""How fast the DeepTraceReward parsers are on ordinary and on hostile outputs, beside the obvious regular expressions.

    python tests/bench_parser.py

The alternative reads the whole text with lazy patterns such as <tag>(.*?)</tag> and with re.search; it knows no limit
of length, no negation and no second verdict. It is stopped after LIMIT seconds.
"""

from __future__ import annotations

import json
import random
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from swift_plugins.core.tasks.deeptrace import GRAMMARS, render
from swift_plugins.core.tasks.deeptrace_answer import Answer
from tests.benching import fewer

ORDINARY_TARGET, HOSTILE_TARGET = 200.0, 10_000.0  # microseconds
COUNT, REPEATS, LIMIT = fewer(2000), 5, 1.0
MEGA = 1_000_000
REASONS = (
    "the left hand melts into the cup while the fingers change their number",
    "Object distortion: the dog's legs pass through each other and one of them vanishes for a moment",
    "the car moves backwards although its wheels turn forwards; the shadow on the wall does not follow it, and the "
    "sign behind it changes its letters from frame to frame",
)

# ---------------------------------------------------------------------------------------------------- the alternative

BOX = r"\[\s*([\d.]+)\s*,\s*([\d.]+)\s*,\s*([\d.]+)\s*,\s*([\d.]+)\s*\]"


def first(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text, re.S | re.I)
    return match.group(1) if match else None


def plain_trained(text: str) -> Any:
    box = re.search(rf"unnatural part is at {BOX}", text)
    return first(r"\b(real|fake)\b", text), box, first(r"starting (.*?) seconds", text), first(r"because (.*)", text)


def plain_tags(text: str) -> Any:
    found = [first(rf"<{tag}>(.*?)</{tag}>", text) for tag in ("coordinates", "start_time", "explanation")]
    return first(r"\b(real|fake)\b", text), re.search(BOX, found[0] or ""), found


def plain_json(text: str) -> Any:
    try:
        found = json.loads(first(r"(\{.*\})", text) or "null")
    except (ValueError, RecursionError):
        return None
    return found and (found.get("label"), found.get("bbox"), found.get("start_time"), found.get("explanation"))


def plain_auto(text: str) -> Any:
    return plain_json(text) if "{" in text else plain_tags(text) if "<" in text else plain_trained(text)


PLAIN = {"trained": plain_trained, "tags": plain_tags, "json": plain_json, "auto": plain_auto}

# -------------------------------------------------------------------------------------------------------- the outputs


def answer(rng: random.Random) -> Answer:
    if rng.random() < 0.4:
        return Answer("real")
    x, y = rng.randint(0, 900), rng.randint(0, 500)
    box = (float(x), float(y), x + rng.randint(10, 400) + 0.0, y + rng.randint(10, 200) + 0.0)
    return Answer("fake", box, round(rng.uniform(0, 9), 2), rng.choice(REASONS) if rng.random() < 0.7 else None)


def trained(rng: random.Random) -> str:
    """As render() writes it, and one in five in words of the model's own."""
    text = render(answer(rng))
    return text if rng.random() < 0.8 else text.lower().replace("the reason is because", "Reason:")


def tags(rng: random.Random) -> str:
    a = answer(rng)
    if a.bbox is None:
        return "REAL. The video shows a natural scene with consistent light, and nothing in it moves unexpectedly."
    return (
        f"I think the video is FAKE.\n<coordinates>{list(a.bbox)}</coordinates>\n<start_time>{a.start} s"
        f"</start_time>\n<explanation>{a.explanation or REASONS[0]}</explanation>"
    )


def as_json(rng: random.Random) -> str:
    a = answer(rng)
    found = {
        "label": a.verdict.upper(),
        "fake_probability": 0.5,
        "start_time": a.start,
        "end_time": None,
        "bbox": a.bbox,
        "explanation": a.explanation,
    }
    text = json.dumps(found, indent=2)
    return f"```json\n{text}\n```" if rng.random() < 0.6 else text


FORMS = {"trained": trained, "tags": tags, "json": as_json}


def ordinary() -> dict[str, list[str]]:
    """2,000 outputs for each grammar in its own form, and for auto as many in all three."""
    rng = random.Random(0)
    texts = {name: [form(rng) for _ in range(COUNT)] for name, form in FORMS.items()}
    return texts | {"auto": [form(rng) for form in rng.choices(list(FORMS.values()), k=COUNT)]}


FAKE = "FAKE. The video is AI-generated."
HOSTILE = {
    "unclosed <coordinates> x 16,000": "FAKE " + "<coordinates>" * 16_000,
    "all tags unclosed x 16,000": "FAKE <coordinates><start_time><explanation>" * 16_000,
    "closing tags x 16,000": "FAKE " + "</explanation>" * 16_000,
    "<start_time>, then 60,000 spaces": "FAKE <start_time>1" + " " * 60_000 + "x</start_time>",
    "<coordinates>, then 60,000 spaces": "FAKE <coordinates>1, 2, 3, 4" + " " * 60_000 + "x</coordinates>",
    "1 MB of letters": "a" * MEGA,
    "1 MB of spaces": " " * MEGA,
    "1 MB of no-break spaces": "\u00a0" * MEGA,
    "1 MB of <": "<" * MEGA,
    "1 MB of line ends after FAKE": "FAKE" + "\n" * MEGA,
    "1 MB of NUL": "\0" * MEGA,
    "1 MB of explanation": f"{FAKE} The reason is because " + "it melts " * (MEGA // 9),
    "emoji x 300,000": "FAKE " + "😀" * 300_000,
    "5,000 digits in the box": f"{FAKE} The unnatural part is at [{'9' * 5000}, 1, 2, 3] starting 1 seconds.",
    "5,000 digits in the time": f"{FAKE} The unnatural part is at [1, 2, 3, 4] starting {'9' * 5000} seconds.",
    "5,000 digits in a tag": f"FAKE <coordinates>{'9' * 5000}, 1, 2, 3</coordinates>",
    "5,000 digits in JSON": f'{{"label": "FAKE", "start": {"9" * 5000}}}',
    "15 numbers of 4,200 digits in JSON": f'{{"label": "FAKE", "bbox": [{",".join(["9" * 4200] * 15)}]}}',
    "'unnatural part is at [' x 40,000": f"{FAKE}" + " The unnatural part is at [" * 40_000,
    "'starting' x 100,000": f"{FAKE}" + " starting" * 100_000,
    "'The reason is because' x 40,000": f"{FAKE}" + " The reason is because " * 40_000,
    "real x 200,000": "real " * 200_000,
    "real fake x 100,000": "I say " + "real fake " * 100_000,
    "REAL. FAKE. x 100,000": "REAL. FAKE. " * 100_000,
    "no no no ... real": "no " * 21_000 + "real",
    "n't n't n't ... real": "n't " * 16_000 + "real",
    "JSON: 500,000 open lists": '{"label": ' + "[" * 500_000,
    "JSON: 900 nested lists": '{"label": "FAKE", "bbox": ' + "[" * 900 + "]" * 900 + "}",
    "JSON: a box of 30,000 numbers": '{"label": "FAKE", "bbox": [' + "1," * 30_000 + "1]}",
    "JSON: 10,000 braces": "{" * 10_000,
    "fences x 300,000": "```" * 300_000,
    "quotation marks x 300,000": "The image is " + '"' * 300_000,
    "sentences of a period x 100,000": "FAKE" + " ." * 100_000,
    "quoted lines x 100,000": "FAKE\n" + "> a\n" * 100_000,
    "letters with accents x 300,000": "The image is " + "\u00e9" * 300_000,
    "a sign of eighteen letters x 300,000": "\ufdfa" * 300_000,
    "made by ai x 60,000": "The image was made by ai " * 60_000,
}

# ------------------------------------------------------------------------------------------------------------- timing


class TimeUp(Exception):
    pass


def time_up(*_: Any) -> None:
    raise TimeUp


def microseconds(parse: Callable[[str], Any], text: str, repeats: int = REPEATS) -> float:
    """The best time of some calls, of this process alone: the machine may be busy."""
    best = float("inf")
    for _ in range(repeats):
        begin = time.process_time_ns()
        parse(text)
        best = min(best, (time.process_time_ns() - begin) / 1000)
    return best


def stopped(parse: Callable[[str], Any], text: str) -> float:
    """As microseconds(), once, and no longer than LIMIT."""
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        return microseconds(parse, text, 1)
    except TimeUp:
        return LIMIT * 1e6
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def bench_ordinary() -> bool:
    """Print one row per grammar; whether all meet the target."""
    print(f"ordinary outputs, {COUNT:,} per grammar, us per output")
    print(f"{'grammar':10}{'p50':>8}{'p99':>8}{'plain p50':>11}{'plain p99':>11}{'ratio p50':>11}")
    slowest = 0.0
    for name, texts in ordinary().items():
        ours = sorted(microseconds(GRAMMARS[name], text) for text in texts)
        plain = sorted(microseconds(PLAIN[name], text) for text in texts)
        half, most = COUNT // 2, COUNT * 99 // 100
        slowest = max(slowest, ours[most])
        print(
            f"{name:10}{ours[half]:8.1f}{ours[most]:8.1f}{plain[half]:11.1f}{plain[most]:11.1f}"
            f"{plain[half] / ours[half]:11.1f}"
        )
    return slowest <= ORDINARY_TARGET


def bench_hostile() -> bool:
    """Print one row per text: the slowest grammar beside the slowest alternative; whether all meet the target."""
    print("\nhostile outputs, ms, the slowest grammar")
    print(f"{'text':38}{'grammar':>8}{'ours':>8}{'plain':>10}{'ratio':>8}")
    signal.signal(signal.SIGALRM, time_up)
    worst = []
    for title, text in HOSTILE.items():
        ours, name = max((microseconds(parse, text), name) for name, parse in GRAMMARS.items())
        plain = max(stopped(PLAIN[name], text) for name in FORMS)
        more = ">" if plain >= LIMIT * 1e6 else ""
        print(
            f"{title:38}{name:>8}{ours / 1000:8.2f}{more + format(plain / 1000, '.2f'):>10}"
            f"{more + format(plain / ours, '.1f'):>8}"
        )
        worst.append(ours)
    worst.sort()
    print(f"p50 {worst[len(worst) // 2] / 1000:.2f} ms, slowest {worst[-1] / 1000:.2f} ms")
    return worst[-1] <= HOSTILE_TARGET


def main() -> None:
    ordinary_met, hostile_met = bench_ordinary(), bench_hostile()
    print(f"target {ORDINARY_TARGET:.0f} us at p99 on ordinary outputs: {'met' if ordinary_met else 'NOT met'}")
    print(f"target {HOSTILE_TARGET / 1000:.0f} ms on hostile outputs: {'met' if hostile_met else 'NOT met'}")


if __name__ == "__main__":
    main()
