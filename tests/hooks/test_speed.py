"""The speed of a training: what its batches hold, and what the steps took."""

import json
import time
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from swift_plugins.answering.models import hash_of
from swift_plugins.core.speed import peak, told
from swift_plugins.hooks.speed import WORK, Speed, work_of

CLIPS = torch.tensor([[4, 6, 6], [2, 2, 4]])  # steps in time, and patches of each


def test_the_work_of_a_padded_batch_is_without_its_padding():
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    batch = {"input_ids": torch.ones(2, 4), "attention_mask": mask, "video_grid_thw": CLIPS}
    found = dict(zip(WORK, work_of(batch, 14).tolist(), strict=True))
    assert (found["rows"], found["tokens"], found["tokens_squared"]) == (2, 6, 16 + 4)
    assert found["patches"] == 4 * 36 + 2 * 8
    assert found["patches_squared"] == 4 * 36**2 + 2 * 8**2


@pytest.mark.parametrize("planes", [1, 4])
def test_rows_that_lie_one_behind_another_count_each(planes):
    places = torch.tensor([0, 1, 2, 0, 1]).expand(planes, 1, 5)
    batch = {"input_ids": torch.ones(1, 5), "position_ids": places if planes > 1 else places[0]}
    assert work_of(batch, 14).tolist() == [2, 5, 9 + 4, 0, 0]


def test_images_of_one_size_are_cut_into_patches():
    batch = {"input_ids": torch.ones(2, 3), "pixel_values": torch.zeros(2, 3, 28, 42)}
    assert work_of(batch, 14).tolist() == [2, 6, 18, 12, 72]


class Trainer:
    """What a trainer has of it: a fetch that takes its time, a model and an accelerator."""

    def __init__(self):
        from accelerate import Accelerator

        self.accelerator = Accelerator(cpu=True)
        self.model = SimpleNamespace(config=SimpleNamespace())

    def get_batch_samples(self, seconds):
        time.sleep(seconds)
        return [{"input_ids": torch.ones(2, 10)}] * 2, None


def test_a_step_counts_its_rows_and_the_time_it_waited_but_not_the_first():
    trainer = Trainer()
    speed = Speed(trainer)
    trainer.get_batch_samples(0.3)
    speed.step()
    assert speed.so_far() is None
    for _ in range(2):
        trainer.get_batch_samples(0.03)
        time.sleep(0.01)
        speed.step()
        time.sleep(0.1)  # evaluating, saving
    found = speed.so_far()
    assert found["per_row"]["tokens"] == 10
    assert found["tokens_per_s"] == pytest.approx(10 * found["rows_per_s"], rel=1e-3)
    assert 8 / 0.3 < found["rows_per_s"] <= 8 / 0.08
    assert 0.4 < found["data_wait"] < 0.9
    assert (found["steps"], found["devices"], found["device"]) == (3, 1, "cpu")
    assert found["peak_memory_gib"] > 0
    assert told(found).endswith("% of the time waiting for data (of 3 steps, all but the first)")


def test_how_often_a_frozen_tower_was_run_is_told():
    speed = {"rows_per_s": 2, "tokens_per_s": 1234, "data_wait": 0.1, "steps": 9}
    kept = {"media": 41250, "computed": 825, "kept_gb": 7.6}
    text = told(speed | {"vision_cache": kept})
    assert text == told(speed) + "; vision computed 825 times for 41,250 media, 7.6 GB kept"


def test_the_speed_is_no_part_of_what_identifies_a_checkpoint(tmp_path):
    hashes = set()
    for speed in ({"rows_per_s": 1.0}, {"rows_per_s": 2.0}):
        (tmp_path / "forensics.json").write_text(json.dumps({"vision": {"FPS": "4"}, "speed": speed}))
        hashes.add(hash_of(tmp_path / "forensics.json"))
    assert len(hashes) == 1
    (tmp_path / "forensics.json").write_text(json.dumps({"vision": {"FPS": "2"}, "speed": speed}))
    assert hash_of(tmp_path / "forensics.json") not in hashes


@pytest.mark.parametrize(
    ("device", "tflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H200", 989),
        ("NVIDIA H20", 148),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A10G", 70),
        ("NVIDIA L40S", 362),
        ("cpu", None),
        ("Some Card 9", None),
    ],
)
def test_the_peak_of_a_card_goes_by_its_name(device, tflops):
    assert peak(device) == (tflops and tflops * 1e12)
