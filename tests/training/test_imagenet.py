"""Where fetched ImageNet weights are kept."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from handsss.training import imagenet


@pytest.mark.parametrize("own", [True, False])
def test_users_without_a_home_get_a_folder_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    """Others can write to a folder with a name that they can guess: weights are not read from there."""
    folder = tmp_path / "own" if own else None
    asked: list[str] = []

    def fetch(address: str, target: str, **_: object) -> None:
        asked.append(target)
        raise OSError("no network")

    monkeypatch.setattr(imagenet, "cache_directory", lambda: None)
    monkeypatch.setattr(imagenet, "temporary_folder", lambda: folder)
    monkeypatch.setattr(imagenet.torch.hub, "download_url_to_file", fetch)
    encoder = SimpleNamespace(name="efficientnet-b0")
    words = imagenet.initialise(encoder, "download")  # type: ignore[arg-type]
    assert words.startswith("random weights: ")
    assert asked == [] if folder is None else Path(asked[0]).is_relative_to(folder)
    assert ("set HANDSSS_CACHE" in words) == (folder is None)
