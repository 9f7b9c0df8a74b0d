"""Downloads: kept only with the right checksum, made once."""

import hashlib

import pytest

from deweather.checksum import sha256
from deweather.errors import WeightsError
from deweather.weights import download as module
from deweather.weights.download import VGG19_URL, download, fetch_vgg19


def test_a_download_is_kept_only_with_the_right_checksum(tmp_path):
    source, target = tmp_path / "source", tmp_path / "folder" / "target"
    source.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    with pytest.raises(WeightsError, match=f"{digest}, expected 0123"):
        download(source.as_uri(), target, "0123")
    with pytest.raises(WeightsError, match="download failed"):
        download((tmp_path / "none").as_uri(), target, digest)
    assert list(target.parent.iterdir()) == []
    download(source.as_uri(), target, digest[:8])
    assert target.read_bytes() == b"weights"
    assert list(target.parent.iterdir()) == [target]


def test_vgg19_is_fetched_once(tmp_path, monkeypatch):
    asked = []

    def fetch(url, path, sha256):
        asked.append((url, sha256))
        path.write_bytes(b"weights")

    monkeypatch.setattr(module, "download", fetch)
    path = fetch_vgg19(tmp_path)
    assert path == tmp_path / VGG19_URL.rpartition("/")[2]
    assert fetch_vgg19(tmp_path) == path
    assert asked == [(VGG19_URL, "dcbb9e9d")]
    assert VGG19_URL.endswith("dcbb9e9d.pth")


def test_checksums_are_those_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()
    (tmp_path / "empty").touch()
    assert sha256(tmp_path / "empty").startswith("e3b0c44298fc1c14")
