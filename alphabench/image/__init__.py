"""What an RGBA image is: types, files, compositing, backgrounds, regions, resizing."""

from alphabench.image.backgrounds import (
    CANONICAL_BACKGROUNDS,
    TEXTURES,
    canonical_tensor,
    parse_colour,
    photograph,
    texture,
)
from alphabench.image.codec import (
    ImageFacts,
    decode_rgba,
    encode_png,
    quantise,
    read_facts,
    read_rgba,
    to_float,
    write_png,
)
from alphabench.image.compositing import clear_hidden, composite, composite_over, premultiply, unpremultiply
from alphabench.image.regions import Regions, regions, unknown_region
from alphabench.image.resizing import clean_resize_299, resize_premultiplied
from alphabench.image.types import Alpha, Codes, Mask, Rgb, Rgba

__all__ = [
    "CANONICAL_BACKGROUNDS",
    "TEXTURES",
    "Alpha",
    "Codes",
    "ImageFacts",
    "Mask",
    "Regions",
    "Rgb",
    "Rgba",
    "canonical_tensor",
    "clean_resize_299",
    "clear_hidden",
    "composite",
    "composite_over",
    "decode_rgba",
    "encode_png",
    "parse_colour",
    "photograph",
    "premultiply",
    "quantise",
    "read_facts",
    "read_rgba",
    "regions",
    "resize_premultiplied",
    "texture",
    "to_float",
    "unknown_region",
    "unpremultiply",
    "write_png",
]
