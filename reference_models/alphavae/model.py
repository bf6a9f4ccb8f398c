"""AlphaVAE: one interface to both layouts of its network, the patch VAE and diffusers' AutoencoderKL."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from reference_models.alphavae.ranges import Colour, Network
from reference_models.rgb_vae.model import FACTOR, PatchVae, Posterior

Latents = Float[Tensor, "batch latent rows columns"]


class AlphaVae(nn.Module):
    """An RGBA autoencoder over a four-channel network; images are as the network reads them, in [-1,1].

    Attributes:
        network: a `PatchVae` or a diffusers `AutoencoderKL`.
        colour: how colour enters and leaves the network.
    """

    def __init__(self, network: Any, colour: Colour = "straight") -> None:
        super().__init__()
        self.network = network
        self.colour: Colour = colour

    @property
    def factor(self) -> int:
        """Return the pixels that a latent position stands for, along each side."""
        if isinstance(self.network, PatchVae):
            return FACTOR
        return int(2 ** (len(self.network.config.block_out_channels) - 1))

    @property
    def latent_channels(self) -> int:
        """Return the numbers of the code at each latent position."""
        return int(self.network.config.latent_channels)

    def encode(self, images: Network) -> Posterior:
        """Return the posterior of `images`, whose sides are multiples of `factor`, in float32 under autocast too."""
        if isinstance(self.network, PatchVae):
            return self.network.encode(images)
        posterior = self.network.encode(images).latent_dist
        # Sums over a whole latent follow: in bfloat16 a divergence would have two digits.
        return Posterior(posterior.mean.float(), posterior.logvar.float())

    def decode_unclamped(self, latents: Latents) -> Network:
        """Return the images of `latents`, not clamped: a clamp would stop alpha's gradient at its start."""
        if isinstance(self.network, PatchVae):
            return self.network.decode_unclamped(latents)
        decoded: Tensor = self.network.decode(latents.to(self.network.dtype)).sample
        return decoded

    def decode(self, latents: Latents) -> Network:
        """Return the images of `latents`, clamped to [-1,1]."""
        return self.decode_unclamped(latents).clamp(-1.0, 1.0)
