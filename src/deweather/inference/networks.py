"""What is to be taken out, and weights or networks in hand -> the network of each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from deweather.errors import ConfigError
from deweather.models import Network
from deweather.weights.cards import find_weights
from deweather.weights.files import load_weights

Weather = Literal["auto", "haze", "rain", "rain,haze"]

TASKS = ("rain", "haze")
"""In the order in which they are done: the light met the haze first and the rain last, so the rain
comes off first."""

DEFAULTS = {"rain": "stereoirr-small.rain", "haze": "stereoirr-small.haze"}
"""Bundled weights of each task."""


def tasks_of(weather: str) -> tuple[str, ...]:
    """The tasks of a choice, in the order in which they are done.

    Raises:
        ConfigError: no such choice.
    """
    named = {"rain", "haze"} if weather == "auto" else {w.strip() for w in weather.split(",")}
    if not named <= set(TASKS):
        raise ConfigError(f"weather {weather!r}; expected one of auto, haze, rain, or rain,haze.")
    return tuple(task for task in TASKS if task in named)


def choose_networks(
    weather: str,
    weights: str | Path | Sequence[str | Path] = (),
    networks: Network | Mapping[str, Network] | None = None,
) -> dict[str, Network]:
    """The network of each task of a choice, in their order.

    Args:
        weather: the choice, see `Weather`.
        weights: bundled names or files to use instead of the bundled ones of their task.
        networks: networks in hand by their task; one alone where the choice has one task.

    Raises:
        ConfigError: no such choice, two networks for one task, one for none of them, or something
            that is no network.
        UnknownNameError: no such weights.
        WeightsError: a weights file that cannot be used.
    """
    tasks = tasks_of(weather)
    chosen = _in_hand(tasks, weather, networks)
    for item in [weights] if isinstance(weights, str | Path) else weights:
        network, header = load_weights(find_weights(item))
        if header.task not in tasks:
            raise ConfigError(f"weights {str(item)!r} are for {header.task}, not for {weather}.")
        if header.task in chosen:
            raise ConfigError(f"weights {str(item)!r}: others for {header.task} were given, too.")
        chosen[header.task] = network
    return {t: chosen.get(t) or load_weights(find_weights(DEFAULTS[t]))[0] for t in tasks}


def _in_hand(
    tasks: Sequence[str], weather: str, networks: Network | Mapping[str, Network] | None
) -> dict[str, Network]:
    if networks is None:
        return {}
    if isinstance(networks, Network):
        if len(tasks) > 1:
            raise ConfigError(
                f"one network for weather {weather!r}; say what it takes out: "
                "networks={'haze': network}."
            )
        networks = {tasks[0]: networks}
    for task, network in networks.items():
        if task not in tasks:
            raise ConfigError(
                f"networks has {task!r}; for weather {weather!r} expected {', '.join(tasks)}."
            )
        if not isinstance(network, Network):
            raise ConfigError(
                f"networks[{task!r}] is a {type(network).__name__}; give a deweather.models.Network, "
                "or weights=FILE for a file."
            )
    return dict(networks)
