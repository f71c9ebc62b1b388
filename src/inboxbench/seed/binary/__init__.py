"""Rows as PostgreSQL's binary COPY format, made by numpy a block at a time; the array types have their names here."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Raw = npt.NDArray[np.uint64]
Octets = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
IntLike = npt.NDArray[np.integer[Any]]
AnyArray = npt.NDArray[Any]
