"""Data sets: pictures on disk become clean scenes, the weather comes in later."""

from deweather.data.scenes import SceneBatches, SceneLibrary

__all__ = ["SceneBatches", "SceneLibrary"]
