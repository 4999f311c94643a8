"""Where an encoder lies, and which files of it are loaded."""

import shutil

import pytest

from eval.encoders.folders import fingerprint, folder_of


@pytest.mark.slow
def test_the_hash_is_of_the_files_that_are_loaded(encoder, tmp_path):
    copy = shutil.copytree(encoder, tmp_path / "copy")
    assert fingerprint(copy) == fingerprint(folder_of(encoder))
    (copy / "README.md").write_text("another")
    assert fingerprint(copy) == fingerprint(folder_of(encoder))
    (copy / "1_Pooling" / "config.json").write_text("{}")
    assert fingerprint(copy) != fingerprint(folder_of(encoder))


def test_pickled_weights_are_refused_before_anything_is_loaded(tmp_path):
    for name in ("model.safetensors", "tokenizer.json", "2_Dense/model.safetensors", "2_Dense/pytorch_model.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert folder_of(str(tmp_path)) == tmp_path  # beside safetensors a pickle is not looked at
    (tmp_path / "2_Dense" / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"2_Dense/pytorch_model\.bin is a pickle; only weights as safetensors"):
        folder_of(str(tmp_path))
    (tmp_path / "2_Dense" / "pytorch_model.bin").unlink()
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match="it holds no tokenizer"):
        folder_of(str(tmp_path))
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="it holds no safetensors"):
        folder_of(str(tmp_path))


def test_a_name_that_is_neither_a_folder_nor_a_hub_id_is_one_clear_line(tmp_path):
    pytest.importorskip("huggingface_hub")
    with pytest.raises(ValueError, match="neither a folder nor to be had"):
        folder_of(str(tmp_path / "none"))
