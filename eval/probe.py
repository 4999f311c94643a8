"""Train a linear probe on a frozen model's features and answer a test set with it: FakeVLM's second strategy.

    python eval/probe.py --model llava-1.5-7b-hf --recipe recipes/fakevlm/llava_1_5_7b_full.yaml \\
        --train data/fakeclue/train.jsonl --data data/fakeclue/test.jsonl --out probe.jsonl

The features are the last layer's states of the visual tokens, their mean (section 4.1 of the paper). They are computed
once and kept in --features: a run that was killed goes on where it was, and another one on the same rows with the same
model finds them there. The probe is scikit-learn's logistic regression on standardised features. --out is as
eval/predict.py writes it, the bare verdict with P(fake), without usage and latency_s: eval/score.py gives accuracy and
AUC. One that another run wrote is not replaced.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

from swift_plugins.answering.asking import Asking, check_paths, media_hash, media_of_all
from swift_plugins.answering.models import model_fingerprint
from swift_plugins.answering.options import add_model_options, asking_of
from swift_plugins.answering.outfile import OutFile, check_run
from swift_plugins.answering.rows import answered, check_rows_fit, load_data
from swift_plugins.core import next_steps, settings, trained_rows
from swift_plugins.core.commands import run
from swift_plugins.core.media import MEDIA, content_hash, content_hashes
from swift_plugins.core.printable import say
from swift_plugins.core.records import (
    Row,
    atomic_write,
    encode,
    jsonl_writer,
    media_of,
    sha256_file,
    sha256_text,
    write_json,
)
from swift_plugins.core.tasks import fakevlm

SHARD = 512  # rows whose features make one file
ITERATIONS = 5000  # of the solver at most; it stops when it has converged
LIBRARIES = (*settings.LIBRARIES, "scikit-learn", "numpy")


def read_rows(path: Path) -> list[Row]:
    """The rows of a file, whose labels must be known."""
    rows = load_data(path, None, "trained", False, False)
    for row in rows:
        if row["task"] != fakevlm.NAME or row["meta"].get("label") not in fakevlm.VERDICTS:
            raise ValueError(
                f"{path}: row {row['id']!r} is {row['task']} with the label {row['meta'].get('label')!r}; "
                f"a probe needs rows of {fakevlm.NAME}, real or fake"
            )
    return rows


def row_features(engine: Any, rows: Sequence[Row]) -> list[np.ndarray | None]:
    """The features of each row; where a batch fails its rows are tried one by one, and one that fails has none."""
    try:
        return list(engine.features(rows)) if rows else []
    except (RuntimeError, ValueError, OSError):
        return [None] if len(rows) == 1 else [found for row in rows for found in row_features(engine, [row])]


class Extraction:
    """Computes features, for which it loads the model when it must, and keeps them on the disk in shards."""

    def __init__(self, asking: Asking, folder: Path):
        self.asking, self.folder = asking, folder
        self.hashes: dict[str, str] = {}  # of the rows' media
        self.facts = {
            "model": {k: v for k, v in asking.settings.items() if k != "trained"},
            "fingerprint": model_fingerprint(asking.settings),
            "versions": settings.library_versions(),
        }
        self._engine: Any = None

    def features(self, rows: list[Row], path: Path) -> np.ndarray:
        """(rows, width) of float32; nan for a row whose image cannot be read."""
        from tqdm import tqdm

        self.hashes |= content_hashes(media_of_all(rows))
        facts = self.facts | {"data": sha256_file(path), MEDIA: media_hash(rows, self.hashes)}
        folder = self.folder / sha256_text(encode(facts).decode())[:16]
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "features.json", facts)
        shards = {
            folder / f"{begin // SHARD:05d}.npy": rows[begin : begin + SHARD] for begin in range(0, len(rows), SHARD)
        }
        todo = {file: some for file, some in shards.items() if not file.is_file()}
        bad = check_paths([row for some in todo.values() for row in some], self.asking) if todo else {}
        with tqdm(total=len(rows), unit="row", desc=f"features of {path.name}") as progress:
            for file, some in shards.items():
                if file in todo:
                    self._write(file, some, bad)
                progress.update(len(some))
        return np.concatenate([np.load(file, allow_pickle=False) for file in shards])

    def _write(self, file: Path, rows: list[Row], bad: dict[str, str]) -> None:
        self._engine = self._engine or self.asking.start()
        good = [row for row in rows if not any(path in bad for path in media_of(row))]
        size = self.asking.batch_size
        found = [one for i in range(0, len(good), size) for one in row_features(self._engine, good[i : i + size])]
        if all(one is None for one in found):
            raise ValueError(
                f"none of {len(rows)} rows from {rows[0]['id']!r} on can be read: "
                + next(iter(bad.values()), "see --check")
            )
        of_row = dict(zip((row["id"] for row in good), found, strict=True))
        width = next(len(one) for one in found if one is not None)
        none = np.full(width, np.nan, np.float32)
        with atomic_write(file) as out:
            np.save(out, np.array([none if of_row.get(row["id"]) is None else of_row[row["id"]] for row in rows]))


def fit(features: np.ndarray, labels: Sequence[str], seed: int) -> Any:
    """The probe; ValueError where there is but one class to learn from."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fake, known = np.array([label == "fake" for label in labels]), ~np.isnan(features).any(1)
    if len(np.unique(fake[known])) < 2:
        raise ValueError("--train must hold real and fake rows whose images can be read")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS, random_state=seed))
    return probe.fit(features[known], fake[known])


def answers(probe: Any, features: np.ndarray) -> list[Row | Exception]:
    """What the probe says of each row."""
    known = ~np.isnan(features).any(1)
    p_fake = np.full(len(features), np.nan)
    p_fake[known] = probe.predict_proba(features[known])[:, 1]
    texts = {verdict: fakevlm.render(fakevlm.Answer(verdict)) for verdict in fakevlm.VERDICTS}
    return [
        {"response": texts["fake" if p > 0.5 else "real"], "p_fake": round(float(p), 6)}
        if not np.isnan(p)
        else ValueError("the image cannot be read")
        for p in p_fake
    ]


def probe_file(args: argparse.Namespace) -> None:
    train, test = read_rows(args.train), read_rows(args.data)
    out = OutFile(args.out)  # held until the end
    asking = asking_of(args)
    check_rows_fit(test, asking.settings, args.data)
    extraction = Extraction(asking, args.features)
    features = extraction.features(train, args.train)
    labels = [row["meta"]["label"] for row in train]
    probe = fit(features, labels, args.seed)
    said = answers(probe, extraction.features(test, args.data))
    base = asking.settings["adapter"] or asking.settings["model"]
    record = extraction.facts | {
        "model": asking.settings,
        "backend": "probe",
        "tasks": {fakevlm.NAME: fakevlm.VERSION},
        "data": {"path": str(args.data.resolve()), "sha256": sha256_file(args.data), "rows": len(test)},
        "trained_on": trained_rows.overlap(
            test, trained_rows.unpacked(trained_rows.described([str(args.train)], [base]))
        ),
        "train": {"path": str(args.train.resolve()), "sha256": sha256_file(args.train), "rows": len(train)},
        "probe": {
            "features": "mean of the last layer's states of the visual tokens",
            "width": features.shape[1],
            "classifier": "logistic regression, L2, C = 1, on standardised features",
            "seed": args.seed,
        },
        "versions": settings.library_versions(LIBRARIES),
        MEDIA: media_hash(test, extraction.hashes),
    }
    place = args.out.with_name(f"{args.out.name}.run.json")
    check_run(place, record, has_output=args.out.stat().st_size > 0)
    write_json(place, record)
    with atomic_write(args.out) as file:
        jsonl_writer(file).write_all(
            answered(row, one) | {MEDIA: content_hash(media_of(row), extraction.hashes)}
            for row, one in zip(test, said, strict=True)
        )
    out.file.close()
    known = ~np.isnan(features).any(1)
    right = probe.predict(features[known]) == np.array([label == "fake" for label in labels])[known]
    say(
        f"{len(test)} rows in {args.out}; the probe has {100 * right.mean():.1f} % of its training rows right "
        f"({features.shape[1]} features, {known.sum()} rows)"
    )
    next_steps.say(next_steps.after_prediction(args.out, ()))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_options(parser, "folder of the model, a base model or a checkpoint (full or LoRA), which stays as it is")
    parser.add_argument("--train", type=Path, required=True, help="JSONL of a converter to train the probe on")
    parser.add_argument("--data", type=Path, required=True, help="JSONL of a converter to answer")
    parser.add_argument("--out", type=Path, required=True, help="JSONL to write")
    parser.add_argument(
        "--features", type=Path, help="folder that keeps the features (default: features, beside --out)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the solver (default 0)")
    args = parser.parse_args(argv)
    args.features = args.features or args.out.parent / "features"
    # Features come from this machine alone.
    args.backend, args.base_url, args.max_tokens, args.retry_errors = "transformers", None, 1, False
    return run(probe_file, args)


if __name__ == "__main__":
    sys.exit(main())
