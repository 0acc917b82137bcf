"""Textures of known mean, spread and correlation length, as functions of RAS: the same on every grid.

A texture is a sum of cosine waves with random directions and offsets, a random Fourier representation of a Gaussian
field: with wave vectors drawn from a normal distribution of standard deviation 1 / L per axis the covariance of two
points r apart is sd^2 exp(-r^2 / (2 L^2)). Coarse and fine waves are two such fields that share the variance.

Source: the spectral method is Bochner's theorem, the exponent of the covariance and that of the spectrum being Fourier
pairs (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 4.2.1).
"""

from dataclasses import dataclass, replace

import numpy as np

from .recurrence_anatomy import STEP_MM, Disease

N_WAVES = 96  # of each of the two widths: enough for nearly normal values
POINTS_AT_ONCE = 20_000
LOWEST_SIGNAL = 1.0  # no tissue is darker than this


@dataclass(frozen=True)
class SubregionTexture:
    """How a sub-region looks.

    Attributes:
        mean, sd: of the signal without noise, in image units.
        correlation_length_mm: L of the coarse waves, where their covariance is down to exp(-1/2).
        fine_length_mm, fine_share: L of the fine waves and their share of the variance.
    """

    mean: float
    sd: float
    correlation_length_mm: float
    fine_length_mm: float
    fine_share: float

    def covariance(self, distance_mm: np.ndarray) -> np.ndarray:
        """Covariance of two points at a distance, in squared image units."""
        coarse, fine = (
            np.exp(-np.square(distance_mm) / (2 * length**2))
            for length in (self.correlation_length_mm, self.fine_length_mm)
        )
        return self.sd**2 * ((1 - self.fine_share) * coarse + self.fine_share * fine)

    def towards(self, other: "SubregionTexture", share: float) -> "SubregionTexture":
        """In between: this one for a share of 0, the other for 1."""
        names = ("mean", "sd", "correlation_length_mm", "fine_length_mm", "fine_share")
        values = {name: (1 - share) * getattr(self, name) + share * getattr(other, name) for name in names}
        return replace(self, **values)


@dataclass(frozen=True)
class TextureTruth:
    """What is true of the texture of one sub-region of one patient.

    Attributes:
        drawn_from: the distribution.
        mean, sd: of this patient's texture over the sub-region, without noise and partial volume, from points
            ``step_mm`` apart. They differ from those of ``drawn_from`` as a small sample does.
        volume_cm3: of the sub-region.
    """

    drawn_from: SubregionTexture
    mean: float
    sd: float
    volume_cm3: float
    step_mm: float

    @property
    def correlation_length_mm(self) -> float:
        return self.drawn_from.correlation_length_mm


@dataclass(frozen=True, eq=False)
class TextureField:
    """One draw of the waves. Two textures of one field with the same parameters are the same.

    Attributes:
        center_ras: about which a longer correlation length stretches the waves.
        unit_waves: (2, N_WAVES, 3) wave vectors for L = 1 mm, coarse and fine.
        offsets: (2, N_WAVES), radians.
    """

    center_ras: np.ndarray
    unit_waves: np.ndarray
    offsets: np.ndarray

    @classmethod
    def drawn(cls, center_ras, rng: np.random.Generator) -> "TextureField":
        return cls(
            np.asarray(center_ras, dtype=np.float64),
            rng.standard_normal((2, N_WAVES, 3)),
            rng.uniform(0, 2 * np.pi, (2, N_WAVES)),
        )

    def at(self, points_ras: np.ndarray, texture: SubregionTexture) -> np.ndarray:
        """Signal at points (n, 3); float64 (n,), at least LOWEST_SIGNAL."""
        lengths = (texture.correlation_length_mm, texture.fine_length_mm)
        sds = texture.sd * np.sqrt([1 - texture.fine_share, texture.fine_share])
        values = np.full(len(points_ras), float(texture.mean))
        for start in range(0, len(points_ras), POINTS_AT_ONCE):
            part = slice(start, start + POINTS_AT_ONCE)
            offset = (points_ras[part] - self.center_ras).astype(np.float32)
            for waves, phases, length, sd in zip(self.unit_waves, self.offsets, lengths, sds, strict=True):
                if sd:
                    angles = offset @ (waves.T / length).astype(np.float32) + phases.astype(np.float32)
                    values[part] += sd * np.sqrt(2 / N_WAVES) * np.cos(angles).sum(axis=1, dtype=np.float64)
        return np.maximum(values, LOWEST_SIGNAL)


class TumorTexture:
    """The two sub-regions of a tumor, each with its texture, both from one field of waves."""

    def __init__(
        self, disease: Disease, nonrecurrent: SubregionTexture, recurrent: SubregionTexture, rng: np.random.Generator
    ):
        self.disease = disease
        self.drawn_from = {"GTVr": recurrent, "GTVnr": nonrecurrent}
        self._field = TextureField.drawn(disease.points_ras[disease.in_gtv].mean(axis=0), rng)

    def at(self, points_ras: np.ndarray) -> np.ndarray:
        """Signal at points (n, 3)."""
        recurrent = self.disease.recurrence.contains(points_ras)
        values = np.empty(len(points_ras))
        for name, inside in (("GTVr", recurrent), ("GTVnr", ~recurrent)):
            values[inside] = self._field.at(points_ras[inside], self.drawn_from[name])
        return values

    def truth(self) -> dict[str, TextureTruth]:
        """Of each sub-region that has points: "GTVr" (its part inside GTV) and "GTVnr"."""
        truths = {}
        for name, inside in (("GTVr", self.disease.in_gtvr), ("GTVnr", ~self.disease.in_gtvr)):
            values = self.at(self.disease.points_ras[inside & self.disease.in_gtv])
            if values.size:
                volume_cm3 = values.size * STEP_MM**3 / 1000
                mean, sd = float(values.mean()), float(values.std())
                truths[name] = TextureTruth(self.drawn_from[name], mean, sd, volume_cm3, STEP_MM)
        return truths
