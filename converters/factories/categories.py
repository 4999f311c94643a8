"""The category of an image that none is given for, by a zero-shot classifier such as CLIP or SigLIP.

Wen et al., "Spot the Fake" (FakeVLM), section 3.2: images of GenImage and Chameleon are divided by a classification
model into animal, object, human and scene; the other three categories of FakeClue are known of their sources.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from converters.factories.running import Pictured
from swift_plugins.answering.models import model_fingerprint
from swift_plugins.answering.outfile import OutFile, check_run
from swift_plugins.core import model_folders
from swift_plugins.core.commands import stage
from swift_plugins.core.images import opened, rgb
from swift_plugins.core.records import Row, read_rows, write_json

# what an image is said to show -> its category
TEXTS = {
    "a photo of an animal": "animal",
    "a photo of an object": "object",
    "a photo of a person": "human",
    "a photo of a landscape, a building or a room": "scene",
}
AT_ONCE = 16


def classify(folder: Path, pictured: Sequence[Pictured], files: Sequence[Path]) -> dict[str, tuple[str, float]]:
    """row id -> (category, how sure the classifier is of it, 0..1), by what the files hold; what they do not is found
    and kept in the first."""
    record = {"classifier": model_fingerprint({"adapter": None, "model": str(folder.resolve())}), "texts": TEXTS}
    outs = [OutFile(path) for path in files]
    found: dict[str, Row] = {}
    for out in outs:
        place = out.path.with_name(f"{out.path.name}.run.json")
        check_run(place, record, out.path.stat().st_size > 0)
        write_json(place, record)
        out.resume(retry_errors=False)
        found |= {row["id"]: row for _, row in read_rows(out.path)}
    if todo := [of for of in pictured if _key(of) not in found]:
        found |= {row["id"]: row for row in _classify(folder, todo, outs[0])}
    for out in outs:
        out.file.close()
    rows = {of.row["id"]: found[_key(of)] for of in pictured}
    return {name: (row["category"], row["score"]) for name, row in rows.items()}


def _key(of: Pictured) -> str:
    return f"{of.row['id']}#{of.sha256[:16]}"


def _classify(folder: Path, todo: Sequence[Pictured], out: OutFile) -> Iterator[Row]:
    from tqdm import tqdm

    classifier = _load(folder)
    with tqdm(total=len(todo), unit="image", desc="categories") as progress:
        for at in range(0, len(todo), AT_ONCE):
            some = todo[at : at + AT_ONCE]
            images = []
            for of in some:
                with opened(of.image) as image:
                    images.append(rgb(image))
            found = classifier(images, candidate_labels=[*TEXTS], hypothesis_template="{}")
            rows = [_line(of, likely[0]) for of, likely in zip(some, found, strict=True)]
            out.write(rows)
            yield from rows
            progress.update(len(some))


def _line(of: Pictured, likeliest: dict[str, Any]) -> Row:
    return {"id": _key(of), "category": TEXTS[likeliest["label"]], "score": round(likeliest["score"], 4)}


def _load(folder: Path) -> Any:
    """The classifier of a local folder, of which nothing but weights and settings is read."""
    model_folders.inspect(folder)
    os.environ |= model_folders.DATA_ALONE
    stage(f"loading torch and transformers, then {folder}")
    from transformers import pipeline

    return pipeline(
        "zero-shot-image-classification", model=str(folder), local_files_only=True, trust_remote_code=False, device=-1
    )
