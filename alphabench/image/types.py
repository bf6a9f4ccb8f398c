"""The tensor types of the house: straight alpha, float32, [0,1]."""

from jaxtyping import Bool, Float, UInt8
from torch import Tensor

Rgba = Float[Tensor, "batch 4 height width"]
"""Straight-alpha images in [0,1]."""

Rgb = Float[Tensor, "batch 3 height width"]
"""Opaque or premultiplied colour in [0,1]."""

Alpha = Float[Tensor, "batch 1 height width"]
"""Opacity in [0,1]."""

Mask = Bool[Tensor, "batch 1 height width"]
"""A choice of pixels."""

Codes = UInt8[Tensor, "channel height width"]
"""One image as 8-bit codes."""

AnyCodes = UInt8[Tensor, "_ _ _"]
"""One image as 8-bit codes among others that may have another size."""

AnyRgba = Float[Tensor, "_ 4 _ _"]
"""Straight-alpha images in [0,1] among others that may have another size."""
