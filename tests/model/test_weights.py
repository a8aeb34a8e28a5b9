"""Checkpoints and the weights a network starts from."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
import torchvision
from golden import reference_inputs

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


def test_imagenet_weights_without_a_network_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(WeightsError, match=r"resnet18 could not be fetched .* set training\.network\.pretrained"):
        pretrained.start(network(), NetworkSettings(architecture="resnet18", pretrained="imagenet"))
