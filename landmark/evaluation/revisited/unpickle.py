"""Pickles from outside: lists, dicts, text and numbers come out of them; nothing else can."""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any, NoReturn

from landmark.errors import LandmarkError
from landmark.names import shown

_MEMO = {"PUT", "BINPUT", "LONG_BINPUT"}


class _PlainUnpickler(pickle.Unpickler):
    """Admits no class and no function: not even numpy's, which the published files do not need (they hold plain lists)."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, and nothing but plain lists and numbers belongs there")

    def persistent_load(self, pid: object) -> NoReturn:
        raise pickle.UnpicklingError("it asks for an object from elsewhere")


def unpickle_plain(data: bytes, where: str) -> Any:
    """Read a pickle of lists, dicts, text and numbers.

    Args:
        data: the file's bytes.
        where: named in errors.

    Raises:
        LandmarkError: it asks for any class or function (nothing of it is run), is damaged, or is no pickle.
    """
    try:
        for code, argument, _ in pickletools.genops(data):
            # The unpickler reserves room for the largest index of its memo, whatever stands there: 8 bytes could ask for 64 GB.
            if code.name in _MEMO and isinstance(argument, int) and argument > len(data):
                raise pickle.UnpicklingError(f"memo index {argument} in a file of {len(data)} bytes")
        return _PlainUnpickler(io.BytesIO(data)).load()
    except MemoryError as error:
        raise LandmarkError(f"{shown(where)}: refused, it needs more memory than there is; download it again") from error
    # Damaged pickles raise nearly any kind of error, and all of them mean the same.
    except Exception as error:
        reason = shown(" ".join(str(error).split()))[:200]
        raise LandmarkError(
            f"{shown(where)}: refused, not a pickle of plain lists and numbers ({reason}); download it again, or give JSON"
        ) from error
