"""Every file that must not be compared is refused with its name, the fact and a remedy, never a traceback."""

import errno
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from alphabench.errors import DataError, DiskFullError
from alphabench.image import codec
from alphabench.image.codec import MAX_PIXELS, decode_rgba, decode_webp, read_facts, read_rgba, write_png

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(channels: int = 4, height: int = 30, width: int = 40) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, channels), dtype=np.uint8)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def header(width: int, height: int, bits: int = 8, colour: int = 6) -> bytes:
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))


def written(path: Path, **options: object) -> bytes:
    Image.fromarray(picture()).save(path, **options)
    return path.read_bytes()


def refusal(path: Path, *, allow_opaque: bool = False) -> DataError:
    """Return the one refusal that reading the facts and reading the pixels agree on."""
    with pytest.raises(DataError) as early:
        read_facts(path, allow_opaque=allow_opaque)
    with pytest.raises(DataError) as late:
        read_rgba(path, allow_opaque=allow_opaque)
    assert early.value.message == late.value.message
    assert str(path) in late.value.message
    assert late.value.remedy
    return late.value


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "a.png").touch()
    assert "0 bytes" in refusal(tmp_path / "a.png").message


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_a_file_cut_off_anywhere_is_refused(tmp_path, name):
    options = {"lossless": True} if name.endswith("webp") else {}
    content = written(tmp_path / name, **options)
    for share in np.linspace(0.02, 0.98, 12):
        (tmp_path / name).write_bytes(content[: int(len(content) * share)])
        assert "cut off" in refusal(tmp_path / name).message
    (tmp_path / name).write_bytes(content[:-1])
    assert "cut off" in refusal(tmp_path / name).message


def test_a_jpeg_cut_off_is_refused(tmp_path):
    Image.fromarray(picture(3)).save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    for end in (10, 200, 650, len(content) // 2, len(content) - 1):
        (tmp_path / "a.jpg").write_bytes(content[:end])
        assert "cut off" in refusal(tmp_path / "a.jpg", allow_opaque=True).message


def test_a_png_with_a_flipped_bit_is_refused(tmp_path):
    content = bytearray(written(tmp_path / "a.png"))
    content[len(content) // 2] ^= 4
    (tmp_path / "a.png").write_bytes(content)
    assert "checksum of its IDAT chunk" in refusal(tmp_path / "a.png").message


def test_a_png_whose_pixels_end_early_is_refused_when_decoded(tmp_path):
    content = zlib.compress(b"\0" * 100)
    (tmp_path / "a.png").write_bytes(header(40, 30) + chunk(b"IDAT", content) + chunk(b"IEND", b""))
    assert read_facts(tmp_path / "a.png").width == 40
    with pytest.raises(DataError, match=r"a\.png is damaged: it cannot be decoded"):
        read_rgba(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("content", "truth"),
    [
        (b"hello, I am a note\n", "text"),
        ("Ein Bücherregal".encode(), "text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "a Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG or XML"),
        (b"GIF89a" + bytes(20), "GIF"),
        (b"BM" + bytes(20), "BMP"),
        (bytes(4) + b"ftypavif" + bytes(8), "AVIF"),
        (b"\0\0\0\x1cftypheic" + bytes(8), "HEIC"),
        (b"PK\x03\x04" + bytes(20), "ZIP"),
        (b"8BPS" + bytes(20), "Photoshop"),
        (bytes(range(128, 160)), "no image format known here"),
    ],
)
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_content_that_is_not_what_the_name_says_is_refused_by_its_true_format(tmp_path, name, content, truth):
    (tmp_path / name).write_bytes(content)
    message = refusal(tmp_path / name).message
    assert message.endswith(f"it holds {truth}")


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tiff", "a.jpg"])
@pytest.mark.parametrize("truth", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_a_wrong_ending_is_refused_even_between_formats_that_are_read(tmp_path, name, truth):
    Image.fromarray(picture(3)).save(tmp_path / name, format=truth)
    promised = {"a.png": "PNG", "a.webp": "WEBP", "a.tiff": "TIFF", "a.jpg": "JPEG"}[name]
    if promised == truth:
        assert read_facts(tmp_path / name, allow_opaque=True).format == truth
    else:
        message = refusal(tmp_path / name, allow_opaque=True).message
        assert f"is not a {promised} file: it holds {truth}" in message


def test_a_name_that_promises_no_image_is_refused(tmp_path):
    written(tmp_path / "a.dat", format="PNG")
    assert ".png" in refusal(tmp_path / "a.dat").remedy


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_16_bit_pngs_are_refused_by_their_header(tmp_path, colour):
    extra = {0: chunk(b"tRNS", bytes(2)), 2: chunk(b"tRNS", bytes(6))}.get(colour, b"")
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    content = zlib.compress((b"\0" + bytes(2 * channels * 4)) * 3)
    data = header(4, 3, 16, colour) + extra + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    (tmp_path / "deep.png").write_bytes(data)
    error = refusal(tmp_path / "deep.png")
    assert "16 bits per sample" in error.message
    assert "8 bits" in error.remedy


@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
def test_tiffs_of_more_than_8_bits_are_refused_by_their_header(tmp_path, kind):
    tifffile.imwrite(tmp_path / "deep.tif", picture().astype(kind), photometric="rgb", extrasamples=["unassalpha"])
    assert f"{np.dtype(kind).itemsize * 8} bits per sample" in refusal(tmp_path / "deep.tif").message


def test_float_tiffs_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", picture().astype(np.float32), photometric="rgb", extrasamples=["unassalpha"])
    assert "sample format 3" in refusal(tmp_path / "a.tif").message


@pytest.mark.parametrize(("width", "height"), [(MAX_PIXELS + 1, 1), (100_000, 100_000), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, width, height):
    content = chunk(b"IDAT", zlib.compress(bytes(1000)))
    (tmp_path / "bomb.png").write_bytes(header(width, height) + content + chunk(b"IEND", b""))
    assert "decompression bomb" in refusal(tmp_path / "bomb.png").message


def test_a_bomb_of_tiff_is_refused(tmp_path):
    data = bytearray(written(tmp_path / "bomb.tif"))
    directory = int.from_bytes(data[4:8], "little")
    for position in range(directory + 2, directory + 2 + 12 * data[directory], 12):
        if int.from_bytes(data[position : position + 2], "little") in {256, 257}:
            data[position + 2 : position + 12] = struct.pack("<HII", 4, 1, 500_000)
    (tmp_path / "bomb.tif").write_bytes(data)
    assert "500000x500000" in refusal(tmp_path / "bomb.tif").message


def test_a_file_of_too_many_bytes_is_not_even_opened(tmp_path, monkeypatch):
    written(tmp_path / "a.png")
    monkeypatch.setattr(codec, "MAX_BYTES", 100)
    assert "bytes, more than any image" in refusal(tmp_path / "a.png").message


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_files_of_several_frames_or_pages_are_refused(tmp_path, name):
    frames = [Image.fromarray(picture()), Image.fromarray(255 - picture())]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    error = refusal(tmp_path / name)
    assert any(word in error.message for word in ("animated PNG of 2 frames", "animated WebP", "two or more pages"))
    assert "each frame or page" in error.remedy


def test_a_png_with_animation_data_for_one_frame_is_an_image(tmp_path):
    data = written(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"acTL", struct.pack(">II", 1, 0)) + data[33:])
    assert torch.equal(read_rgba(tmp_path / "a.png").permute(1, 2, 0), torch.from_numpy(picture()))


@pytest.mark.parametrize("name", ["a.tif", "a.jpg"])
def test_cmyk_is_refused(tmp_path, name):
    Image.fromarray(picture(), "CMYK").save(tmp_path / name)
    message = refusal(tmp_path / name, allow_opaque=True).message
    assert "CMYK" in message or "photometric interpretation 5" in message


def test_premultiplied_tiffs_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", picture(), photometric="rgb", extrasamples=["assocalpha"])
    error = refusal(tmp_path / "a.tif")
    assert "premultiplied" in error.message
    assert "straight" in error.remedy


@pytest.mark.parametrize("extra", [["unspecified"], ["unassalpha", "unspecified"]])
def test_tiffs_whose_extra_samples_are_not_one_straight_alpha_are_refused(tmp_path, extra):
    tifffile.imwrite(tmp_path / "a.tif", picture(3 + len(extra)), photometric="rgb", extrasamples=extra)
    assert f"{len(extra)} samples beside its colour" in refusal(tmp_path / "a.tif").message


def test_a_variant_that_the_decoder_does_not_know_is_refused_as_such(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        picture(),
        photometric="rgb",
        extrasamples=["unassalpha"],
        bigtiff=True,
        byteorder=">",
    )
    with pytest.raises(DataError, match=r"a\.tif is a TIFF file of a variant that cannot be read here"):
        read_rgba(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "content",
    [
        SIGNATURE + chunk(b"IEND", b""),
        SIGNATURE + chunk(b"IHDR", b"short") + chunk(b"IEND", b""),
        header(4, 4, 8, 5) + chunk(b"IEND", b""),
        header(0, 4) + chunk(b"IEND", b""),
        header(4, 4) + chunk(b"12!4", b"") + chunk(b"IEND", b""),
        header(4, 4) + chunk(b"IEND", b""),
        header(4, 4, 8, 2) + chunk(b"tRNS", b"x") + chunk(b"IDAT", zlib.compress(bytes(52))) + chunk(b"IEND", b""),
        header(4, 4, 3) + chunk(b"IDAT", zlib.compress(bytes(68))) + chunk(b"IEND", b""),
        header(1, 1, 8, 3)
        + chunk(b"PLTE", bytes(3))
        + chunk(b"tRNS", b"\0")
        + chunk(b"IDAT", zlib.compress(b"\0\5"))
        + chunk(b"IEND", b""),
        b"RIFF\x04\0\0\0WEBP",
        b"RIFF\x0c\0\0\0WEBPVP8L\0\0\0\0",
        b"RIFF\x0c\0\0\0WEBPVP8 \0\0\0\0",
        b"RIFF\x0c\0\0\0WEBPVP8L\xff\xff\0\0",
        b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(10),
        b"II*\0\xff\xff\0\0",
        b"II*\0\x08\0\0\0\0\0\0\0\0\0",
        b"\xff\xd8\xff\xe0\0\x04\0\0no marker here",
    ],
)
def test_broken_structures_are_refused_and_never_a_traceback(content):
    with pytest.raises(DataError, match="bad") as error:
        decode_rgba(content, name="bad")
    assert error.value.remedy


@pytest.mark.parametrize("name", ["a.png", "a.webp", "b.webp", "a.tif", "b.tif", "a.jpg"])
def test_random_damage_gives_an_image_or_a_refusal_and_nothing_else(tmp_path, name):
    options = {"b.webp": {"quality": 40}, "a.webp": {"lossless": True}, "b.tif": {"compression": "tiff_lzw"}}
    channels = 3 if name.endswith("jpg") else 4
    Image.fromarray(picture(channels)).save(tmp_path / name, **options.get(name, {}))
    content = (tmp_path / name).read_bytes()
    random = np.random.default_rng(5)
    for _ in range(60):
        damaged = bytearray(content)
        for place in random.integers(0, min(len(content), random.choice([64, 400, 10**9])), 3):
            damaged[place] = random.integers(0, 256)
        try:
            codes = decode_rgba(bytes(damaged), name=name, allow_opaque=True)
        except DataError as error:
            assert error.remedy  # noqa: PT017
        else:
            assert codes.shape[0] == 4


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "No such file" in refusal(tmp_path / "none.png").message
    (tmp_path / "folder.png").mkdir()
    assert "cannot be read" in refusal(tmp_path / "folder.png").message


def test_a_broken_webp_string_is_named_so():
    with pytest.raises(DataError, match="cut off"):
        decode_webp(b"RIFF\xff\0\0\0WEBP")


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.ENOSPC, DiskFullError), (errno.EDQUOT, DiskFullError), (errno.EROFS, DataError)]
)
def test_a_disk_that_takes_nothing_more_leaves_the_old_file_as_it_was(tmp_path, monkeypatch, code, kind):
    path = tmp_path / "a.png"
    write_png(path, torch.zeros(4, 3, 3, dtype=torch.uint8))
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(kind, match=r"a\.png cannot be written") as error:
        write_png(path, torch.ones(4, 3, 3, dtype=torch.uint8))
    assert error.value.remedy
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_a_folder_that_is_a_file_cannot_be_written_to(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(DataError, match="cannot be written"):
        write_png(tmp_path / "taken" / "a.png", torch.zeros(4, 3, 3, dtype=torch.uint8))
