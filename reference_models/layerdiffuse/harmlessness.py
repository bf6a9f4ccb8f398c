"""What LayerDiffuse leaves of its frozen autoencoder: the latent before and after the shift, both decoded."""

import torch

from alphabench.image.compositing import clear_hidden
from alphabench.image.types import Rgba
from alphabench.models.contract import ParentComparison
from reference_models.layerdiffuse.model import LayerDiffuse
from reference_models.padding import pad_to_multiple


@torch.inference_mode()
def compared_with_parent(model: LayerDiffuse, images: Rgba) -> ParentComparison:
    """Return the frozen code of straight RGBA in [0,1] and the shifted one, with the frozen decodes of both.

    The frozen encoder is fed the image over mid-grey. The posterior's spread is the same for both codes. Latents
    are float64, so that a shift of a thousandth of the mean keeps all its digits; the decodes are those of the
    float32 latents that inference uses.

    Args:
        model: the model, its decoder in float32.
        images: `(batch, 4, height, width)`, any size, on any device.
    """
    height, width = images.shape[-2:]
    place = next(model.parameters()).device
    encoding = model.encode(pad_to_multiple(clear_hidden(images), model.config.size_multiple).to(place))
    mean, log_variance = encoding.mean.double(), 2 * encoding.std.double().log()
    decodes = [model.frozen_decode(latents).clamp(0.0, 1.0) for latents in (encoding.mean, encoding.latents)]
    image, original, shifted = (whole[..., :height, :width].contiguous() for whole in (encoding.grey, *decodes))
    return ParentComparison(
        image=image,
        original_mean=mean,
        original_log_variance=log_variance,
        shifted_mean=mean + encoding.shift.double(),
        shifted_log_variance=log_variance,
        original_decode=original,
        shifted_decode=shifted,
    )
