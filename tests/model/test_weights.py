"""Checkpoints and the weights a network starts from."""

from __future__ import annotations

import argparse
import json
import logging
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from golden import reference_inputs
from safetensors.torch import save_file

from ham.errors import WeightsError
from ham.model import pretrained, weights
from ham.model.card import Card
from ham.model.network import HierarchicalAttentionNetwork
from ham.model.published_weights import import_weights
from ham.settings import NetworkSettings
from ham.training.settings import TrainingSettings

SMALL = TrainingSettings(network=NetworkSettings(architecture="resnet18", pretrained=None))

CARD = Card(findings=("a", "b", "c"), settings=SMALL.plain(), epoch=3)


def network(**options: object) -> HierarchicalAttentionNetwork:
    settings = {"architecture": "resnet18", "pretrained": None, **options}
    return HierarchicalAttentionNetwork(3, NetworkSettings.of(settings))


@pytest.mark.parametrize("counters", [True, False], ids=["with batch norm counters", "as older files, without"])
@pytest.mark.parametrize(("pooling", "downsampling"), [(True, 8), (False, 32)])
def test_a_file_in_torchvisions_format_fills_stem_and_layers(
    tmp_path: Path, counters: bool, pooling: bool, downsampling: int
) -> None:
    state = torchvision.models.resnet18().state_dict()
    kept = {name: value for name, value in state.items() if counters or not name.endswith("num_batches_tracked")}
    torch.save(kept, tmp_path / "resnet18.pth")
    started = network(pooling=pooling, downsampling=downsampling)
    head = started.model.cls_fc.weight.clone()
    options = {"architecture": "resnet18", "pretrained": str(tmp_path / "resnet18.pth")}
    pretrained.start(started, NetworkSettings.of(options))
    own = started.model.state_dict()
    for name in ("conv1.weight", "layer1.0.conv1.weight", "layer4.1.bn2.running_var", "layer2.0.downsample.0.weight"):
        assert torch.equal(own[name], state[name]), name
    assert torch.equal(started.model.cls_fc.weight, head)


def test_weights_of_another_architecture_are_refused_and_named(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet34().state_dict(), tmp_path / "resnet34.pth")
    with pytest.raises(WeightsError, match=r"another network: .*layer1\.2\..* is not in the network"):
        pretrained.start(network(), NetworkSettings(architecture="resnet18", pretrained=str(tmp_path / "resnet34.pth")))


@pytest.mark.parametrize("content", [None, b"not weights"])
def test_a_missing_or_damaged_file_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=str(path)):
        pretrained.start(network(), NetworkSettings(architecture="resnet18", pretrained=str(path)))


def test_a_checkpoint_comes_back_with_its_card_and_the_same_bytes(tmp_path: Path) -> None:
    state = network().state_dict()
    for name in ("one", "two"):
        weights.save(tmp_path / name, state, CARD)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    loaded = weights.load(tmp_path / "one")
    assert Card.read(tmp_path / "one") == CARD
    assert all(torch.equal(loaded[name], state[name]) for name in state)


def test_a_checkpoint_that_was_cut_off_is_one_sentence(tmp_path: Path) -> None:
    weights.save(tmp_path / "whole", network().state_dict(), CARD)
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:1000])
    with pytest.raises(WeightsError, match="cut: not a checkpoint"):
        weights.load(tmp_path / "cut")


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    """A state dict as the authors' release saves it, of a resnet18."""
    shapes = HierarchicalAttentionNetwork(14, SMALL.network).state_dict()
    return OrderedDict(
        (f"module.{name}", torch.as_tensor(reference_inputs.weight(name, tuple(value.shape))))
        for name, value in shapes.items()
    )


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def test_a_published_checkpoint_imports_exports_and_imports_bit_for_bit(
    tmp_path: Path, published: dict[str, torch.Tensor]
) -> None:
    first, second, back = tmp_path / "1.safetensors", tmp_path / "2.safetensors", tmp_path / "back.pth"
    source = saved(tmp_path / "published.pth", published)
    import_weights(source, first, SMALL)
    weights.export_weights(first, back, published=True)
    import_weights(back, second, SMALL)
    exported = torch.load(back, weights_only=True)
    assert exported.keys() == published.keys()
    one, two, card = weights.load(first), weights.load(second), Card.read(first)
    for name, value in published.items():
        for found in (exported[name], one[name.removeprefix("module.")], two[name.removeprefix("module.")]):
            assert found.dtype == value.dtype
            assert torch.equal(found, value), name
    assert card.findings == tuple(reference_inputs.CLASSES)
    assert card.model.network == SMALL.network
    weights.fill(HierarchicalAttentionNetwork(14, SMALL.network), one, first)


@pytest.mark.parametrize("form", ["without module.", "beside other entries", "without counters"])
def test_other_forms_of_the_same_weights_are_read_alike(
    tmp_path: Path, published: dict[str, torch.Tensor], form: str
) -> None:
    bare = {name.removeprefix("module."): value for name, value in published.items()}
    content: dict[str, object] = {
        "without module.": bare,
        "beside other entries": {"epoch": 20, "best": 0.8, "state_dict": published},
        "without counters": {name: value for name, value in published.items() if not name.endswith("tracked")},
    }
    source = saved(tmp_path / "published.pth", content[form])
    import_weights(source, tmp_path / "out.safetensors", SMALL)
    state = weights.load(tmp_path / "out.safetensors")
    assert state.keys() == bare.keys()
    assert all(torch.equal(state[name], bare[name]) for name in bare if not name.endswith("tracked"))


def test_every_key_and_shape_that_differs_is_named(tmp_path: Path, published: dict[str, torch.Tensor]) -> None:
    wrong = dict(published)
    del wrong["module.model.fa_layer.fa.gamma"]
    wrong["module.model.extra.weight"] = torch.zeros(2)
    wrong["module.model.cls_fc.weight"] = torch.zeros(8, 512)
    source = saved(tmp_path / "wrong.pth", wrong)
    with pytest.raises(WeightsError) as caught:
        import_weights(source, tmp_path / "out.safetensors", SMALL)
    for said in (
        "model.fa_layer.fa.gamma is missing",
        "model.extra.weight is not in the network",
        "model.cls_fc.weight is [8, 512], the network wants [14, 512]",
    ):
        assert said in str(caught.value)
    assert not (tmp_path / "out.safetensors").exists()


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    source = saved(tmp_path / "hostile.pth", {"state_dict": Hostile()})
    with pytest.raises(WeightsError, match="more than weights"):
        import_weights(source, tmp_path / "out.safetensors", SMALL)
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_of_ham_is_taken_with_its_own_card(tmp_path: Path, published: dict[str, torch.Tensor]) -> None:
    own = tmp_path / "own.safetensors"
    import_weights(saved(tmp_path / "published.pth", published), own, SMALL)
    import_weights(own, tmp_path / "taken.safetensors", TrainingSettings())  # the paper's resnet50 plays no part
    assert (tmp_path / "taken.safetensors").read_bytes() == own.read_bytes()
    with pytest.raises(WeightsError, match="its findings are"):
        import_weights(own, tmp_path / "other.safetensors", SMALL, findings=("Mass",))


def nested(names: str, state: dict[str, torch.Tensor]) -> object:
    """``state`` below these entries, with what training loops keep beside it."""
    content: object = state
    for name in reversed(names.split(".") if names else []):
        content = {name: content, "epoch": 3, "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "lr": 0.1}}
    return content


@pytest.mark.parametrize(
    ("entry", "prefix", "said"),
    [
        ("state_dict", "model.", ["state_dict", "model."]),  # Lightning
        ("state_dict", "net.", ["state_dict", "net."]),
        ("model", "", ["entry model"]),
        ("net", "module.", ["entry net", "module."]),
        ("ema", "_orig_mod.", ["entry ema", "_orig_mod."]),
        ("", "_orig_mod.module.", ["module.", "_orig_mod."]),
        ("", "module._orig_mod.", ["module.", "_orig_mod."]),
        ("checkpoint.state_dict", "wrapper.inner.", ["entry checkpoint.state_dict", "wrapper.inner."]),
    ],
)
@pytest.mark.parametrize("form", ["pth", "safetensors"])
def test_weights_load_from_within_wrappers_and_entries_saying_what_was_stripped(
    tmp_path: Path,
    published: dict[str, torch.Tensor],
    entry: str,
    prefix: str,
    said: list[str],
    form: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bare = {name.removeprefix("module."): value for name, value in published.items()}
    wrapped = {prefix + name: value for name, value in bare.items()}
    source = tmp_path / f"wrapped.{form}"
    if form == "pth":
        saved(source, nested(entry, wrapped))
    else:  # nothing is nested there, and there is no card
        save_file({name: value.contiguous() for name, value in wrapped.items()}, source)
        said = [text for text in said if "entry" not in text and text != "state_dict"]
    with caplog.at_level(logging.INFO, "ham"):
        import_weights(source, tmp_path / "out.safetensors", SMALL)
    for text in said:
        assert text in caplog.text
    state = weights.load(tmp_path / "out.safetensors")
    assert state.keys() == bare.keys()
    assert all(torch.equal(state[name], bare[name]) for name in bare)
    opened, card = weights.open_network(tmp_path / "out.safetensors")
    assert card.imported is not None
    assert card.imported["file"] == source.name
    assert not opened.training


def test_a_part_that_torch_compile_wrapped_is_read(tmp_path: Path, published: dict[str, torch.Tensor]) -> None:
    inner = {name.replace("model.layer1", "model._orig_mod.layer1"): value for name, value in published.items()}
    import_weights(saved(tmp_path / "inner.pth", inner), tmp_path / "out.safetensors", SMALL)
    assert len(weights.load(tmp_path / "out.safetensors")) == len(published)


def test_pretrained_files_may_be_wrapped_too(tmp_path: Path) -> None:
    state = torchvision.models.resnet18().state_dict()
    file = saved(tmp_path / "own.ckpt", {"state_dict": {f"model.{name}": value for name, value in state.items()}})
    started = network()
    pretrained.start(started, NetworkSettings(architecture="resnet18", pretrained=str(file)))
    assert torch.equal(started.model.conv1.weight, state["conv1.weight"])


def test_a_file_that_does_not_fit_is_shown_beside_what_is_missing(
    tmp_path: Path, published: dict[str, torch.Tensor]
) -> None:
    other = saved(tmp_path / "other.pth", {"state_dict": {"backbone.stem.weight": torch.zeros(8, 3, 3, 3)}})
    with pytest.raises(WeightsError) as caught:
        import_weights(other, tmp_path / "out.safetensors", SMALL)
    assert "model.anomaly_fc.weight is missing" in str(caught.value)
    assert "in the file are 1 tensors: backbone.stem.weight [8, 3, 3, 3]" in str(caught.value)


def test_two_state_dicts_that_fit_alike_are_refused_by_name(tmp_path: Path, published: dict[str, torch.Tensor]) -> None:
    averaged = {name: value * 2 for name, value in published.items()}
    both = saved(tmp_path / "both.pth", {"model": published, "ema": averaged})
    with pytest.raises(WeightsError, match=r"2 state dicts in it fit alike \(model, ema\); save the one"):
        import_weights(both, tmp_path / "out.safetensors", SMALL)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (torch.tensor(3.0), "no state dict is in it, but a Tensor"),
        (3.5, "no state dict is in it, but a float"),
        ({"epoch": 3, "best": 0.5}, r"a dict of epoch \(int\), best \(float\)"),
        ({"state_dict": {}, "best": np.float64(0.8)}, r"run numpy\._core\.multiarray\.scalar"),
        ({"state_dict": {}, "args": argparse.Namespace(lr=1)}, r"run argparse\.Namespace, .* write its weights alone"),
        (torch.nn.Linear(2, 2), r"run torch\.nn\.modules\.linear\.Linear"),
    ],
)
def test_what_is_no_file_of_weights_is_called_by_its_name(tmp_path: Path, content: object, said: str) -> None:
    with pytest.raises(WeightsError, match=said) as caught:
        import_weights(saved(tmp_path / "odd.pth", content), tmp_path / "out.safetensors", SMALL)
    assert "fetch it again" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(
    tmp_path: Path, published: dict[str, torch.Tensor], value: float
) -> None:
    broken = {name: tensor.clone() for name, tensor in published.items()}
    broken["module.model.cls_fc.weight"][0, 0] = value
    broken["module.model.bn1.running_var"][:] = value
    with pytest.raises(WeightsError, match=r"infinite numbers are in model\.bn1\.running_var, model\.cls_fc\.weight: "):
        import_weights(saved(tmp_path / "broken.pth", broken), tmp_path / "out.safetensors", SMALL)
    state = dict(network().state_dict())
    state["model.cls_fc.weight"] = torch.full((3, 512), value)
    weights.save(tmp_path / "own.safetensors", state, CARD)
    with pytest.raises(WeightsError, match=r"own\.safetensors: nan or infinite numbers are in model\.cls_fc\.weight:"):
        weights.open_network(tmp_path / "own.safetensors")


def with_card(path: Path, card: object) -> Path:
    save_file({"a": torch.zeros(1)}, path, metadata={"card": json.dumps(card)})
    return path


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({**CARD.plain(), "version": 4}, "version 4, and this ham reads up to 3: a newer one wrote it, update ham"),
        ([1, 2], "its card is no map of keys"),
        (None, "its card is no map of keys"),
        ("text", "its card is no map of keys"),
        ({"version": 2}, "its card cannot be used: findings"),
        ({**CARD.plain(), "version": "two"}, "its card cannot be used: version"),
        ({"findings": ["a"], "settings": "no json"}, "its card cannot be used"),
        ({"findings": ["a"], "settings": {"network": {"architecture": "vgg"}}}, "its card cannot be used: network"),
    ],
)
def test_a_card_that_cannot_be_used_is_one_sentence(tmp_path: Path, card: object, said: str) -> None:
    path = with_card(tmp_path / "model.safetensors", card)
    for read in (Card.read, weights.open_network, lambda p: import_weights(p, tmp_path / "out.safetensors", SMALL)):
        with pytest.raises(WeightsError, match=said):
            read(path)


def test_bare_weights_are_only_opened_once_they_are_brought_in(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "bare.safetensors")
    with pytest.raises(WeightsError, match=r"without a card, .* ham import-weights"):
        weights.open_network(tmp_path / "bare.safetensors")


def test_imagenet_weights_without_a_network_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(WeightsError, match=r"resnet18 could not be fetched .* set training\.network\.pretrained"):
        pretrained.start(network(), NetworkSettings(architecture="resnet18", pretrained="imagenet"))
