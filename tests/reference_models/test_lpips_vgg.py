"""LPIPS with VGG-16 as a loss, against the package `lpips` itself on the same random backbone."""

import lpips
import pytest
import torch
from torch import Tensor
from torchvision.models.vgg import cfgs, make_layers

from alphabench.errors import DataError
from reference_models.losses.lpips_vgg import LpipsVgg


@pytest.fixture(scope="module")
def backbone() -> dict[str, Tensor]:
    """The convolutions of a VGG-16 with random weights, under torchvision's names."""
    torch.manual_seed(3)
    layers = make_layers(cfgs["D"], batch_norm=False)
    return {f"features.{name}": tensor for name, tensor in layers.state_dict().items()}


def images(seed: int) -> Tensor:
    return torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.filterwarnings("ignore::UserWarning")  # lpips uses names that torchvision has renamed
def test_it_is_the_lpips_of_the_package(backbone: dict[str, Tensor]) -> None:
    theirs = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False)
    for slice_name in ("slice1", "slice2", "slice3", "slice4", "slice5"):
        for index, layer in getattr(theirs.net, slice_name).named_children():
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight.data = backbone[f"features.{index}.weight"]
                layer.bias.data = backbone[f"features.{index}.bias"]
    expected = theirs(images(0), images(1)).flatten()
    assert torch.equal(LpipsVgg(backbone)(images(0), images(1)), expected)
    assert float(expected.min()) > 0


def test_it_is_frozen_passes_gradients_on_and_stays_in_evaluation_mode(backbone: dict[str, Tensor]) -> None:
    network = LpipsVgg(backbone)
    network.train()
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    prediction = images(0).requires_grad_()
    network(prediction, images(1)).sum().backward()
    assert prediction.grad is not None
    assert float(prediction.grad.abs().max()) > 0


def test_a_backbone_of_another_shape_and_small_images_are_refused(backbone: dict[str, Tensor]) -> None:
    with pytest.raises(DataError, match=r"first features\.0\.weight"):
        LpipsVgg({name: tensor for name, tensor in backbone.items() if name != "features.0.weight"})
    with pytest.raises(DataError, match="16 pixels"):
        LpipsVgg(backbone)(images(0)[..., :8, :], images(1)[..., :8, :])
