"""The lossy steps of the published evaluation: truncated composites, JPEG files, bf16 saving.

They reproduce AlphaVAE's scripts fault for fault (arXiv 2507.09308, repository `o0o0o00o0/AlphaVAE`,
`validation_pipeline/scripts/blend_rgba.py` and `inference/infer_vae.py`).
"""

import io

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from alphabench.image.types import Codes

RgbCodes = UInt8[Tensor, "3 height width"]
"""One opaque image as 8-bit codes."""


def truncated_composite(codes: Codes, background: tuple[int, int, int]) -> RgbCodes:
    """Return one image over a solid colour, computed in float32 and truncated to 8 bits.

    `v = a·rgb + (1 − a)·bg`, then `trunc(clip(255·v, 0, 255))`, each step rounded to float32 in this order:
    float32 noise makes some exact integers fall by one, which is part of the published numbers. NumPy does
    each step apart, so no fused multiply-add can change a value.

    Args:
        codes: 8-bit RGBA codes `(4, height, width)`.
        background: red, green and blue as 8-bit codes.
    """
    unit = np.float32(255)
    planes = codes.cpu().numpy().astype(np.float32) / unit
    colour, alpha = planes[:3], planes[3:]
    behind = np.array(background, np.float32).reshape(3, 1, 1) / unit
    blended = alpha * colour + (np.float32(1) - alpha) * behind
    return torch.from_numpy(np.clip(blended * unit, 0, 255).astype(np.uint8))


def jpeg_round_trip(rgb_codes: RgbCodes, quality: int = 75) -> RgbCodes:
    """Return an opaque image after writing it as JPEG (4:2:0, standard tables) and reading it back.

    Quality 75 is what Pillow writes without options. Builds of the JPEG library may differ by one code.
    """
    buffer = io.BytesIO()
    pixels = rgb_codes.cpu().permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=2)
    with Image.open(buffer, formats=["JPEG"]) as picture:
        decoded = np.array(picture.convert("RGB"))
    return torch.from_numpy(decoded).permute(2, 0, 1).contiguous()


def bf16_save_codes(images: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Return the 8-bit codes that the authors' inference script saves for images, computed in bfloat16.

    The images in [0,1] become [-1,1] in bfloat16, as the authors' model gives them, then `·0.5 + 0.5` and
    clamp, then `torchvision.utils.save_image`: `·255 + 0.5`, clamp and truncation. Above 128 adding 0.5 is a
    tie, so odd codes 129 to 253 become the next even one; the mean shift over all codes is +0.246. Images
    that already went through these bfloat16 steps before the saving come out the same.
    """
    signed = ((images.to(torch.float32) - 0.5) / 0.5).to(torch.bfloat16)
    restored = (signed * 0.5 + 0.5).clamp(0, 1)
    return restored.mul(255).add(0.5).clamp(0, 255).to(torch.uint8)
