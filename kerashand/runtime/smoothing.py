"""The One-Euro filter (Casiez, Roussel and Vogel, CHI 2012) for joints in a video."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class OneEuroFilter:
    """Smooths an array over time: strongly when it rests, hardly when it moves fast.

    Args:
        min_cutoff_hz: cut-off frequency at rest; lower is smoother and slower.
        beta: how much the cut-off grows with speed (in Hz per unit a second).
        derivative_cutoff_hz: cut-off frequency of the speed itself.
    """

    def __init__(
        self, *, min_cutoff_hz: float = 1.5, beta: float = 0.05, derivative_cutoff_hz: float = 1.0
    ):
        for name, value in (
            ("min_cutoff_hz", min_cutoff_hz), ("derivative_cutoff_hz", derivative_cutoff_hz),
        ):  # fmt: skip
            if not value > 0:
                raise ValueError(f"`{name}` must be positive. Received: {name}={value}")
        self.min_cutoff_hz, self.beta = min_cutoff_hz, beta
        self.derivative_cutoff_hz = derivative_cutoff_hz
        self._value: NDArray[np.float64] | None = None
        self._speed: NDArray[np.float64] | None = None

    def __call__(self, value: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
        """The smoothed value, `seconds` (> 0) after the one before."""
        value = np.asarray(value, np.float64)
        last, speed = self._value, self._speed
        if last is None or speed is None or last.shape != value.shape or not seconds > 0:
            self._value, self._speed = value, np.zeros_like(value)
            return value
        share = _share(self.derivative_cutoff_hz, seconds)
        self._speed = speed + share * ((value - last) / seconds - speed)
        cutoff = self.min_cutoff_hz + self.beta * np.abs(self._speed)
        self._value = last + _share(cutoff, seconds) * (value - last)
        return self._value


def _share(cutoff_hz, seconds: float):
    """Weight of the new value of a first-order low pass."""
    rate = 2.0 * np.pi * cutoff_hz * seconds
    return rate / (rate + 1.0)
