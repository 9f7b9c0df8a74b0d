"""What evaluation reports: PSNR and SSIM under a protocol, which goes with every score."""

from typing import TYPE_CHECKING

from deweather.errors import names_of_earlier_versions
from deweather.metrics.protocols import PROTOCOLS, REPORT, Protocol, find_protocol
from deweather.metrics.psnr import psnr
from deweather.metrics.ssim import ssim, structural_similarity
from deweather.metrics.summary import Summary, summarise

__all__ = [
    "PROTOCOLS",
    "REPORT",
    "Protocol",
    "Summary",
    "find_protocol",
    "psnr",
    "ssim",
    "structural_similarity",
    "summarise",
]

if not TYPE_CHECKING:  # a type checker would take any name for known
    __getattr__ = names_of_earlier_versions(
        __name__,
        {
            "PSNR_PROTOCOL": "REPORT.of('psnr')",
        },
    )
