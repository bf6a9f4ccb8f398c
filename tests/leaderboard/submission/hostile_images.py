"""Packs whose images or record are wrong."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pack_forge import Case, chunk, edit_record, good_png, png, put, put_png, relist


def image(data: bytes) -> Callable[[Path], None]:
    return lambda pack: put_png(pack, data)


def four_gibibytes() -> bytes:
    """Return pixel data that inflate to 4 GiB of zeros: one flushed block of 16 MiB, 256 times."""
    packer = zlib.compressobj(1)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * 256 + packer.flush()


def bomb(kind: bytes, head: bytes) -> bytes:
    return png(between=chunk(kind, head + zlib.compress(bytes(1 << 20))))


def record(change: Callable[[dict[str, Any]], None], *, reseal: bool = True) -> Callable[[Path], None]:
    return lambda pack: edit_record(pack, change, reseal=reseal)


def raised_mean(document: dict[str, Any]) -> None:
    document["metrics"][0]["aggregates"][0]["value"] += 1e-6


def stated(member: str, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document[member][key] = value

    return change


def incomplete(document: dict[str, Any]) -> None:
    document["complete"] = False
    document["incomplete_reasons"] = ["the disk was full"]


def record_text(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def spoil(pack: Path) -> None:
        path = pack / "record" / "record.json"
        put(pack, "record/record.json", change(path.read_bytes()))

    return spoil


def half_a_record(pack: Path) -> None:
    (pack / "record" / "samples.parquet").unlink()
    relist(pack)


def rows(table: pa.Table) -> Callable[[Path], None]:
    def spoil(pack: Path) -> None:
        pq.write_table(table, pack / "record" / "samples.parquet", compression="zstd")
        relist(pack)

    return spoil


def many_rows(pack: Path) -> None:
    """Three million rows in a few kilobytes."""
    label = pa.DictionaryArray.from_arrays(pa.array(np.zeros(3_000_000, np.int8)), pa.array(["a"]))
    value = pa.array(np.zeros(3_000_000))
    names = ("sample", "category", "view", "metric")
    rows(pa.table({**dict.fromkeys(names, label), "value": value}))(pack)


def nested_rows(pack: Path) -> None:
    table = pq.read_table(pack / "record" / "samples.parquet")
    rows(table.set_column(4, "value", pa.array([[1.0]] * table.num_rows)))(pack)


CASES = [
    Case("60000 x 60000", "png_file.check_header", "E_PNG_SIZE", "60000x60000", image(png(size=(60000, 60000))), 19),
    Case(
        "4 GiB of pixels",
        "png_file.check_pixels",
        "E_PNG_DATA",
        "inflate to more",
        lambda pack: put_png(pack, png(pixels=four_gibibytes())),
        20,
    ),
    Case(
        "too few pixels",
        "png_file.check_pixels",
        "E_PNG_DATA",
        "inflate to other",
        image(png(pixels=zlib.compress(b"short"))),
    ),
    *(
        Case(
            f"{kind.decode()} bomb", "png_file.check_chunks", "E_PNG_CHUNK", kind.decode(), image(bomb(kind, head)), 20
        )
        for kind, head in ((b"iCCP", b"x\0\0"), (b"zTXt", b"x\0\0"), (b"iTXt", b"x\0\1\0\0\0"))
    ),
    *(
        Case(name, "png_file.check_header", "E_PNG_FORMAT", words, image(png(form=form)), 21)
        for name, words, form in (
            ("RGB", "colour type 2", (8, 2, 0, 0, 0)),
            ("palette", "colour type 3", (8, 3, 0, 0, 0)),
            ("16 bits", "16 bits", (16, 6, 0, 0, 0)),
            ("interlaced", "interlacing 1", (8, 6, 0, 0, 1)),
        )
    ),
    Case(
        "animated",
        "png_file.check_chunks",
        "E_PNG_FORMAT",
        "animated",
        image(png(between=chunk(b"acTL", struct.pack(">II", 2, 0)))),
        21,
    ),
    *(
        Case(f"{name} called png", "png_file.check_signature", "E_PNG_FORMAT", "it is no PNG file", image(data), 21)
        for name, data in (
            ("JPEG", b"\xff\xd8\xff\xe0" + bytes(60)),
            ("SVG", b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'),
            ("WebP", b"RIFF\x10\0\0\0WEBPVP8L" + bytes(40)),
        )
    ),
    Case(
        "archive behind",
        "png_file.check_end",
        "E_PNG_DATA",
        "9 bytes follow",
        image(png(behind=b"PK\x03\x04other")),
        22,
    ),
    Case(
        "bad checksum",
        "png_file.check_checksums",
        "E_PNG_DATA",
        "checksum of its chunk tEXt",
        image(png(between=chunk(b"tEXt", b"a\0b", broken=True))),
        22,
    ),
    Case(
        "pixels in two places",
        "png_file.check_order",
        "E_PNG_DATA",
        "header, pixels, end",
        image(png(between=chunk(b"IDAT", b"") + chunk(b"tEXt", b"a\0b"))),
    ),
    Case("cut off", "png_file._chunks", "E_PNG_DATA", "cut off", lambda pack: put_png(pack, good_png()[:-20])),
    Case("edited mean", "claim.read_claim", "E_RECORD", "the rows give", record(raised_mean), 30),
    Case("edited text", "claim.read_claim", "E_RECORD", "its content gives", record(raised_mean, reseal=False), 30),
    Case(
        "NaN in the record",
        "claim.read_claim",
        "E_RECORD",
        "NaN is not a number",
        record_text(lambda text: text.replace(b'"wall_s":', b'"model_s":NaN,"wall_s":', 1)),
        30,
    ),
    Case(
        "key twice in the record",
        "claim.read_claim",
        "E_RECORD",
        "stands twice",
        record_text(lambda text: text.replace(b'{"code":', b'{"complete":true,"code":', 1)),
        30,
    ),
    Case(
        "another's model",
        "claim.check_hashes",
        "E_RECORD",
        "it is of the model",
        record(stated("model", "hash", "e" * 64)),
        30,
    ),
    Case(
        "another name",
        "claim.check_names",
        "E_RECORD",
        "its name is 'better'",
        record(stated("model", "name", "better")),
    ),
    Case(
        "its own seal",
        "claim.check_untouched",
        "E_RECORD",
        "claims to be verified",
        record(stated("verification", "of", "a" * 32)),
    ),
    Case("incomplete", "claim.check_untouched", "E_RECORD", "it is incomplete: the disk was full", record(incomplete)),
    Case("half a record", "claim.check_pair", "E_RECORD", "other half is missing", half_a_record),
    Case("three million rows", "claim.check_rows", "E_RECORD", "says that it has 3000000 rows", many_rows, 31),
    Case("nested rows", "claim.check_rows", "E_RECORD", "five plain ones", nested_rows, 31),
]
