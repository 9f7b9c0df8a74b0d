"""Weather by the names that people use for it, each with its physical values and their source.

The names of fog are those of the international visibility code (light 500 to 1000 m, moderate 200 to
500 m, dense below 50 m; tabulated in Kruse et al., "Elements of Infrared Technology", 1962); the
Met Office also calls fog dense below 50 m (Fact sheet 3). Rain and drizzle follow the intensity
classes of WMO-No. 8, shower and downpour those of the Met Office for showers (moderate 2 to 10 mm/h,
heavy 10 to 50, violent above). Fog has a visibility below 1 km, mist of 1 km and more (WMO-No. 407).
What no convention fixes (colour, patchiness, wind) is a choice of this file. So is that drops, which
gather the light of the sky, are twice as bright as the mean of the scene and the sky: seen against
what is brighter, rain is hard to see at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from deweather.errors import UnknownNameError
from deweather.weather.airlight import AIRLIGHTS, airlight_colour
from deweather.weather.haze import Haze
from deweather.weather.operator import Compose, Operator
from deweather.weather.rain import Rain

Value = float | str


@dataclass(frozen=True)
class Preset:
    """Weather with a name.

    Attributes:
        summary: what it is, in words.
        source: where its class of visibility or rain rate is defined.
        haze: parameters of `Haze`; the airlight may be one of the named colours. Empty: none.
        rain: parameters of `Rain`. Empty: dry.
    """

    summary: str
    source: str
    haze: Mapping[str, Value] = field(default_factory=dict)
    rain: Mapping[str, float] = field(default_factory=dict)

    def weather(self) -> Compose:
        """The operators in the order in which the light meets them: haze, then rain."""
        operators: list[Operator] = []
        if self.haze:
            operators.append(haze_of(self.haze))
        if self.rain:
            operators.append(Rain(**self.rain))
        return Compose(operators)


def haze_of(values: Mapping[str, Any]) -> Haze:
    """`Haze` of parameters among which the airlight may be the name of a colour.

    The first word of a name will do ("smog"), and dashes stand for spaces ("blue-hour").

    Raises:
        UnknownNameError: there is no airlight of that name.
    """
    values = dict(values)
    if isinstance(airlight := values.get("airlight"), str):
        said = airlight.lower().replace("-", " ").replace("_", " ")
        names = [name for name in AIRLIGHTS if said in (name, name.split()[0])]
        values["airlight"] = airlight_colour(names[0] if names else airlight)
    return Haze(**values)


_FOG = "International visibility code"

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "light-fog": Preset(
            "light fog, visibility 750 m",
            f"{_FOG}: light fog, 500 to 1000 m.",
            {"visibility": 750.0, "inhomogeneity": 0.3, "octaves": 5},
        ),
        "moderate-fog": Preset(
            "moderate fog, visibility 300 m",
            f"{_FOG}: moderate fog, 200 to 500 m.",
            {"visibility": 300.0, "inhomogeneity": 0.3, "octaves": 5},
        ),
        "dense-fog": Preset(
            "dense fog, visibility 45 m",
            f"{_FOG} and Met Office Fact sheet 3: dense fog, below 50 m.",
            {"visibility": 45.0, "inhomogeneity": 0.3, "octaves": 5},
        ),
        "smog": Preset(
            "yellowish smog, visibility 1000 m",
            "WMO-No. 407: haze and smoke are dry particles and no fog, so 1 km is the thickest; "
            "Ångström exponent of urban aerosol, 1.2 to 2 (Dubovik et al., J. Atmos. Sci. 59, "
            "2002).",
            {
                "visibility": 1000.0,
                "airlight": "smog yellow",
                "angstrom": 1.3,
                "inhomogeneity": 0.3,
                "octaves": 5,
            },
        ),
        "dust": Preset(
            "orange dust storm, visibility 500 m",
            "WMO-No. 407: dust storm, below 1 km; Ångström exponent of desert dust, about 0 to 0.6 "
            "(Dubovik et al., J. Atmos. Sci. 59, 2002).",
            {
                "visibility": 500.0,
                "airlight": "dust orange",
                "angstrom": 0.2,
                "inhomogeneity": 0.5,
                "octaves": 5,
            },
        ),
        "drizzle": Preset(
            "drizzle of 0.4 mm/h in mist, visibility 1500 m",
            "WMO-No. 8: moderate drizzle, 0.1 to 0.5 mm/h; WMO-No. 407: mist, 1 km and more.",
            {"visibility": 1500.0},
            {"rate": 0.4, "wind": 0.5, "brightness": 2.0},
        ),
        "shower": Preset(
            "shower of 8 mm/h with wind and thin mist, visibility 4 km",
            "Met Office: moderate shower, 2 to 10 mm/h; WMO-No. 407: mist, 1 km and more.",
            {"visibility": 4000.0},
            {"rate": 8.0, "wind": 3.0, "gusts": 0.3, "brightness": 2.0},
        ),
        "downpour": Preset(
            "downpour of 60 mm/h in mist, visibility 2 km",
            "WMO-No. 8 and Met Office: violent, 50 mm/h and more; WMO-No. 407: mist, 1 km and more.",
            {"visibility": 2000.0},
            {"rate": 60.0, "wind": 2.0, "gusts": 0.3, "brightness": 2.0},
        ),
    }
)
"""All presets by name."""


def find_preset(name: str) -> Preset:
    """A preset by its name; spaces, underscores and capitals do not matter ("Dense fog").

    Raises:
        UnknownNameError: there is no such preset; the message lists those there are.
    """
    key = "-".join(name.lower().replace("_", " ").replace("-", " ").split())
    if key not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return PRESETS[key]


def preset(name: str) -> Compose:
    """The weather of a preset, ready to be called: `preset("dense fog")(scene, seed)`.

    Raises:
        UnknownNameError: there is no such preset; the message lists those there are.
    """
    return find_preset(name).weather()
