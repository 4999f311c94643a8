"""The prompt of a judge's rows: which text all of them share, and where in it the label and the candidates stand.

The dataset's rows bring their prompts with the slots filled. What is found out here lets new candidates be judged by
the very words that a judge was trained with, and the candidates of a pair change places.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

from converters.layouts.deepfakejudge_rows import Raw
from swift_plugins.core.records import sha256_text
from swift_plugins.core.tasks import get_task
from swift_plugins.core.tasks.candidates import SLOTS
from swift_plugins.core.tasks.tagged import FRAME_END, OPEN
from swift_plugins.core.tasks.verdicts import LABELS

_FRAME_ENDS = re.compile(FRAME_END.pattern, re.I)
_LABEL = re.compile(rf"\b(?:{'|'.join(LABELS)})\b", re.I)


def stated_places(raw: Raw, names: tuple[str, ...]) -> dict[str, list[int]]:
    """name -> [begin, end] of each candidate in the prompt, if the row's own texts of them stand there once."""
    text, places = raw.prompt or "", {}
    for name in names:
        said = raw.candidates.get(name)
        if not said or text.count(said) != 1:
            return {}
        places[name] = [at := text.index(said), at + len(said)]
    (_, end), *after = sorted(places.values())
    return {} if any(begin < end for begin, _ in after) else places


def find_frames(text: str) -> list[list[int]]:
    """[begin, end] of each <reasoning>…</reasoning> <answer>label</answer> in a text."""
    found, at = [], 0
    for end in _FRAME_ENDS.finditer(text):
        begin = text.rfind(OPEN, at, end.start())
        if begin >= 0:
            found.append([begin, end.end()])
        at = end.end()
    return found


def find_candidates(rows: list[Raw], names: tuple[str, ...]) -> None:
    """Set `spans` of each row: where its candidates stand, by its own texts of them or by their frames.

    Frames that are the same in all rows, such as an example of the form, are the prompt's own.
    """
    framed: dict[int, list[tuple[Raw, list[list[int]]]]] = {}
    for raw in rows:
        raw.spans = stated_places(raw, names)
        if not raw.spans and raw.prompt is not None:
            frames = find_frames(raw.prompt)
            framed.setdefault(len(frames), []).append((raw, frames))
    for count, group in framed.items():
        own = list(range(count))
        if count > len(names):
            texts = [{raw.prompt[slice(*frames[i])] for raw, frames in group} for i in own]  # type: ignore[index]
            own = [i for i in own if len(texts[i]) > 1]
        if len(own) == len(names):
            for raw, frames in group:
                raw.spans = {name: frames[i] for name, i in zip(names, own, strict=True)}


class Recovered(NamedTuple):
    """`template`, the prompt with its slots, is None where the label's cannot be told; `shared` is what most rows have
    in common, at least with the candidates' slots; `rows` are of that form."""

    template: str | None
    shared: str
    rows: int


def recover_prompt(rows: list[Raw], names: tuple[str, ...]) -> Recovered:
    """Find out the prompt of the rows, whose candidates are `names`.

    Sets `spans` of each row, and its label where no field states it. What is left of a prompt without its candidates is
    alike in most rows but for the label. Of the places with a label's word the one whose word varies most is the
    label's slot, and so are those that follow it. A row whose candidates are of an odd form is held against the result.
    """
    find_candidates(rows, names)
    alike: dict[tuple[str, ...], list[list[str]]] = {}
    for raw in rows:
        if raw.spans and raw.prompt is not None:
            static = _without_candidates(raw)
            alike.setdefault(tuple(_LABEL.split(static)), []).append(_LABEL.findall(static))
    if not alike:
        return Recovered(None, "", 0)
    pieces, said = max(alike.items(), key=lambda item: len(item[1]))
    template, seen = _with_slots(pieces, said)
    forms = {label: _SLOT.split(template.replace(_LABEL_SLOT, label)) for label in seen or [""]}
    if any(sorted(form[1::2]) != sorted(names) for form in forms.values()):
        for raw in rows:
            raw.spans = stated_places(raw, names)
        return Recovered(None, template, 0)  # its own text holds a slot
    count = 0
    for raw in rows:
        stated = stated_places(raw, names)
        for label, form in forms.items():
            if places := _places(raw, form, stated):
                count, raw.spans, raw.label = count + 1, places, raw.label or label.lower() or None
                break
        else:
            if tuple(_LABEL.split(_without_candidates(raw))) != pieces and not _hold_media(raw):
                raw.spans = stated  # a frame in a prompt of another form may be a part of its candidate
    return Recovered(template if seen and count else None, template, count)


def _hold_media(raw: Raw) -> bool:
    """Whether a candidate, as found, holds a media tag: it keeps its place, for which the row is rejected."""
    return any("<image>" in (raw.prompt or "")[slice(*span)] for span in raw.spans.values())


def _without_candidates(raw: Raw) -> str:
    """The row's prompt with slots where its candidates stand."""
    prompt, static, at = raw.prompt or "", "", 0
    for name, (begin, end) in sorted(raw.spans.items(), key=lambda item: item[1]):
        static += prompt[at:begin] + "{" + name + "}"
        at = end
    return static + prompt[at:]


_LABEL_SLOT, _SLOT = f"{{{SLOTS[0]}}}", re.compile("{(" + "|".join(SLOTS[1:]) + ")}")


def _with_slots(pieces: tuple[str, ...], said: list[list[str]]) -> tuple[str, list[str]]:
    """(the text with slots for the label, the words that stand there in the rows); `said` are the words between pieces.

    The label's slot is where the word varies most, and wherever the word follows that one more often than any other.
    """
    columns = [[word.lower() for word in column] for column in zip(*said, strict=True)]
    most = [Counter(column).most_common(1)[0][1] for column in columns]
    template, words = [pieces[0]], []
    label = columns[most.index(min(most))] if columns and min(most) < len(said) else None
    for i, (piece, column) in enumerate(zip(pieces[1:], columns, strict=True)):
        if label and (column == label or sum(map(str.__eq__, column, label)) > most[i]):
            words += [row[i] for row in said]
            template += [_LABEL_SLOT, piece]
        else:
            template += [Counter(row[i] for row in said).most_common(1)[0][0], piece]
    return "".join(template), [word for word, _ in Counter(words).most_common()]


def _places(raw: Raw, form: list[str], stated: dict[str, list[int]]) -> dict[str, list[int]]:
    """Where the candidates stand in a prompt of that form (text, slot, text, …); empty for a prompt of another form.

    The form's texts cut the prompt, from its two ends inwards; one that stands between candidates and once more in one
    of them, as a candidate may repeat it, leaves the places unknown, unless the row's own fields have `stated` them.
    """
    prompt, names, around = raw.prompt or "", form[1::2], form[0::2]
    if stated:
        inside = [prompt[slice(*stated[name])] for name in names]
        if prompt == "".join(text for pair in zip(around, [*inside, ""], strict=True) for text in pair):
            return stated
    end = len(prompt) - len(around[-1])
    cuts = [len(around[0])]
    if end < cuts[0] or not (prompt.startswith(around[0]) and prompt.endswith(around[-1])):
        return {}
    for text in around[1:-1]:
        at = prompt.find(text, cuts[0], end)
        if at < 0 or at != prompt.rfind(text, cuts[0], end):
            return {}
        cuts += [at, at + len(text)]
    return {name: [begin, end] for name, begin, end in zip(names, cuts[0::2], [*cuts[1::2], end], strict=True)}


def prompt_facts(task: str, rows: list[Raw], recovered: Recovered | None) -> dict[str, Any]:
    """What the manifest tells of the prompt of a subset's rows; `recovered` is None where no candidate is judged."""
    prompts = sorted({raw.prompt for raw in rows if raw.prompt is not None})
    found = recovered or Recovered(prompts[0] if len(prompts) == 1 else None, "\n".join(prompts), 0)
    if not prompts:
        own = get_task(task).PROMPT or ""
        found = Recovered(own, own, 0)
    unplaced = sum(raw.prompt is not None and not raw.spans for raw in rows) if recovered else 0
    return {
        "prompt": found.template,
        "prompt_sha256": sha256_text(found.template or found.shared),
        "prompt_is": "the dataset's, kept to the letter" if prompts else "the project's own",
        "rows_of_this_prompt": recovered.rows if recovered and prompts else None,
        "rows_whose_candidates_were_not_found": unplaced,
    }
