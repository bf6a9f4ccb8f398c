"""LPIPS against the package `lpips`, through the real loading code on files of the true layout."""

import hashlib
import warnings
from pathlib import Path

import pytest
import torch

from alphabench.errors import DataError
from alphabench.metrics.alexnet import AlexFeatures, load_alexnet
from alphabench.metrics.perceptual import composite_distance, lpips
from alphabench.metrics.weights import WeightFile, WeightsMissing


@pytest.fixture(scope="module")
def witness():
    """The LPIPS of the package, with its learned heads on a random AlexNet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lpips as package

        torch.manual_seed(0)
        network = package.LPIPS(net="alex", pretrained=True, pnet_rand=True, verbose=False)
    for parameter in network.net.parameters():
        parameter.data.mul_(1.7)  # a fresh AlexNet shrinks its maps from stage to stage
    return network


def backbone_of(witness) -> dict[str, torch.Tensor]:
    """Return the state of torchvision's AlexNet, true names and shapes; the classifier takes no space."""
    state = {f"features.{name.split('.', 1)[1]}": tensor.clone() for name, tensor in witness.net.state_dict().items()}
    for index, (c_in, c_out) in {1: (9216, 4096), 4: (4096, 4096), 6: (4096, 1000)}.items():
        state[f"classifier.{index}.weight"] = torch.zeros(1, 1).expand(c_out, c_in)
        state[f"classifier.{index}.bias"] = torch.zeros(1).expand(c_out)
    return state


def weight_file_of(path: Path, prefix: str | None = None) -> WeightFile:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return WeightFile("alexnet", path.name, prefix or digest[:8], "AlexNet", "https://example.org/a", ("lpips",))


@pytest.fixture
def weights_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ALPHABENCH_CACHE", str(tmp_path))
    folder = tmp_path / "weights"
    folder.mkdir()
    return folder


@pytest.fixture
def network(witness, weights_folder) -> AlexFeatures:
    path = weights_folder / "alexnet.pth"
    torch.save(backbone_of(witness), path)
    return load_alexnet(weight_file_of(path))


@pytest.mark.parametrize("size", [(64, 64), (31, 31), (97, 45)])
def test_lpips_agrees_with_the_package(witness, network, size):
    generator = torch.Generator().manual_seed(2)
    x = torch.rand(3, 3, *size, generator=generator)
    y = (x + 0.2 * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    with torch.no_grad():
        expected = witness(x, y, normalize=True).flatten().double()
    ours = lpips(x, y, network)
    assert ours.dtype == torch.float64
    assert (expected > 1e-3).all()
    assert torch.allclose(ours, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("zipped", [True, False])
def test_both_file_formats_of_pytorch_load(witness, weights_folder, network, zipped):
    path = weights_folder / "again.pth"
    torch.save(backbone_of(witness), path, _use_new_zipfile_serialization=zipped)
    loaded = load_alexnet(weight_file_of(path))
    x, y = torch.rand(2, 1, 3, 40, 40)
    assert torch.equal(lpips(x, y, loaded), lpips(x, y, network))


def test_identical_images_are_at_zero_and_arguments_swap(network):
    x, y = torch.rand(2, 2, 3, 40, 40)
    assert lpips(x, x, network).tolist() == [0.0, 0.0]
    assert torch.equal(lpips(x, y, network), lpips(y, x, network))


def test_below_31_pixels_lpips_does_not_apply(network):
    small, large = torch.rand(2, 2, 3, 31, 40)
    assert lpips(small[:, :, :30], large[:, :, :30], network).isnan().all()
    assert lpips(small, large, network).isfinite().all()
    rgba = torch.rand(2, 4, 40, 30)
    assert composite_distance(rgba, rgba, torch.rand(5, 3), network).isnan().all()
    assert composite_distance(rgba, rgba, torch.rand(5, 3), network).shape == (2, 5)


def test_a_black_image_has_a_finite_gradient(network):
    black = torch.zeros(1, 3, 35, 35, requires_grad=True)
    lpips(black, torch.rand(1, 3, 35, 35), network).sum().backward()
    assert black.grad is not None
    assert black.grad.isfinite().all()


def test_missing_weights_name_the_command_and_the_place(weights_folder):
    with pytest.raises(WeightsMissing) as caught:
        lpips(torch.rand(1, 3, 40, 40), torch.rand(1, 3, 40, 40))
    assert "alphabench weights fetch alexnet" in caught.value.remedy
    assert str(weights_folder / "alexnet-owt-7be5be79.pth") in caught.value.remedy


def test_another_file_under_the_right_name_is_refused(witness, weights_folder):
    path = weights_folder / "alexnet-owt-7be5be79.pth"
    torch.save(backbone_of(witness), path)
    with pytest.raises(DataError, match="not with 7be5be79"):
        load_alexnet()


def test_a_state_with_other_shapes_is_refused(witness, weights_folder):
    state = backbone_of(witness)
    state["features.3.weight"] = state["features.3.weight"][:, :-1]
    path = weights_folder / "alexnet.pth"
    torch.save(state, path)
    with pytest.raises(DataError, match=r"features\.3\.weight"):
        load_alexnet(weight_file_of(path))


def test_a_pickle_that_would_run_code_is_refused(weights_folder):
    path = weights_folder / "alexnet.pth"
    torch.save({"features.0.weight": Path("a path is no tensor")}, path)
    with pytest.raises(DataError, match="cannot be read as PyTorch weights"):
        load_alexnet(weight_file_of(path))


def test_the_size_of_the_stages_is_foretold(network):
    stages = network.features(torch.rand(1, 3, 75, 64))
    assert sum(maps.numel() * 4 for maps in stages) == network.bytes_per_image(75, 64)
