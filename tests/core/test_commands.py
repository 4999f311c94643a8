"""What the command lines have in common: which rows a limit leaves, and where the generators of samples write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters import sample_deepfakejudge, sample_deeptrace, sample_fakeclue
from swift_plugins.core.records import spread

GENERATORS = pytest.mark.parametrize(
    "main",
    [sample_deeptrace.main, sample_deepfakejudge.main, sample_fakeclue.main],
    ids=["deeptrace", "deepfakejudge", "fakeclue"],
)


@given(count=st.integers(0, 2000), limit=st.none() | st.integers(1, 2000))
def test_a_limit_takes_one_row_out_of_each_stretch(count, limit):
    taken = list(spread(count, limit))
    assert taken == list(spread(count, limit))  # in every run
    if limit is None or limit >= count:
        assert taken == list(range(count))
    else:
        assert all(i * count // limit <= row < (i + 1) * count // limit for i, row in enumerate(taken))
        assert len(taken) == limit


@pytest.mark.parametrize("limit", [10, 50, 100, 500])
def test_a_limit_keeps_both_kinds_where_they_take_turns(limit):
    fakes = sum(row % 2 for row in spread(1000, limit))
    assert abs(fakes - limit / 2) <= 1.5 * limit**0.5


@GENERATORS
def test_a_folder_in_use_is_refused(tmp_path, capsys, main):
    (tmp_path / "kept").touch()
    with pytest.raises(SystemExit, match="2"):
        main(["--out", str(tmp_path)])
    assert "is not empty: delete it or name another folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@GENERATORS
@pytest.mark.parametrize("beneath", ["", "/below"])
def test_an_output_that_cannot_be_written_is_one_clear_line(tmp_path, capsys, main, beneath):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(SystemExit, match="2"):
        main(["--out", f"{tmp_path}/file{beneath}"])
    assert "error: cannot write to --out: " in capsys.readouterr().err.splitlines()[-1]
    assert (tmp_path / "file").read_text() == "kept"
