"""What evaluation reports; every score names its protocol."""

from deweather.metrics.psnr import PSNR_PROTOCOL, psnr

__all__ = ["PSNR_PROTOCOL", "psnr"]
