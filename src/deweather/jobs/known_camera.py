"""What was said of cameras, checked, and what has to be assumed beyond that, in plain sentences."""

from __future__ import annotations

from deweather.errors import ConfigError
from deweather.image.disparity import Quantity
from deweather.jobs.parameters import Parameters
from deweather.weather.geometry import DISTANCE, FOCAL, PartialCamera


def camera_of(given: Parameters) -> PartialCamera:
    """The camera of parameters by name, as `parse_parameters` gives them."""
    return PartialCamera(**{key: v for key, v in given.items() if isinstance(v, float)})


def camera_parameters(known: PartialCamera) -> Parameters:
    """What is known of a camera, by name: the inverse of `camera_of`."""
    return {key: value for key, value in vars(known).items() if value is not None}


def check_camera(known: PartialCamera, views: int, quantity: Quantity | None) -> None:
    """See that values are positive and do not contradict each other.

    Args:
        known: the camera.
        views: of each scene, 1 or 2.
        quantity: what the files beside the pictures hold; None where there are none.

    Raises:
        ConfigError: naming the key and what to give instead.
    """
    for key, value in camera_parameters(known).items():
        if not (isinstance(value, float) and 0 < value < float("inf")):
            raise ConfigError(f"--camera {key}={value}: give a positive number.")
    if known.baseline is not None and known.distance is not None:
        raise ConfigError("--camera: baseline and distance exclude each other.")
    if quantity == "depth" and known.distance is not None:
        raise ConfigError("--camera distance: --depth gives all distances already.")
    if quantity == "depth" and views == 2 and None in (known.focal, known.baseline):
        raise ConfigError("--depth of pairs needs --camera focal=PIXELS,baseline=METRES.")
    if quantity is None and views == 1 and known.baseline is not None:
        raise ConfigError(
            "--camera baseline: a single picture with synthetic depth has none. Give "
            "distance=METRES, the median distance of the scene, or --disparity FILE."
        )


def assumptions(known: PartialCamera, views: int, quantity: Quantity | None) -> list[str]:
    """What has to be assumed of scenes of one or two views; arguments as for `check_camera`."""
    said = []
    synthetic = quantity is None and views == 1
    if synthetic:
        said.append("The depth of the pictures is synthetic; --disparity or --depth give it.")
    if known.focal is None:
        said.append(
            f"The focal length is taken as {FOCAL:g} widths of the picture; "
            "--camera focal=PIXELS gives it."
        )
    if quantity != "depth" and known.baseline is None and known.distance is None:
        key, it = ("distance", "it") if synthetic else ("baseline", "the true one")
        said.append(
            f"The median distance is taken as {DISTANCE:.0f} m; --camera {key}=METRES gives {it}."
        )
    return said
