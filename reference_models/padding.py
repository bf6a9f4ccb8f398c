"""Images of any size for networks that read whole patches."""

from torch import Tensor
from torch.nn import functional


def pad_to_multiple(images: Tensor, factor: int) -> Tensor:
    """Return `images`, `(batch, channel, height, width)`, grown right and down to multiples of `factor`.

    The last row and column are repeated, so that the padding holds no edge that the image has not. Crop the
    result of the network by `[..., :height, :width]`.
    """
    height, width = images.shape[-2:]
    return functional.pad(images, (0, -width % factor, 0, -height % factor), mode="replicate")
