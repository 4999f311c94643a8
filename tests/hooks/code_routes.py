"""Where the installed libraries run, import, unpickle or fetch code, and why no model folder reaches it.

Found by reading them: a release that adds a place, or drops one, fails test_remote_code.py. Read it then, see whether a
folder's files decide what happens there, close it in core/model_folders.py or hooks/remote_code.py, and record it here.
"""

ROUTES = {
    "What runs a folder's code: replaced by a function that refuses, after inspect has refused.": """
sentence_transformers/util/misc.py: get_class_from_dynamic_module
swift/model/models/baichuan.py: get_class_from_dynamic_module
swift/model/models/baidu.py: get_class_from_dynamic_module
swift/model/models/glm.py: get_class_from_dynamic_module
swift/model/models/internlm.py: get_class_from_dynamic_module
swift/model/models/llava.py: get_class_from_dynamic_module
swift/model/models/minimax.py: get_class_from_dynamic_module x3
swift/model/models/mllm.py: get_class_from_dynamic_module x6
swift/model/models/moonshot.py: get_class_from_dynamic_module
swift/model/models/mplug.py: get_class_from_dynamic_module x2
swift/model/models/qwen.py: get_class_from_dynamic_module x4
swift/model/models/spark.py: get_class_from_dynamic_module
swift/model/models/xing4_0.py: get_class_from_dynamic_module
swift/template/templates/deepseek.py: get_class_from_dynamic_module x7
swift/template/templates/internlm.py: get_class_from_dynamic_module x5
transformers/dynamic_module_utils.py: exec_module, get_cached_module_file x2, get_class_in_module, import_module
transformers/generation/utils.py: get_cached_module_file, get_class_in_module, load_custom_generate x2
transformers/models/auto/auto_factory.py: get_class_from_dynamic_module x2
transformers/models/auto/configuration_auto.py: get_class_from_dynamic_module
transformers/models/auto/feature_extraction_auto.py: get_class_from_dynamic_module
transformers/models/auto/image_processing_auto.py: get_class_from_dynamic_module
transformers/models/auto/processing_auto.py: get_class_from_dynamic_module
transformers/models/auto/tokenization_auto.py: get_class_from_dynamic_module
transformers/models/auto/video_processing_auto.py: get_class_from_dynamic_module
transformers/pipelines/__init__.py: get_class_from_dynamic_module
""",
    "What clones a repository and imports it: replaced by a function that refuses.": """
swift/model/models/baai.py: git_clone_github
swift/model/models/deepseek.py: git_clone_github x3
swift/model/models/llama.py: git_clone_github
swift/model/models/llava.py: git_clone_github
swift/model/models/mplug.py: git_clone_github
swift/model/models/stepfun.py: git_clone_github
swift/model/models/valley.py: git_clone_github
swift/model/models/yi.py: git_clone_github
swift/optimizers/muon.py: git_clone_github
""",
    "Adapters: inspect allows LoRA alone, without the settings that import or unpickle; AutoPeftModel is not used.": """
peft/auto.py: import_module
peft/tuners/lora/corda.py: torch.load x2
peft/tuners/lora/loraga.py: torch.load
peft/tuners/lora/tp_layer.py: import_module
peft/tuners/multitask_prompt_tuning/model.py: torch_load
""",
    "The states with which a training goes on, and weights, as pickles: states_of, check_states and inspect.": """
transformers/trainer.py: torch.load x11
""",
    "Pickles of a model's folder: inspect refuses the file; torch reads only tensors of it.": """
peft/utils/save_and_load.py: torch.load, torch_load
sentence_transformers/base/modules/module.py: torch.load
swift/model/decision_head.py: torch.load x2
swift/model/omnijev_branch.py: torch.load
transformers/modeling_utils.py: torch.load
transformers/models/qwen2_5_omni/modeling_qwen2_5_omni.py: torch.load
transformers/models/qwen2_5_omni/modular_qwen2_5_omni.py: torch.load
transformers/models/wav2vec2/modeling_wav2vec2.py: torch.load
""",
    "Classes that a sentence encoder names: inspect allows sentence_transformers' and torch.nn's.": """
sentence_transformers/base/model.py: import_module_class
sentence_transformers/base/modules/dense.py: import_from_string
sentence_transformers/base/modules/router.py: import_module_class
sentence_transformers/cross_encoder/model.py: import_from_string
sentence_transformers/multi_vector_encoder/model.py: import_from_string
sentence_transformers/sentence_transformer/modules/word_embeddings.py: import_module_class
sentence_transformers/util/misc.py: import_from_string x2, import_module x2
""",
    "Kernels from a hub by the library's own choice: no folder names one (inspect), and prediction is offline.": """
transformers/integrations/eetq.py: get_kernel
transformers/integrations/fbgemm_fp8.py: get_kernel
transformers/integrations/gguf/kernels.py: get_kernel
transformers/integrations/hub_kernels.py: get_kernel x2, import_module x4
transformers/integrations/metal_quantization.py: get_kernel
transformers/integrations/msa_attention.py: get_kernel
transformers/integrations/mxfp4.py: get_kernel
transformers/models/mra/modeling_mra.py: get_kernel
transformers/models/rwkv/modeling_rwkv.py: get_kernel
transformers/models/sam3_video/modeling_sam3_video.py: get_kernel
transformers/models/yoso/modeling_yoso.py: get_kernel
transformers/quantizers/quantizer_mxfp4.py: get_kernel
transformers/utils/import_utils.py: get_kernel x2
""",
    "Files that whoever starts a training names: plug-ins, caches of data sets, settings.": """
swift/arguments/base_args/base_args.py: import_external_file
swift/dataset/indexed_dataset.py: pickle.load, pickle.loads
swift/dataset/packing.py: import_external_file
swift/ray_utils/resource_manager.py: eval
swift/utils/utils.py: exec_module, import_external_file
transformers/data/datasets/glue.py: torch.load
transformers/data/datasets/squad.py: torch.load
transformers/integrations/integration_utils.py: exec_module
""",
    "Other programs of these packages, which no command here calls.": """
swift/megatron/pipelines/train/rlhf.py: import_module
swift/megatron/trainers/base.py: torch.load
swift/ray/megatron/__init__.py: import_module
swift/ray/megatron/megatron_worker.py: import_module
swift/ray/megatron/pipeline.py: import_module
swift/ray/megatron/rollout/__init__.py: import_module
transformers/exporters/exporter_dynamo.py: import_module
transformers/exporters/utils.py: import_module x2
transformers/models/bark/processing_bark.py: allow_pickle
transformers/models/rag/retrieval_rag.py: pickle.load x2
transformers/pipelines/base.py: import_module
transformers/testing_utils.py: import_module x2
""",
    "What a process itself pickled.": """
sentence_transformers/base/model.py: pickle.loads
swift/utils/torch_utils.py: pickle.loads
""",
    "The library's own modules, by names that stand in it.": """
sentence_transformers/base/modules/transformer.py: import_module
sentence_transformers/util/deprecated_import.py: import_module
swift/model/models/qwen.py: import_module
swift/model/npu_patch/mindspeed.py: import_module x7
swift/model/npu_patch/utils.py: import_module
swift/rlhf_trainers/utils.py: import_module
swift/trainers/trainer_factory.py: import_module
swift/utils/import_utils.py: import_module
transformers/__init__.py: import_module x3
transformers/models/auto/auto_factory.py: import_module x2
transformers/models/auto/configuration_auto.py: import_module x3
transformers/models/auto/feature_extraction_auto.py: import_module x2
transformers/models/auto/image_processing_auto.py: import_module x2
transformers/models/auto/processing_auto.py: import_module x2
transformers/models/auto/tokenization_auto.py: import_module x3
transformers/models/auto/video_processing_auto.py: import_module x2
transformers/processing_utils.py: __import__
transformers/utils/generic.py: import_module
transformers/utils/import_utils.py: exec_module, import_module x3
""",
}
