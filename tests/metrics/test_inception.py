"""The FID Inception against torchvision's, patched in its three known differences."""

import hashlib
import warnings

import pytest
import torch
import torchvision
from torch.nn import functional

from alphabench.errors import DataError
from alphabench.image.resizing import clean_resize_299
from alphabench.metrics.inception import InceptionFeatures, load_inception
from alphabench.metrics.perceptual import composite_features
from alphabench.metrics.weights import WeightFile, WeightsMissing


@pytest.fixture(scope="module")
def witness():
    """torchvision's Inception v3 with 1,008 classes and random weights and statistics."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = torchvision.models.inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif name.endswith(("running_var", "bn.weight")):
            tensor.uniform_(0.5, 1.5)
    return network.eval()


@pytest.fixture(scope="module")
def network(witness) -> InceptionFeatures:
    return InceptionFeatures(witness.state_dict())


def features_of_the_witness(witness, scaled: torch.Tensor, monkeypatch) -> torch.Tensor:
    """Run torchvision's network with the pools of the FID Inception."""
    average = functional.avg_pool2d

    def pool(maps, *, kernel_size, stride, padding):
        if maps.shape[1] == 2048:
            return functional.max_pool2d(maps, kernel_size=kernel_size, stride=stride, padding=padding)
        return average(maps, kernel_size, stride, padding, count_include_pad=False)

    kept = []
    handle = witness.avgpool.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(functional, "avg_pool2d", pool)
        witness(scaled)
    handle.remove()
    return kept[0].flatten(1)


def test_the_features_agree_with_the_patched_network_of_torchvision(witness, network, monkeypatch):
    scaled = torch.rand(2, 3, 299, 299, generator=torch.Generator().manual_seed(1)) * 2 - 1
    expected = features_of_the_witness(witness, scaled, monkeypatch)
    with torch.no_grad():
        ours = network.maps(scaled).mean(dim=(2, 3))
    assert ours.shape == (2, 2048)
    assert expected.std() > 1e-3
    assert torch.allclose(ours, expected, atol=1e-5, rtol=1e-4)


def test_images_are_resized_cleanly_and_scaled_as_the_network_wants(network):
    images = torch.rand(1, 3, 40, 56, generator=torch.Generator().manual_seed(2))
    scaled = (clean_resize_299(images) * 255 - 128) / 128
    with torch.no_grad():
        assert torch.equal(network.pooled(images), network.maps(scaled).mean(dim=(2, 3)))
    assert scaled.shape == (1, 3, 299, 299)
    assert float(scaled.min()) >= -1
    assert float(scaled.max()) <= 1


def test_composites_of_an_opaque_image_pass_once(network):
    images = torch.rand(1, 4, 32, 32)
    images[:, 3] = 1
    features = composite_features(images, torch.rand(3, 3), network)
    assert features.shape == (1, 3, 2048)
    assert torch.equal(features[0, 0], features[0, 2])


def test_the_network_stays_in_evaluation_mode(network):
    network.train()
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("with_counters", [True, False])
def test_a_file_of_the_true_layout_loads_through_its_sha256(tmp_path, monkeypatch, witness, with_counters):
    monkeypatch.setenv("ALPHABENCH_CACHE", str(tmp_path))
    path = tmp_path / "weights" / "inception.pth"
    path.parent.mkdir()
    state = witness.state_dict()
    torch.save({k: v for k, v in state.items() if with_counters or "num_batches" not in k}, path)
    prefix = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    file = WeightFile("inception", path.name, prefix, "Inception", "https://example.org/i", ("rfid",))
    loaded = load_inception(file).state_dict()
    assert torch.equal(loaded["Mixed_7c.branch_pool.conv.weight"], state["Mixed_7c.branch_pool.conv.weight"])
    assert torch.equal(loaded["Mixed_6e.branch7x7_2.bn.running_var"], state["Mixed_6e.branch7x7_2.bn.running_var"])


def test_a_missing_an_unknown_and_a_misshapen_tensor_are_refused(witness):
    state = dict(witness.state_dict())
    del state["Mixed_6a.branch3x3.conv.weight"]
    with pytest.raises(DataError, match=r"1 tensors .* first Mixed_6a\.branch3x3\.conv\.weight: .* nothing"):
        InceptionFeatures(state)
    with pytest.raises(DataError, match=r"AuxLogits\.fc\.bias: unknown"):
        InceptionFeatures({**witness.state_dict(), "AuxLogits.fc.bias": torch.zeros(1)})
    with pytest.raises(DataError, match=r"fc\.bias: expected \(1008,\), found \(1000,\)"):
        InceptionFeatures({**witness.state_dict(), "fc.bias": torch.zeros(1000)})


def test_the_inception_of_torchvision_under_the_right_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("ALPHABENCH_CACHE", str(tmp_path))
    with pytest.raises(WeightsMissing, match="inception"):
        load_inception()
    path = tmp_path / "weights" / "pt_inception-2015-12-05-6726825d.pth"
    path.parent.mkdir()
    path.write_bytes(b"other weights")
    with pytest.raises(DataError, match="not with 6726825d"):
        load_inception()
