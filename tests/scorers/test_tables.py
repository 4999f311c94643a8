"""A published table stands only beside rows that may be of its dataset and split."""

import pytest

from tests.scorers.test_deeptrace import fake, real, said
from tests.scorers.test_dfj_detect import verdict
from tests.scorers.test_dfj_pairwise import compared
from tests.scorers.test_dfj_pointwise import judged
from tests.scorers.test_dfj_reason import reasoned
from tests.scorers.test_fakevlm import FACES
from tests.scoring import score_rows


def published(folder, rows):
    return score_rows(folder, rows)["published"]


def with_meta(rows, **meta):
    return [row | {"meta": row["meta"] | meta} for row in rows]


ROWS = {
    "deeptrace": [fake(response=said()), real()],
    "dfj_detect": [verdict("a", "fake", "fake", 0.9)],
    "dfj_pairwise": [compared("p", "A", "A")],
    "dfj_pointwise": [judged("a", 3, 3)],
    "dfj_reason": [reasoned("a")],
    "fakevlm": with_meta(FACES, dataset="ffpp"),
}


@pytest.mark.parametrize("task", ROWS)
def test_beside_rows_of_the_datasets_test_split(tmp_path, task):
    assert published(tmp_path, ROWS[task])["rows"]


@pytest.mark.parametrize("task", ROWS)
@pytest.mark.parametrize("meta", [{"dataset": "mine"}, {"split": "train"}])
def test_not_beside_rows_that_say_another(tmp_path, task, meta):
    rows = ROWS[task][:-1] + with_meta(ROWS[task][-1:], **meta)
    assert published(tmp_path, rows)["rows"] == []


def test_deeptracereward_has_a_table_of_its_validation_set_and_none_of_other_generators(tmp_path):
    validation = published(tmp_path, with_meta(ROWS["deeptrace"], split="val"))
    assert validation["file"] == "deeptrace_val.csv"
    assert published(tmp_path, [fake(response=said(), source="Veo 3"), real()])["rows"] == []
