"""What the generators of samples have in common: where they write, and where they do not."""

import pytest

from converters import sample_deepfakejudge, sample_deeptrace

GENERATORS = pytest.mark.parametrize("main", [sample_deeptrace.main, sample_deepfakejudge.main],
                                     ids=["deeptrace", "deepfakejudge"])  # fmt: skip


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
