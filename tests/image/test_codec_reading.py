"""Every kind of file that carries alpha, written by Pillow, tifffile or by hand, reads as its codes."""

import hashlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from alphabench.errors import DataError
from alphabench.image.codec import (
    decode_rgba,
    decode_webp,
    encode_png,
    encode_webp,
    quantise,
    read_facts,
    read_rgba,
    to_float,
    write_png,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(channels: int = 4, height: int = 11, width: int = 14) -> np.ndarray:
    random = np.random.default_rng(7)
    pixels = random.integers(0, 256, (height, width, channels), dtype=np.uint8)
    pixels[0, :, -1], pixels[1, :, -1] = 0, 255
    return pixels


def planes(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(rows: list[bytes], width: int, bits: int, colour: int, *extra: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, 0))
    content = zlib.compress(b"".join(b"\0" + row for row in rows))
    return SIGNATURE + header + b"".join(extra) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.PNG", {"format": "PNG"}),
        ("a.webp", {"lossless": True, "exact": True}),
        ("a.tif", {}),
        ("a.tiff", {"compression": "tiff_lzw"}),
        ("a.tiff", {"compression": "tiff_deflate"}),
        ("a.tiff", {"compression": "packbits"}),
    ],
)
def test_rgba_files_give_their_codes_hidden_colour_included(tmp_path, name, options):
    pixels = picture()
    path = saved(tmp_path / name, Image.fromarray(pixels), **options)
    codes = read_rgba(path)
    assert codes.dtype == torch.uint8
    assert torch.equal(codes, planes(pixels))
    assert read_facts(path).mode == "RGBA"


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_gray_with_alpha_becomes_three_equal_channels(tmp_path, name):
    pixels = picture(2)
    path = saved(tmp_path / name, Image.fromarray(pixels, "LA"))
    assert torch.equal(read_rgba(path), planes(pixels[..., [0, 0, 0, 1]]))
    assert read_facts(path).mode == "LA"


def test_a_tiff_palette_with_alpha_gives_colour_and_alpha(tmp_path):
    image = Image.fromarray(picture()).convert("RGB").quantize(16).convert("PA")
    image.putalpha(Image.fromarray(picture()[..., 3]))
    path = saved(tmp_path / "a.tif", image)
    codes = read_rgba(path)
    assert read_facts(path).mode == "PA"
    assert torch.equal(codes, planes(np.array(image.convert("RGBA"))))
    assert torch.equal(codes[3], planes(picture())[3])


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_with_alpha_give_colour_and_alpha_of_each_entry(tmp_path, bits):
    random = np.random.default_rng(bits)
    size = 2**bits
    palette, alpha = random.integers(0, 256, (size, 3)), random.integers(0, 256, size)
    indices = random.integers(0, size, (9, 13), dtype=np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette(palette.astype(np.uint8).tobytes())
    path = tmp_path / "a.png"
    image.save(path, transparency=alpha.astype(np.uint8).tobytes(), bits=bits)
    expected = np.concatenate([palette, alpha[:, None]], axis=1).astype(np.uint8)[indices]
    assert torch.equal(read_rgba(path), planes(expected))
    assert read_facts(path).mode == "P+tRNS"


def test_palette_entries_without_an_alpha_of_their_own_are_opaque():
    colours = chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60, 70, 80, 90]))
    data = png([b"\0\1\2"], 3, 8, 3, colours, chunk(b"tRNS", b"\0\x80"))
    codes = decode_rgba(data, name="a.png")
    assert codes[:, 0].T.tolist() == [[10, 20, 30, 0], [40, 50, 60, 128], [70, 80, 90, 255]]


@pytest.mark.parametrize(
    ("bits", "row", "marked", "expected"),
    [
        (8, b"\x00\x07\xff", 7, [(0, 255), (7, 0), (255, 255)]),
        (4, b"\x0f\x30", 3, [(0, 255), (255, 255), (51, 0)]),
        (2, b"\x1c", 1, [(0, 255), (85, 0), (255, 255)]),
        (1, b"\x60", 1, [(0, 255), (255, 0), (255, 0)]),
    ],
)
def test_a_gray_marked_as_transparent_gets_alpha_0_at_every_depth(bits, row, marked, expected):
    data = png([row], 3, bits, 0, chunk(b"tRNS", struct.pack(">H", marked)))
    codes = decode_rgba(data, name="a.png")
    assert codes[[0, 3], 0].T.tolist() == [list(pair) for pair in expected]


def test_an_rgb_colour_marked_as_transparent_gets_alpha_0():
    data = png([bytes([1, 2, 3, 1, 2, 4])], 2, 8, 2, chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3)))
    codes = decode_rgba(data, name="a.png")
    assert codes[:, 0].T.tolist() == [[1, 2, 3, 0], [1, 2, 4, 255]]


def test_interlaced_files_are_read():
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = []
    for top, left, down, across in passes:
        rows += [
            b"\0" + b"".join(bytes([value, 255 - value]) for value in row) for row in pixels[top::down, left::across]
        ]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 4, 0, 0, 1))
    data = SIGNATURE + header + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")
    codes = decode_rgba(data, name="a.png")
    np.testing.assert_array_equal(codes[0].numpy(), pixels)
    np.testing.assert_array_equal(codes[3].numpy(), 255 - pixels)


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiffs_of_tifffile_are_read_in_every_byte_order(tmp_path, order, big, planar):
    pixels = picture()
    shaped = pixels if planar == "contig" else pixels.transpose(2, 0, 1)
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.ascontiguousarray(shaped),
        photometric="rgb",
        planarconfig=planar,
        extrasamples=["unassalpha"],
        byteorder=order,
        bigtiff=big,
        metadata=None,
    )
    assert torch.equal(read_rgba(tmp_path / "a.tif"), planes(pixels))


def test_tiled_tiffs_are_read(tmp_path):
    pixels = picture(height=40, width=50)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unassalpha"], tile=(16, 16), metadata=None
    )
    assert torch.equal(read_rgba(tmp_path / "a.tif"), planes(pixels))


def test_lossy_webp_is_read_as_its_decoder_gives_it(tmp_path):
    path = saved(tmp_path / "a.webp", Image.fromarray(picture()), quality=60)
    with Image.open(path) as image:
        expected = np.array(image)
    assert torch.equal(read_rgba(path), planes(expected))


def test_facts_are_those_of_the_file(tmp_path):
    path = saved(tmp_path / "a.png", Image.fromarray(picture(height=5, width=9)))
    facts = read_facts(path)
    assert (facts.width, facts.height, facts.mode, facts.format) == (9, 5, "RGBA", "PNG")
    assert (facts.icc, facts.gamma, facts.exif_orientation) == (False, False, None)
    assert facts.carries_alpha
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "options"), [("a.png", {}), ("a.webp", {"lossless": True, "exact": True}), ("a.tif", {})]
)
def test_a_colour_profile_is_recorded_and_changes_no_code(tmp_path, name, options):
    pixels = picture()
    profile = b"\0" * 200
    path = saved(tmp_path / name, Image.fromarray(pixels), icc_profile=profile, **options)
    assert read_facts(path).icc
    assert torch.equal(read_rgba(path), planes(pixels))


@pytest.mark.parametrize(
    "note",
    [
        chunk(b"gAMA", struct.pack(">I", 100000)),
        chunk(b"cHRM", struct.pack(">8I", *range(1, 9))),
        chunk(b"sRGB", b"\0"),
    ],
)
def test_gamma_and_colour_space_notes_are_recorded_and_change_no_code(tmp_path, note):
    pixels = picture(4, 2, 3)
    path = tmp_path / "a.png"
    path.write_bytes(png([row.tobytes() for row in pixels], 3, 8, 6, note))
    assert read_facts(path).gamma
    assert not read_facts(path).icc
    assert torch.equal(read_rgba(path), planes(pixels))


@pytest.mark.parametrize("turn", [3, 6, 8])
@pytest.mark.parametrize(
    ("name", "options"), [("a.png", {}), ("a.webp", {"lossless": True, "exact": True}), ("a.tif", {})]
)
def test_a_rotation_tag_is_recorded_and_the_codes_stay_as_stored(tmp_path, turn, name, options):
    pixels = picture()
    exif = Image.Exif()
    exif[274] = turn
    path = saved(tmp_path / name, Image.fromarray(pixels), exif=exif, **options)
    facts = read_facts(path)
    assert facts.exif_orientation == turn
    assert (facts.width, facts.height) == (14, 11)
    assert torch.equal(read_rgba(path), planes(pixels))


def test_a_rotation_tag_of_an_opaque_photograph_is_recorded_too(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    path = saved(tmp_path / "a.jpg", Image.fromarray(picture(3)), exif=exif, icc_profile=b"\0" * 200)
    facts = read_facts(path, allow_opaque=True)
    assert (facts.exif_orientation, facts.icc, facts.mode, facts.format) == (6, True, "RGB", "JPEG")
    assert read_rgba(path, allow_opaque=True).shape == (4, 11, 14)


def test_long_and_many_texts_do_not_hinder_reading(tmp_path):
    pixels = picture()
    notes = PngInfo()
    for index in range(3):
        notes.add_text(f"key{index}", "x" * 3_000_000, zip=True)
    path = saved(tmp_path / "a.png", Image.fromarray(pixels), pnginfo=notes)
    assert torch.equal(read_rgba(path), planes(pixels))


@pytest.mark.parametrize(
    ("name", "channels", "mode"),
    [("a.png", 3, "RGB"), ("a.png", 1, "L"), ("a.tif", 3, "RGB"), ("a.webp", 3, "RGB"), ("a.jpg", 1, "L")],
)
def test_an_opaque_image_is_refused_unless_allowed_and_then_has_alpha_255(tmp_path, name, channels, mode):
    pixels = picture(channels)
    options = {"lossless": True} if name.endswith("webp") else {}
    path = saved(tmp_path / name, Image.fromarray(pixels[..., 0] if channels == 1 else pixels), **options)
    for reading in (read_rgba, read_facts):
        with pytest.raises(DataError, match=f"{name} has no alpha channel") as refusal:
            reading(path)
        assert "RGBA" in refusal.value.remedy
    codes = read_rgba(path, allow_opaque=True)
    assert bool((codes[3] == 255).all())
    if not name.endswith("jpg"):
        assert torch.equal(codes[:3], planes(np.broadcast_to(pixels, (*pixels.shape[:2], 3))))
    facts = read_facts(path, allow_opaque=True)
    assert facts.mode == mode
    assert not facts.carries_alpha


def test_an_opaque_palette_is_refused_unless_allowed(tmp_path):
    path = saved(tmp_path / "a.png", Image.fromarray(picture(3)).quantize(16))
    with pytest.raises(DataError, match="no alpha channel"):
        read_rgba(path)
    with Image.open(path) as image:
        expected = np.array(image.convert("RGBA"))
    assert torch.equal(read_rgba(path, allow_opaque=True), planes(expected))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_written_png_has_the_codes_and_equal_bytes_each_time(tmp_path, channels):
    codes = planes(picture(channels))
    write_png(tmp_path / "deep" / "a.png", codes, text={"b": "ü", "a": "1"})
    content = (tmp_path / "deep" / "a.png").read_bytes()
    assert content == encode_png(codes, text={"a": "1", "b": "ü"})
    back = read_rgba(tmp_path / "deep" / "a.png", allow_opaque=True)
    assert torch.equal(back[: max(channels, 3)], codes.expand(max(channels, 3), -1, -1))
    with Image.open(io.BytesIO(content)) as image:
        assert image.text == {"a": "1", "b": "ü"}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.png"]


def test_a_view_of_a_tensor_is_encoded_by_its_values():
    codes = planes(picture())
    assert torch.equal(
        decode_rgba(encode_png(codes.flip(1).transpose(1, 2)), name="a.png"), codes.flip(1).transpose(1, 2)
    )


def test_quantising_is_half_up_in_float32_and_undoes_to_float():
    codes = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(quantise(to_float(codes)), codes)
    assert to_float(codes).tolist() == (np.arange(256, dtype=np.float32) / np.float32(255)).tolist()
    halves = torch.tensor([-0.5, 0.0, 0.5, 1.5, 2.49, 254.5, 255.0, 300.0]) / 255
    assert quantise(halves).tolist() == [0, 0, 1, 2, 2, 255, 255, 255]
    values = torch.rand(3, 4, 5)
    expected = np.floor(np.float32(255) * values.numpy() + np.float32(0.5)).astype(np.uint8)
    np.testing.assert_array_equal(quantise(values).numpy(), expected)
    assert torch.equal(quantise(values.double()), quantise(values))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_have_no_code(value):
    images = torch.zeros(2, 4, 3, 3)
    images[1, 2, 0, 1] = value
    with pytest.raises(DataError, match=r"1 of 72 values .* \(1, 2, 0, 1\)"):
        quantise(images)


def test_webp_quality_trades_bytes_for_error():
    columns = np.linspace(0, 255, 64).astype(np.uint8)
    pixels = np.dstack([np.tile(columns, (64, 1)), np.tile(columns[:, None], (1, 64)), picture(2, 64, 64)])
    codes = planes(pixels)
    coarse, fine = encode_webp(codes, 5), encode_webp(codes, 95)
    errors = [float((decode_webp(data).float() - codes.float())[3].square().mean()) for data in (coarse, fine)]
    assert len(coarse) < len(fine)
    assert errors[1] < errors[0]
    assert encode_webp(codes, 5) == coarse


def test_a_webp_without_alpha_decodes_as_opaque():
    codes = planes(picture())
    codes[3] = 255
    decoded = decode_webp(encode_webp(codes, 50))
    assert decoded.shape == codes.shape
    assert bool((decoded[3] == 255).all())
