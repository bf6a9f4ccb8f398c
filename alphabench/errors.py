"""The errors a user can cause, each with what is wrong and how to mend it."""

import errno
from typing import ClassVar

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""The numbers of an `OSError` that says that there is no room: full disk, full quota, largest file."""


class AlphabenchError(Exception):
    """A mistake that the user can mend.

    Args:
        message: what is wrong: what, how many, the first one, where.
        remedy: how to go on, as a sentence or a command.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message


class UsageError(AlphabenchError):
    """An unknown name, key, device or value in a request (exit code 2)."""

    code = "usage"
    exit_code = 2


class DataError(AlphabenchError):
    """Files, tensors, checkpoints or folders that are wrong (exit code 3)."""

    code = "data"
    exit_code = 3


class IncompleteError(AlphabenchError):
    """Something is missing, so that no final number can be given (exit code 4)."""

    code = "incomplete"
    exit_code = 4


class DiskFullError(IncompleteError):
    """The disk is full or a quota is reached (exit code 4)."""

    code = "disk-full"


class ValidationRefused(AlphabenchError):
    """A submission that the validator refuses (exit code 6)."""

    code = "refused"
    exit_code = 6


class Interrupted(AlphabenchError):
    """The user stopped the run; it can be resumed (exit code 130)."""

    code = "interrupted"
    exit_code = 130
