import ast
import hashlib
import json
import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from model.errors import BrokenRun
from model.intervals import MeanLoss, wilson
from model.network.config import GPTConfig
from model.network.gpt import GPT
from model.training.checkpoints import (
    Checkpoint,
    Measurement,
    Run,
    load_weights,
    read_run,
    read_weights,
    save_run,
    save_weights,
)
from model.training.evaluation import Metrics
from model.training.loop import new_run
from model.training.recipes import RECIPES

REVERSE4 = RECIPES["reverse4"]
REPOSITORY = Path(__file__).resolve().parents[3]
LOSSES = {kind: MeanLoss(1.5, 20, 1.25, 1.75) for kind in ("user", "assistant", "template")}
METRICS = Metrics(wilson(0.25, 20), wilson(0.5, 20), wilson(1.0, 20), LOSSES)


@pytest.fixture
def model(random_model: Callable[..., GPT]) -> GPT:
    """Its weights are numbers that float16 has."""
    model = deepcopy(random_model(REVERSE4.model))
    for parameter in model.parameters():
        parameter.copy_(parameter.half())
    return model


@pytest.fixture
def run(tmp_path: Path, model: GPT) -> Run:
    """A run of one checkpoint, saved in `tmp_path`."""
    checkpoint = save_weights(tmp_path, 100, model)
    run = replace(
        new_run(REVERSE4, "prompt-masked", 3, model),
        steps=100,
        measurements=(Measurement(100, METRICS),),
        checkpoints=(checkpoint,),
    )
    save_run(tmp_path, run)
    return run


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change run.json as an editor would."""
    document = json.loads((folder / "run.json").read_text())
    change(document)
    (folder / "run.json").write_text(json.dumps(document))


def test_a_run_read_back_is_the_run_that_was_saved(tmp_path: Path, run: Run):
    assert read_run(tmp_path) == run


def test_a_model_read_back_has_the_very_weights_that_were_saved(tmp_path: Path, run: Run, model: GPT):
    loaded = load_weights(tmp_path, run.model, run.checkpoints[0])
    saved = dict(model.named_parameters())
    assert all(torch.equal(parameter, saved[name]) for name, parameter in loaded.named_parameters())
    assert loaded.head.weight is loaded.token_embedding.weight
    tokens_BT = torch.arange(10)[None]
    assert torch.equal(loaded(tokens_BT), model(tokens_BT))


def test_a_loaded_model_is_frozen(tmp_path: Path, run: Run):
    loaded = load_weights(tmp_path, run.model, run.checkpoints[0])
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_run_json_says_what_was_trained_and_how(tmp_path: Path, run: Run, model: GPT):
    document = json.loads((tmp_path / "run.json").read_text())
    assert document["recipe"] == "reverse4"
    assert document["policy"] == "prompt-masked"
    assert document["seed"] == 3
    assert document["steps"] == 100
    assert document["parameters"] == model.config.parameter_count()
    assert document["training"]["learning_rate"] == 3e-4
    assert document["model"]["width"] == 32
    assert "blake2b" in document["split"]
    assert document["measurements"][0]["metrics"]["exact_match"] == {
        "value": 0.25,
        "n": 20,
        "low": pytest.approx(0.1119, abs=1e-4),
        "high": pytest.approx(0.4687, abs=1e-4),
    }
    weights = (tmp_path / "step_000100.safetensors").read_bytes()
    assert document["checkpoints"] == [
        {"step": 100, "file": "step_000100.safetensors", "sha256": hashlib.sha256(weights).hexdigest()}
    ]


def test_metrics_and_checkpoints_are_found_by_step(run: Run):
    assert run.checkpoint_steps() == (100,)
    assert run.metrics_at(100) == METRICS


def test_weight_files_are_float16_and_hold_the_tied_head_once(tmp_path: Path, run: Run, model: GPT):
    weights = safetensors.torch.load_file(tmp_path / run.checkpoints[0].file)
    assert weights.keys() == dict(model.named_parameters()).keys()
    assert "head.weight" not in weights
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}


def test_the_same_weights_give_the_same_bytes(tmp_path: Path, model: GPT):
    assert save_weights(tmp_path / "a", 1, model) == save_weights(tmp_path / "b", 1, model)
    name = "step_000001.safetensors"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_missing_run_json_is_named(tmp_path: Path):
    with pytest.raises(BrokenRun) as caught:
        read_run(tmp_path / "nowhere")
    assert (
        caught.value.message
        == f"{tmp_path / 'nowhere' / 'run.json'}: No such file or directory; `make train` makes it anew"
    )
    assert isinstance(caught.value, OSError)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"recipe": "reverse4"}',
        b"\x80\x04\x95.",  # how a pickle begins
    ],
)
def test_a_run_json_that_is_no_run_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(BrokenRun) as caught:
        read_run(tmp_path)
    assert caught.value.message.startswith(f"{tmp_path / 'run.json'}: ")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("field", [*Run.__dataclass_fields__])
def test_a_missing_field_is_named_with_its_file(tmp_path: Path, run: Run, field: str):
    rewrite(tmp_path, lambda document: document.pop(field))
    with pytest.raises(BrokenRun) as caught:
        read_run(tmp_path)
    assert caught.value.message.startswith(f"{tmp_path / 'run.json'}: {field}: ")


def test_a_field_that_does_not_belong_is_named_with_its_file(tmp_path: Path, run: Run):
    rewrite(tmp_path, lambda document: document.update(author="me"))
    with pytest.raises(BrokenRun) as caught:
        read_run(tmp_path)
    assert caught.value.message.startswith(f"{tmp_path / 'run.json'}: author: ")


@pytest.mark.parametrize(
    "file",
    [
        "../step_000100.safetensors",
        "/etc/passwd",
        "a/step_000100.safetensors",
        "step_000100.safetensors/../../x",
        "step_000100.safetensors\n",
        "step_000100.pt",
        "step_100.safetensors",
        "step_000100.safetensors\x00",
        "",
    ],
)
def test_a_checkpoint_cannot_name_a_file_elsewhere_or_of_another_kind(tmp_path: Path, run: Run, file: str):
    rewrite(tmp_path, lambda document: document["checkpoints"][0].update(file=file))
    with pytest.raises(BrokenRun) as caught:
        read_run(tmp_path)
    assert caught.value.message.startswith(f"{tmp_path / 'run.json'}: checkpoints.0.file: ")


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 1.1])
def test_a_rate_that_is_no_number_from_0_to_1_is_a_broken_run(tmp_path: Path, run: Run, value: float):
    """json.dumps writes NaN and Infinity; neither may get in, for neither can get out again as JSON."""
    rewrite(tmp_path, lambda document: document["measurements"][0]["metrics"]["exact_match"].update(value=value))
    with pytest.raises(BrokenRun) as caught:
        read_run(tmp_path)
    assert caught.value.message.startswith(f"{tmp_path / 'run.json'}: measurements.0.metrics.exact_match.value: ")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"layers": -1}, id="fewer than no layers"),
        pytest.param({"heads": 0}, id="no heads"),
        pytest.param({"heads": 3}, id="heads that do not divide the width"),
        pytest.param({"width": -32}, id="negative width"),
        pytest.param({"width": 64}, id="another width"),
        pytest.param({"layers": 2}, id="a layer more than the file has"),
        pytest.param({"context_length": 15}, id="another context"),
    ],
)
def test_a_model_in_run_json_that_the_weights_do_not_fit_is_a_broken_run(
    tmp_path: Path, run: Run, change: dict[str, int]
):
    rewrite(tmp_path, lambda document: document["model"].update(change))
    with pytest.raises(BrokenRun) as caught:
        load_weights(tmp_path, read_run(tmp_path).model, run.checkpoints[0])
    assert str(tmp_path) in caught.value.message
    assert "\n" not in caught.value.message


def weight_file(folder: Path) -> Path:
    return folder / "step_000100.safetensors"


def test_a_missing_weight_file_is_named(tmp_path: Path, run: Run):
    weight_file(tmp_path).unlink()
    with pytest.raises(BrokenRun) as caught:
        load_weights(tmp_path, run.model, run.checkpoints[0])
    assert caught.value.message == f"{weight_file(tmp_path)}: No such file or directory"


@pytest.mark.parametrize("kept", [0, 7, 1000, -1], ids=["empty", "within the header's length", "half", "a byte short"])
def test_a_truncated_weight_file_is_named(tmp_path: Path, run: Run, kept: int):
    weight_file(tmp_path).write_bytes(weight_file(tmp_path).read_bytes()[:kept])
    with pytest.raises(BrokenRun) as caught:
        load_weights(tmp_path, run.model, run.checkpoints[0])
    assert caught.value.message == (
        f"{weight_file(tmp_path)}: sha256 differs from the one recorded (truncated or altered?)"
    )


@pytest.mark.parametrize("place", [0, 100, 5000, -1])
def test_a_weight_file_with_one_bit_turned_is_named(tmp_path: Path, run: Run, place: int):
    content = bytearray(weight_file(tmp_path).read_bytes())
    content[place] ^= 1
    weight_file(tmp_path).write_bytes(content)
    with pytest.raises(BrokenRun, match="sha256 differs") as caught:
        load_weights(tmp_path, run.model, run.checkpoints[0])
    assert caught.value.message.startswith(f"{weight_file(tmp_path)}: ")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\x04\x95.", id="a pickle's beginning"),
        pytest.param(b"\xff" * 64, id="a header of 2^64 bytes"),
        pytest.param(b"\x02" + bytes(7) + b"[]", id="a header that is a list"),
        pytest.param(safetensors.torch.save({}), id="no tensors"),
        pytest.param(safetensors.torch.save({"token_embedding.weight": torch.zeros(2, 2)}), id="other shapes"),
    ],
)
def test_a_file_of_the_right_sum_that_holds_no_such_weights_is_named(tmp_path: Path, run: Run, content: bytes):
    weight_file(tmp_path).write_bytes(content)
    forged = Checkpoint(100, weight_file(tmp_path).name, hashlib.sha256(content).hexdigest())
    with pytest.raises(BrokenRun, match="does not hold this model's weights") as caught:
        load_weights(tmp_path, run.model, forged)
    assert caught.value.message.startswith(f"{weight_file(tmp_path)}: ")
    assert "\n" not in caught.value.message


def test_weights_of_the_right_sum_that_end_too_early_are_refused_before_a_model_is_built(tmp_path: Path, run: Run):
    content = weight_file(tmp_path).read_bytes()[:-1]
    weight_file(tmp_path).write_bytes(content)
    forged = Checkpoint(100, weight_file(tmp_path).name, hashlib.sha256(content).hexdigest())
    with pytest.raises(BrokenRun, match="does not hold this model's weights"):
        read_weights(tmp_path, run.model, forged)


def test_weights_of_another_model_are_refused(tmp_path: Path, run: Run, random_model: Callable[..., GPT]):
    other = save_weights(tmp_path, 100, random_model(GPTConfig(29, 16, 2, 4, 32)))
    with pytest.raises(BrokenRun, match="does not hold this model's weights"):
        load_weights(tmp_path, run.model, other)


def imported_or_called(path: Path) -> set[str]:
    """Names of modules a source file imports, and `a.b` for what it takes from a name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.add(f"{node.value.id}.{node.attr}")
    return names


@pytest.mark.parametrize("package", ["model", "app"])
def test_nothing_is_ever_unpickled(package: str):
    sources = sorted((REPOSITORY / package).rglob("*.py"))
    assert sources
    unpicklers = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "torch.load", "numpy.load", "np.load"}
    assert {str(path): found for path in sources if (found := imported_or_called(path) & unpicklers)} == {}
