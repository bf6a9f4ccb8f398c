"""Canonical JSON and its hash: one spelling of a document, the same on every machine."""

import hashlib
from typing import Any

import rfc8785

from alphabench.errors import DataError


def canonical_json(document: Any) -> bytes:
    """Return `document` as canonical JSON in UTF-8.

    Keys are sorted by UTF-16 code units, numbers take the ECMAScript form (`1.0` becomes `1`) and there is
    no white space. Source: RFC 8785.

    Raises:
        DataError: NaN, an infinity, an integer beyond 2^53 - 1, or a type that JSON does not have.
    """
    try:
        return rfc8785.dumps(document)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise DataError(
            f"a document has no canonical JSON: {error}",
            remedy="Use finite numbers, integers up to 2^53 - 1, text, lists and tables with text keys.",
        ) from error


def sha256_json(document: Any) -> str:
    """Return the SHA-256 of `document`'s canonical JSON: 64 lower-case hexadecimal digits."""
    return hashlib.sha256(canonical_json(document)).hexdigest()
