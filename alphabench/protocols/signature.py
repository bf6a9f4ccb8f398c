"""The signature: one printable line that says how a number was made."""

import re
from collections.abc import Collection, Mapping

from alphabench.errors import UsageError
from alphabench.protocols.model import Protocol
from alphabench.version import __version__

KEY = re.compile(r"[a-z][a-z0-9-]*")
VALUE = re.compile(r"[A-Za-z0-9.@+_-]+")
MAX_FIELD = 40

# The first metric of a family that the protocol has speaks for the family.
FAMILIES: Mapping[str, Mapping[str, str]] = {
    "psnr": {"psnr": "rgb-cap{cap}", "psnr_eps8": "rgb-eps1e-8"},
    "ssim": {
        "ssim_rgb": "rgb-g11-s1.5-valid",
        "ssim_pyiqa": "luma-int-g11-s1.5-valid",
        "ssim_luma": "luma-g11-s1.5-valid",
        "ssim_alpha": "alpha-g11-s1.5-valid",
    },
    "lpips": {"lpips": "alex0.1"},
    "lpips-rand": {"lpips-rand": "seed20250709"},
    "rfid": {"rfid": "incep-clean-{scope}"},
    "rfid-rand": {"rfid-rand": "rand960-{scope}"},
    "kid": {"kid": "incep-clean-{scope}"},
    "kid-rand": {"kid-rand": "rand960-{scope}"},
    "fid": {"fid": "incep-clean-{scope}{recipe}"},
    "fid-rand": {"fid-rand": "rand960-{scope}"},
    "aes": {"laion_aes": "laion-pyiqa"},
    "clip": {"clipscore": "vitb32-pyiqa"},
}
SCOPES = {"category": "cat", "all": "all", "leaf": "leaf"}
ORDERS = {"macro": "sample-cat-macro", "paper": "leaf-subset-colour-4", "paper-t2i": "cat-halfmixed-colour-4"}


def signature(protocol: Protocol, data_id: str, manifest_hash: str, unavailable: Collection[str] = ()) -> str:
    """Return the signature of numbers made under `protocol` on the data `data_id`.

    Args:
        protocol: the protocol.
        data_id: `name@version` of the data.
        manifest_hash: hash of the data, 64 hexadecimal digits.
        unavailable: metrics that could not be computed; their family reads `none`.
    """
    fields = {
        "protocol": protocol.id,
        "data": _fit("data", data_id),
        "bg": f"{len(protocol.backgrounds)}" + (f"+{len(protocol.textures)}" if protocol.textures else ""),
        "px": f"{protocol.reference.size}{protocol.reference.side or ''}",
        "q": "png8" if protocol.prediction.codec == "png" else protocol.prediction.codec,
    }
    if protocol.reference.data is not None:
        fields["ref"] = _fit("ref", protocol.reference.data)
    if protocol.views.composite != "float32":
        fields["comp"] = protocol.views.composite
    for family, members in FAMILIES.items():
        for metric, words in members.items():
            if metric in protocol.metrics:
                cap, scope = protocol.mean_cap(metric), SCOPES.get(protocol.scope(metric) or "", "")
                recipe = "-pyiqa" if getattr(protocol.metrics[metric], "recipe", None) == "pyiqa" else ""
                text = words.format(cap=f"{cap:g}" if cap is not None else "", scope=scope, recipe=recipe)
                fields[family] = "none" if metric in unavailable else text
                break
    fields["agg"] = ORDERS[protocol.aggregation.mode]
    fields["v"] = re.sub(r"[^A-Za-z0-9.@+_-]", "-", __version__)
    fields["sha"] = protocol.hash[:8]
    fields["dsha"] = manifest_hash[:8]
    return format_signature(fields)


def format_signature(fields: Mapping[str, str]) -> str:
    """Return `fields` as one line; the inverse of `parse_signature`."""
    named = [f"{key}:{value}" for key, value in fields.items() if key != "protocol"]
    return "|".join(["alphabench", fields["protocol"], *named])


def parse_signature(text: str) -> dict[str, str]:
    """Return the fields of a signature in order, the protocol's id under `protocol`.

    Raises:
        UsageError: the text is not a signature.
    """
    head, *rest = text.strip().split("|")
    pairs = [("protocol", rest[0])] + [_pair(field) for field in rest[1:]] if rest else []
    fields = dict(pairs)
    faults = [value for key, value in pairs if not (KEY.fullmatch(key) and VALUE.fullmatch(value))]
    whole = {"protocol", "data", "sha", "dsha"} <= set(fields) and len(fields) == len(pairs)
    if head != "alphabench" or faults or not whole:
        raise UsageError(
            f"this is not a signature: {text[:80]!r}",
            remedy="Copy the whole line that stands under a table: alphabench|protocol@1|data:...|dsha:...",
        )
    return fields


def _pair(field: str) -> tuple[str, str]:
    key, _, value = field.partition(":")
    return key, value


def _fit(key: str, value: str) -> str:
    room = MAX_FIELD - len(key) - 1
    return value if len(value) <= room else f"{value[: room - 1]}+"
