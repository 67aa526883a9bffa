"""model/training/pretraining.py.

Plain text through the same batches and steps, and what is measured of a base model.
"""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from string import digits

import pytest
import torch

from model.errors import BrokenRun
from model.masks.policies import IGNORE_INDEX
from model.network.config import GPTConfig
from model.network.gpt import GPT
from model.text.corpus import ALPHABET
from model.text.tokenizer import Tokenizer
from model.training.pretraining import (
    BASE_FILE,
    BaseMeasurement,
    BaseRun,
    Pretraining,
    continue_texts,
    load_base,
    pretrain_run,
    text_batches,
)
from model.training.recipes import TrainingConfig

TOKENIZER = Tokenizer(ALPHABET, pads=True)
TINY = Pretraining(
    "tiny",
    "Tiny",
    TOKENIZER,
    GPTConfig(TOKENIZER.vocab_size, 64, 1, 2, 16),
    TrainingConfig(batch_size=4, learning_rate=3e-3, checkpoint_steps=(30,), evaluate_every=15),
)


def test_every_position_of_every_row_is_trained_on_the_next_token():
    for batch in islice(text_batches(TINY, 0), 5):
        assert batch.inputs_BT.shape == batch.targets_BT.shape == (4, 64)
        assert bool((batch.targets_BT != IGNORE_INDEX).all())
        assert torch.equal(batch.inputs_BT[:, 1:], batch.targets_BT[:, :-1])


def test_a_row_begins_with_a_document_and_holds_no_template():
    for batch in islice(text_batches(TINY, 1), 20):
        for row in batch.inputs_BT.tolist():
            text = TOKENIZER.decode(row)
            assert text.startswith(("What is ", "Q: What is ", "a", "the", "my", "one", "her", "his", *digits))
            assert not set(text) & set("<>#")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "tiny"
    events = list(pretrain_run(TINY, seed=0, folder=folder))
    assert [event.step for event in events if isinstance(event, BaseMeasurement)] == [0, 15, 30]
    assert isinstance(events[-1], BaseRun)
    return folder


def test_a_run_is_read_as_it_was_kept_and_its_loss_has_fallen(kept: Path):
    run, model = load_base(kept)
    assert (run.seed, run.steps, run.model) == (0, 30, TINY.model)
    first, last = run.measurements[0].metrics, run.measurements[-1].metrics
    for kind in ("worksheet", "fact", "sentence"):
        assert last.loss[kind].value < first.loss[kind].value - 0.3
        assert last.loss[kind].n == 200
    assert last.continues.n == last.knows.n == last.endings.none.n == 100
    assert not any(p.requires_grad for p in model.parameters())


def test_the_same_seed_gives_the_same_weights(kept: Path, tmp_path: Path):
    list(pretrain_run(TINY, seed=0, folder=tmp_path / "again"))
    names = {path.name for path in kept.iterdir()}
    assert names == {BASE_FILE, "step_000030.safetensors"}
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (kept / name).read_bytes()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1", b'{"slug": "tiny"}'])
def test_a_broken_run_is_named(kept: Path, tmp_path: Path, content: bytes):
    (tmp_path / BASE_FILE).write_bytes(content)
    with pytest.raises(BrokenRun, match=BASE_FILE):
        load_base(tmp_path)
    with pytest.raises(BrokenRun, match=BASE_FILE):
        load_base(tmp_path / "missing")


def test_a_continuation_is_as_long_as_asked_for():
    model = GPT(replace(TINY.model), torch.Generator().manual_seed(0)).eval()
    texts = continue_texts(model, TOKENIZER, ["What is 2+2?", "Q"], 5)
    assert all(len(text) > 0 for text in texts)
    assert sum(map(len, texts)) <= 2 * 5 * len("[pad]")
