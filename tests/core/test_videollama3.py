"""The names of VideoLLaMA 3's tensors and settings, published and as transformers has them."""

from __future__ import annotations

import pytest

from swift_plugins.core.videollama3 import new_config, new_name

LAYER = "encoder.layers.3.self_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("published", "new"),
    [
        (f"model.vision_encoder.{LAYER}", f"model.vision_model.{LAYER}"),
        (f"model.vision_encoder.vision_encoder.{LAYER}", f"model.vision_model.{LAYER}"),
        ("model.vision_encoder.embeddings.patch_embedding.bias", "model.vision_model.embeddings.patch_embedding.bias"),
        ("model.vision_encoder.post_layernorm.weight", "model.vision_model.post_layernorm.weight"),
        ("model.mm_projector.readout.0.weight", "model.projector.readout.0.weight"),
        ("model.embed_tokens.weight", "model.language_model.embed_tokens.weight"),
        ("model.layers.27.mlp.up_proj.weight", "model.language_model.layers.27.mlp.up_proj.weight"),
        ("model.norm.weight", "model.language_model.norm.weight"),
        ("lm_head.weight", "lm_head.weight"),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", None),
        ("model.vision_encoder.rotary_pos_emb.inv_freq", None),
    ],
)
def test_a_published_tensor_has_one_new_name(published, new):
    assert new_name(published) == new


@pytest.mark.parametrize("name", ["", "model.layers.x.weight", "visual.blocks.0.weight", "model.mm_projector.0.weight"])
def test_another_models_tensor_has_none(name):
    with pytest.raises(ValueError, match="no tensor of VideoLLaMA 3"):
        new_name(name)


def test_settings_of_the_code_beside_the_weights_are_left_behind():
    published = {
        "model_type": "videollama3_qwen2",
        "auto_map": {"AutoConfig": "x.Y"},
        "hidden_size": 64,
        "rope_theta": 1e6,
        "tie_word_embeddings": True,
        "image_token_index": 151665,
        "vision_encoder_config": {"hidden_size": 48, "model_type": "videollama3_vision_encoder", "_name_or_path": "x"},
    }
    assert new_config(published) == {
        "text_config": {"hidden_size": 64, "rope_theta": 1e6, "tie_word_embeddings": True, "model_type": "qwen2"},
        "vision_config": {"hidden_size": 48},
        "tie_word_embeddings": True,
    }


@pytest.mark.parametrize("config", [{}, {"model_type": "qwen2_5_vl"}, {"model_type": "videollama3_qwen2"}])
def test_another_models_settings_are_refused(config):
    with pytest.raises(ValueError, match="not a published VideoLLaMA 3: model_type"):
        new_config(config)
