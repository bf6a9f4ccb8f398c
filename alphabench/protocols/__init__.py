"""Protocols: versioned data that says what is compared with what, and how it is averaged."""

from alphabench.protocols.loader import list_protocols, load_protocol, parse_protocol
from alphabench.protocols.model import Protocol
from alphabench.protocols.signature import format_signature, parse_signature, signature

__all__ = [
    "Protocol",
    "format_signature",
    "list_protocols",
    "load_protocol",
    "parse_protocol",
    "parse_signature",
    "signature",
]
