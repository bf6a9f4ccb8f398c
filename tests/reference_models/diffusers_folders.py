"""Tiny folders of the true layouts of the FLUX and SDXL autoencoders: their configs, random weights, small widths."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL

WIDTHS, GROUPS = (8, 8, 16, 16), 4

COMMON: dict[str, Any] = {
    "act_fn": "silu",
    "block_out_channels": list(WIDTHS),
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "force_upcast": True,
    "in_channels": 3,
    "layers_per_block": 2,
    "norm_num_groups": GROUPS,
    "out_channels": 3,
    "sample_size": 1024,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
"""What both folders hold; the true ones have widths (128, 256, 512, 512) and 32 groups."""

LAYOUTS: dict[str, dict[str, Any]] = {
    "flux": {
        "_class_name": "AutoencoderKL",
        "_diffusers_version": "0.30.0.dev0",
        "_name_or_path": "../checkpoints/flux-dev",
        **COMMON,
        "latent_channels": 16,
        "latents_mean": None,
        "latents_std": None,
        "mid_block_add_attention": True,
        "scaling_factor": 0.3611,
        "shift_factor": 0.1159,
        "use_post_quant_conv": False,
        "use_quant_conv": False,
    },
    "sdxl": {
        "_class_name": "AutoencoderKL",
        "_diffusers_version": "0.20.0.dev0",
        "_name_or_path": "../sdxl-vae/",
        **COMMON,
        "latent_channels": 4,
        "scaling_factor": 0.13025,
    },
}
"""config.json of each, key by key as it is published: SDXL's is older and has neither shift nor quantiser switches."""


def network_of(layout: str, seed: int = 0) -> AutoencoderKL:
    """Return the RGB autoencoder of a layout with seeded random weights, in evaluation mode."""
    torch.manual_seed(seed)
    config = {key: value for key, value in LAYOUTS[layout].items() if not key.startswith("_")}
    return AutoencoderKL(**config).eval()


def write_folder(folder: Path, layout: str, seed: int = 0) -> AutoencoderKL:
    """Write the RGB folder of a layout as it is published, and return its network."""
    network = network_of(layout, seed)
    network.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(LAYOUTS[layout], indent=2), encoding="utf-8")
    return network


def through(vae: Any, images: torch.Tensor) -> torch.Tensor:
    """Return the unclamped reconstruction through the posterior's mode."""
    with torch.no_grad():
        decoded: torch.Tensor = vae.decode(vae.encode(images).latent_dist.mode()).sample
    return decoded
