"""Haze, fog, smog and dust: Koschmieder's law in linear light, through air that both cameras share.

I = J·t + A·(1 - t), t = exp(-∫ β ds) along the ray from the camera to the scene point
(Koschmieder 1924; McCartney, "Optics of the Atmosphere", 1976). Meteorological optical range V is
the distance at which t = 0.05, so β = -ln 0.05 / V (WMO-No. 8); Koschmieder's visual range takes
0.02. Wavelength follows Ångström's exponent, the density of the air is that of `air`, and what
`scattering` says is scattered forward arrives as glow and blur.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from deweather.errors import ConfigError, UnknownNameError
from deweather.image.transfer import linear_to_srgb, srgb_to_linear
from deweather.weather.air import draw_air, optical_path
from deweather.weather.airlight import airlight_colour
from deweather.weather.operator import Degraded, Parameter, generators, per_picture, require
from deweather.weather.scattering import brightened, forward_scattered
from deweather.weather.scene import Scene
from deweather.weather.streams import DrawStream

CONTRASTS = {"wmo": 0.05, "koschmieder": 0.02}
"""Transmission at the visibility, by convention."""

_WAVELENGTHS = (0.610, 0.550, 0.465)  # micrometres, centres of the sRGB primaries


def extinction_of(visibility: Tensor, convention: str = "wmo") -> Tensor:
    """Extinction coefficient β in 1/m for a visibility in metres: t = 5 % (WMO) or 2 % there."""
    return _thickness_at_visibility(convention) / visibility


def _thickness_at_visibility(convention: str) -> float:
    if convention not in CONTRASTS:
        raise UnknownNameError("convention", convention, CONTRASTS)
    return -math.log(CONTRASTS[convention])


def koschmieder(radiance: Tensor, transmission: Tensor, airlight: Tensor) -> Tensor:
    """I = J·t + A·(1 - t): (B, V, 3, H, W), t broadcastable to it, A (B, 3) or a map like it."""
    a = airlight if airlight.ndim == 5 else airlight[:, None, :, None, None]
    return a + (radiance - a) * transmission


class Haze:
    """Haze of a given visibility or extinction coefficient; give one of the two.

    Args:
        visibility: metres, at the height of the cameras and by `convention`; inf is clear air.
        airlight: sRGB colour of the air at infinity, in [0, 1]: a grey, three channels, (B, 3), a
            map (B, V, 3, H, W) of uneven light, or a name of `AIRLIGHTS`.
        inhomogeneity: how far the density strays from its mean, in [0, 1]. With octaves 1 is banks
            of fog with clear air between them; without, six waves that a long way levels out.
        angstrom: Ångström exponent; 0 for fog, about 1.3 for dry haze (bluer where it is thin).
        linear: False composites sRGB values as they are, like the synthetic sets of the field do.
        extinction: coefficient β in 1/m instead of the visibility; 0 is clear air.
        convention: "wmo", 5 % of the light is left at the visibility, or "koschmieder", 2 %.
        scale_height: metres over which the density falls to 1/e with height (ground fog); inf for
            the same at all heights. The rows of the pictures are taken as level.
        drift: motion of the air in m/s: right, down, ahead; three numbers or (B, 3).
        time: seconds since the seed's air was at its place; frames of a video share the seed.
        octaves: of fractal patches. 0 draws six waves between a twentieth and a half of the
            visibility instead, smoother than air mostly is.
        patch: metres, the largest of the fractal patches; None is the visibility.
        scattering: share of the scattered light that goes on nearly forward, in [0, 1): glow and
            blur by `scattering`. 0 leaves them out; half is what diffraction by drops gives.
        lamps: radiance of pixels that are white in the picture, relative to white, for the glow.
    """

    def __init__(
        self,
        visibility: Parameter | None = None,
        airlight: float | str | Sequence[float] | Tensor = 0.85,
        inhomogeneity: Parameter = 0.0,
        angstrom: Parameter = 0.0,
        linear: bool | Tensor = True,
        *,
        extinction: Parameter | None = None,
        convention: str = "wmo",
        scale_height: Parameter = math.inf,
        drift: Sequence[float] | Tensor = (0.0, 0.0, 0.0),
        time: Parameter = 0.0,
        octaves: int = 0,
        patch: Parameter | None = None,
        scattering: Parameter = 0.0,
        lamps: Parameter = 1.0,
    ) -> None:
        """Check the parameters that are plain numbers."""
        if (visibility is None) == (extinction is None):
            raise ConfigError(
                f"visibility = {visibility!r} and extinction = {extinction!r}; give one of them."
            )
        self._thickness = _thickness_at_visibility(convention)
        _check("visibility", visibility, 0, "metres > 0 (inf for clear air)", inclusive=False)
        _check("extinction", extinction, 0, "1/m, 0 (clear air) or more")
        _check("scale_height", scale_height, 0, "metres > 0 (inf for none)", inclusive=False)
        _check("patch", patch, 0, "metres > 0, or None", inclusive=False)
        _check("lamps", lamps, 1, "1 or more")
        if not isinstance(inhomogeneity, Tensor):
            require(0 <= inhomogeneity <= 1, "inhomogeneity", inhomogeneity, "a value in [0, 1]")
        if not isinstance(scattering, Tensor):
            require(0 <= scattering < 1, "scattering", scattering, "a value in [0, 1)")
        require(0 <= octaves <= 12, "octaves", octaves, "0 to 12")
        self.visibility, self.extinction = visibility, extinction
        self.airlight = airlight_colour(airlight) if isinstance(airlight, str) else airlight
        self.inhomogeneity, self.angstrom, self.linear = inhomogeneity, angstrom, linear
        self.convention, self.scale_height = convention, scale_height
        self.drift, self.time = drift, time
        self.octaves, self.patch = octaves, patch
        self.scattering, self.lamps = scattering, lamps

    def __call__(self, scene: Scene, seed: int | Sequence[int] = 0) -> Degraded:
        """Put haze into the scene.

        Records the parameters, (B,) each, airlight (B, 3) or (B, V, 3, H, W) sRGB, drift (B, 3), and
        transmission (B, V, 3, H, W): the share of the light that arrives straight.
        """
        b = scene.frames.shape[0]
        values = self._values(scene)
        airlight = self._airlight(scene)
        linear = torch.as_tensor(self.linear, device=scene.frames.device).expand(b)
        path = self._path(scene, values, generators(seed, b, DrawStream.AIR))
        ratio = torch.tensor(_WAVELENGTHS).to(scene.frames) / 0.55
        channel = ratio[None, :] ** -values["angstrom"][:, None]
        beta = (self._thickness / values["visibility"])[:, None] * channel
        thickness = path * beta[:, None, :, None, None]
        transmission = torch.exp(-thickness)

        def seen(radiance: Tensor, air: Tensor) -> Tensor:
            share = values["scattering"]
            if not bool((share > 0).any()):
                return koschmieder(radiance, transmission, air)
            a = air if air.ndim == 5 else air[:, None, :, None, None]
            lit = brightened(radiance, values["lamps"])
            glow = forward_scattered(lit, thickness, share, scene.focal_length)
            passed = torch.exp(-(1 - share.view(b, 1, 1, 1, 1)) * thickness)
            return radiance * transmission + glow + a * (1 - passed)

        frames = seen(scene.frames, airlight)
        if bool(linear.any()):
            light = seen(srgb_to_linear(scene.frames), srgb_to_linear(airlight))
            frames = torch.where(linear.view(b, 1, 1, 1, 1), linear_to_srgb(light), frames)
        record = {f"haze.{name}": value for name, value in values.items()}
        record |= {
            "haze.airlight": airlight,
            "haze.linear": linear,
            "haze.transmission": transmission,
        }
        return Degraded(frames.clamp(0, 1), record)

    def _values(self, scene: Scene) -> dict[str, Tensor]:
        """The parameters as (B,) tensors (drift (B, 3)), by name."""
        names = (
            "inhomogeneity", "angstrom", "scale_height", "time", "scattering", "lamps"
        )  # fmt: skip
        values = {name: per_picture(getattr(self, name), scene, name) for name in names}
        if self.visibility is not None:
            values["visibility"] = per_picture(self.visibility, scene, "visibility")
        elif self.extinction is not None:
            values["visibility"] = self._thickness / per_picture(
                self.extinction, scene, "extinction"
            )
        values["extinction"] = self._thickness / values["visibility"]
        drift = torch.as_tensor(self.drift).to(scene.frames)
        b = scene.frames.shape[0]
        if drift.shape not in ((3,), (b, 3)):
            raise ConfigError(f"drift has shape {tuple(drift.shape)}; give 3 or ({b}, 3) m/s.")
        values["drift"] = drift.expand(b, 3)
        return values

    def _path(
        self, scene: Scene, values: dict[str, Tensor], draws: Sequence[torch.Generator]
    ) -> Tensor:
        falloff = 1 / values["scale_height"]
        if not bool(((values["inhomogeneity"] > 0) | (falloff > 0)).any()):
            return optical_path(scene)
        patch = None if self.patch is None else per_picture(self.patch, scene, "patch")
        air = draw_air(
            draws,
            visibility=values["visibility"],
            strength=values["inhomogeneity"],
            falloff=falloff,
            octaves=self.octaves,
            patch=patch,
            shift=values["drift"] * values["time"][:, None],
        )
        return optical_path(scene, air)

    def _airlight(self, scene: Scene) -> Tensor:
        b = scene.frames.shape[0]
        airlight = torch.as_tensor(self.airlight).to(scene.frames)
        whole = scene.frames.shape
        if airlight.shape not in ((), (1,), (3,), (b, 3), whole):
            raise ConfigError(
                f"airlight has shape {tuple(airlight.shape)}; give 1, 3, ({b}, 3) or {tuple(whole)}."
            )
        require(
            bool(((airlight >= 0) & (airlight <= 1)).all()), "airlight", self.airlight, "[0, 1]"
        )
        return airlight if airlight.shape == whole else airlight.expand(b, 3)


def _check(
    name: str, value: Parameter | None, least: float, expected: str, *, inclusive: bool = True
) -> None:
    """Check a plain number against its least value; tensors and None pass."""
    if value is None or isinstance(value, Tensor):
        return
    require(value >= least if inclusive else value > least, name, value, expected)
