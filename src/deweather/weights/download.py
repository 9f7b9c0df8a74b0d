"""Files fetched once from the network, kept only if their checksum is right."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import torch

from deweather.atomic import replacing
from deweather.errors import WeightsError

VGG19_URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
"""VGG-19 trained on ImageNet (Simonyan and Zisserman, ICLR 2015), as published for torchvision."""

VGG19_SHA256 = "dcbb9e9d"
"""How its SHA-256 begins; the publisher states no more than these eight digits, in the file's name."""


def fetch_vgg19(folder: str | Path | None = None) -> Path:
    """The file of VGG-19's published weights; it is downloaded (575 MB) if it is not there.

    Args:
        folder: where the file is kept; None takes the folder that torchvision would take.

    Raises:
        WeightsError: the download fails, or brings another file.
    """
    place = Path(torch.hub.get_dir(), "checkpoints") if folder is None else Path(folder)
    path = place / VGG19_URL.rpartition("/")[2]
    if not path.is_file():
        download(VGG19_URL, path, VGG19_SHA256)
    return path


def download(url: str, path: Path, sha256: str) -> None:
    """Download a file and keep it only if its SHA-256, in hexadecimal, begins with `sha256`.

    A stopped download leaves nothing behind.

    Raises:
        WeightsError: the download fails, or brings another file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with replacing(path) as file, urlopen(url, timeout=60) as response:
            while block := response.read(1 << 20):
                digest.update(block)
                file.write(block)
            if not digest.hexdigest().startswith(sha256):
                raise WeightsError(
                    f"{url}: has SHA-256 {digest.hexdigest()}, expected {sha256}…; try again."
                )
    except (URLError, TimeoutError, ConnectionError) as error:
        raise WeightsError(
            f"{url}: the download failed ({error}); fetch it by other means and save it as {path}."
        ) from error
