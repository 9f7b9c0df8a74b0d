"""What training minimises: functions of a restored and a clean picture, a mean over everything."""

from deweather.losses.pixel import charbonnier, frequency_l1

__all__ = ["charbonnier", "frequency_l1"]
