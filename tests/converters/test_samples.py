"""A synthetic dataset of any size is one that its converter takes, also without the parts that may be left out."""

import json

import pytest

from converters import (
    deepfakejudge_to_swift,
    deeptrace_to_swift,
    fakeclue_to_swift,
    sample_deepfakejudge,
    sample_deeptrace,
    sample_fakeclue,
)

SAMPLES = {
    "deeptrace": (sample_deeptrace, deeptrace_to_swift, ("val", "test")),
    "fakeclue": (sample_fakeclue, fakeclue_to_swift, ("test",)),
    "deepfakejudge": (sample_deepfakejudge, deepfakejudge_to_swift, ("test", "human", "bench")),
}
WITHOUT = [(name, [part]) for name, (*_, parts) in SAMPLES.items() for part in parts]
WITHOUT += [(name, [*parts]) for name, (*_, parts) in SAMPLES.items() if len(parts) > 1]


@pytest.mark.parametrize(("name", "without"), WITHOUT)
def test_what_is_left_out_is_not_missed(tmp_path, name, without):
    sample, convert, parts = SAMPLES[name]
    counts = {"train": 6} | dict.fromkeys(parts, 6) | dict.fromkeys(without, 0)
    flags = [word for part, count in counts.items() for word in (f"--{part}", str(count))]
    assert sample.main(["--out", str(tmp_path / "raw"), *flags]) == 0
    assert convert.main(["--src", str(tmp_path / "raw"), "--out", str(tmp_path / "data")]) == 0
    manifest = json.loads((tmp_path / "data" / "manifest.json").read_text())
    assert manifest["rows_rejected"] == 0
    assert manifest["rows_in"] == manifest["rows_out"] > 0
    written = {path.stem for path in (tmp_path / "data").rglob("*.jsonl") if path.stat().st_size}
    assert written == {"test" if part == "bench" else part for part, count in counts.items() if count}
