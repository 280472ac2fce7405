"""Checkpoints by name: what loads, what is refused, and what is estimated without loading."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGMLQuantizationType, GGUFWriter
from peft import LoraConfig, get_peft_model

from usergym.training import checkpoints, tiny
from usergym.training.memory import Load, _of_group, check_memory, needed

TEXTS = ["Which fruit is ripe?", "The apple is ripe, and so is the plum.", "Name another one, please."]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make(tmp_path_factory.mktemp("tiny"), TEXTS, hidden=32, layers=2, heads=2, vocabulary=300, context=128)


def logits(model: Any, tokenizer: Any) -> torch.Tensor:
    ids = torch.tensor([tokenizer("The apple is ripe.").input_ids])
    with torch.no_grad():
        found: torch.Tensor = model(ids).logits
    return found


def test_a_model_that_was_saved_loads_as_it_was(model: Path, tmp_path: Path) -> None:
    loaded, tokenizer = checkpoints.load(str(model), trainable=False)
    again, its = checkpoints.load(str(checkpoints.save(loaded, tokenizer, tmp_path / "copy")), trainable=False)
    assert torch.equal(logits(loaded, tokenizer), logits(again, its))
    assert its.chat_template == tokenizer.chat_template
    assert not any(each.requires_grad for each in loaded.parameters())
    assert any(each.requires_grad for each in checkpoints.load(str(model))[0].parameters())


def test_an_adapter_alone_is_trained_on_or_merged(model: Path, tmp_path: Path) -> None:
    base, tokenizer = checkpoints.load(str(model))
    adapted = get_peft_model(base, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False))
    expected = logits(adapted, tokenizer)
    adapted.save_pretrained(str(tmp_path / "adapter"))
    assert checkpoints.check(str(tmp_path / "adapter")).kind == "adapter"
    trained, _ = checkpoints.load(str(tmp_path / "adapter"))
    assert {name.split(".")[-3] for name, each in trained.named_parameters() if each.requires_grad} == {
        "lora_A",
        "lora_B",
    }
    merged, its = checkpoints.load(str(tmp_path / "adapter"), merge=True)
    assert type(merged) is type(checkpoints.load(str(model))[0])
    assert torch.allclose(logits(merged, its), expected, atol=1e-5)
    saved = checkpoints.save(adapted, tokenizer, tmp_path / "whole")
    assert torch.allclose(logits(checkpoints.load(str(saved))[0], its), expected, atol=1e-5)


def as_gguf(folder: Path, path: Path) -> Path:
    """A Llama checkpoint in the form of llama.cpp, whose rows of queries and keys stand in another order."""
    model, tokenizer = checkpoints.load(str(folder))
    config = model.config
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    learned = json.loads((folder / "tokenizer.json").read_text())["model"]
    tokens = tokenizer.convert_ids_to_tokens(list(range(config.vocab_size)))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if name in tokenizer.all_special_tokens else 1 for name in tokens])
    writer.add_token_merges([" ".join(pair) for pair in learned["merges"]])
    writer.add_bos_token_id(tokenizer.convert_tokens_to_ids("<|user|>"))
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_chat_template(tokenizer.chat_template)
    names = {"embed_tokens": "token_embd", "norm": "output_norm", "input_layernorm": "attn_norm"}
    names |= {"post_attention_layernorm": "ffn_norm", "o_proj": "attn_output"}
    names |= {f"{part}_proj": f"attn_{part}" for part in "qkv"} | {
        f"{part}_proj": f"ffn_{part}" for part in ("gate", "up", "down")
    }
    for name, tensor in model.state_dict().items():
        parts = name.split(".")
        if parts[0] == "lm_head":
            continue
        if parts[-2] in ("q_proj", "k_proj"):
            heads = config.num_attention_heads
            tensor = tensor.reshape(heads, 2, -1, config.hidden_size).swapaxes(1, 2).reshape(tensor.shape)
        layer = f"blk.{parts[2]}." if parts[1] == "layers" else ""
        writer.add_tensor(f"{layer}{names[parts[-2]]}.weight", tensor.numpy(), raw_dtype=GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file_is_the_model_that_it_was_made_from(model: Path, tmp_path: Path) -> None:
    file = as_gguf(model, tmp_path / "tiny.gguf")
    found = checkpoints.check(str(file))
    whole = checkpoints.check(str(model))
    assert found.kind == "gguf"
    assert found.shape == whole.shape
    loaded, tokenizer = checkpoints.load(str(file))
    own, its = checkpoints.load(str(model))
    assert tokenizer.chat_template == its.chat_template
    assert (tokenizer.eos_token, tokenizer.pad_token) == (its.eos_token, its.pad_token)
    assert torch.allclose(logits(loaded, tokenizer), logits(own, its), atol=1e-4)
    checkpoints.save(loaded, tokenizer, tmp_path / "saved")
    assert torch.allclose(logits(*checkpoints.load(str(tmp_path / "saved"))), logits(own, its), atol=1e-4)


def test_a_checkpoint_is_checked_without_torch(model: Path) -> None:
    program = (
        "import sys; from usergym.training import checkpoints; print(checkpoints.check(sys.argv[1]).shape.parameters);"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(model)], capture_output=True, text=True, check=True)
    loaded, _ = checkpoints.load(str(model))
    assert int(done.stdout) == sum(each.numel() for each in loaded.parameters())


def copied(model: Path, folder: Path, *without: str) -> Path:
    folder.mkdir()
    for path in model.iterdir():
        if not any(path.match(pattern) for pattern in without):
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_what_cannot_be_used_is_said_in_one_line_with_its_remedy(model: Path, tmp_path: Path) -> None:
    def told(name: object, template: Path | None = None) -> str:
        with pytest.raises((LookupError, ValueError)) as caught:
            checkpoints.check(str(name), template)
        (line,) = str(caught.value).splitlines()
        return line

    assert "no model 'nothing': give a folder" in told("nothing")
    assert "no file" in told(tmp_path / "none.gguf")
    assert "has no config.json; give the folder" in told(tmp_path)
    assert "no weights in" in told(copied(model, tmp_path / "a", "*.safetensors"))
    assert "no tokenizer in" in told(copied(model, tmp_path / "b", "tokenizer*"))
    silent = copied(model, tmp_path / "c", "chat_template*")
    assert "has no chat template; give one with --chat-template FILE" in told(silent)
    broken = tmp_path / "broken.jinja"
    broken.write_text("{% for %}")
    assert "is no chat template" in told(silent, broken)
    broken.write_bytes("{{ 'ü' }}".encode("latin-1"))
    assert f"--chat-template {broken} is not UTF-8 (invalid start byte at byte 4); save it as UTF-8" in told(
        silent, broken
    )
    assert checkpoints.check(str(silent), model / "chat_template.jinja")
    (silent / "config.json").write_text("{")
    assert "cannot be read" in told(silent)
    (silent / "config.json").write_text('{"identity": {}}')
    assert "is a run that holds no trained model" in told(silent)
    torn = tmp_path / "torn.gguf"
    torn.write_bytes(b"GGUF" + bytes(range(60)))
    assert "its head cannot be read" in told(torn)
    wrong = copied(model, tmp_path / "d")
    (wrong / "model.safetensors").write_bytes(b"\xff" * 100)
    assert "is no safetensors file" in told(wrong)


def test_a_hub_id_that_cannot_be_had_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(LookupError, match=r"model 'nobody/nothing' cannot be loaded: .*; check the name and"):
        checkpoints.load("nobody/nothing")


def test_the_estimate_of_memory_follows_what_is_trained(model: Path) -> None:
    shape = checkpoints.check(str(model)).shape
    assert shape
    whole = needed(shape, Load(1000))
    assert needed(shape, Load(2000)) > whole > needed(shape, Load(1000, checkpointing=True))
    assert needed(shape, Load(0, lora_r=1)) < needed(shape, Load(0))
    assert needed(shape, Load(1000, half=True)) < whole
    assert needed(shape, Load(0, shards=8)) < needed(shape, Load(0))
    check_memory("it", shape, Load(1000))
    with pytest.raises(ValueError, match=r"about [\d,.]+ GiB, and [\d,.]+ GiB are free; give --lora, a smaller"):
        check_memory("it", shape, Load(10**12))


def test_a_control_group_bounds_memory_and_its_files_do_not_count(tmp_path: Path) -> None:
    for name, text in (("memory.max", "1000"), ("memory.current", "700"), ("memory.stat", "file 9\ninactive_file 200")):
        (tmp_path / name).write_text(text + "\n")
    assert _of_group(tmp_path) == 500
    (tmp_path / "memory.max").write_text("max\n")
    assert _of_group(tmp_path) is None
