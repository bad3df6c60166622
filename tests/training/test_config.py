"""Settings: what overrides what, and what a typo is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from handsss.errors import InputError, UserError
from handsss.training.config import PRESETS, resolve, to_toml


def test_preset_file_setting(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[losses]\nw_con = 0\nw_ori = 50.0\n[network]\npooling = "average"\n')
    config = resolve(
        "small", file, ("losses.w_ori=25", "schedule.stages=[shape, finetune]", "losses.pose_prior=average")
    )
    assert config.network.encoder == "efficientnet-b0"  # the preset's
    assert config.network.pooling == "average"  # the file's
    assert config.losses.w_con == 0
    assert config.losses.w_ori == 25  # the setting's
    assert config.losses.pose_prior == "average"
    assert config.schedule.stages == ("shape", "finetune")


def test_the_full_preset_is_the_papers() -> None:
    config = PRESETS["full"]
    assert (config.network.encoder, config.network.stacks, config.network.features) == ("efficientnet-b3", 2, 256)
    w = config.losses
    assert (w.w_3d, w.w_2d, w.w_con, w.w_geo, w.w_photo, w.w_regu) == (1, 0.001, 0.0002, 0.001, 0.005, 0.01)
    assert (w.w_ori, w.w_ssim, w.w_texture, w.w_scale, w.w_pose, w.w_joints) == (100, 0.2, 0.5, 10000, 10, 100)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_written_and_read_again(preset: str, tmp_path: Path) -> None:
    config = resolve(preset, None, ("augmentation.rotation_deg=12.5", "losses.squared_scale=false"))
    (tmp_path / "c.toml").write_text(to_toml(config))
    assert resolve("full" if preset == "small" else "small", tmp_path / "c.toml") == config


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("losses.w_cons=1", r"no setting losses.w_cons. Did you mean losses.w_con\?"),
        ("loses.w_con=1", r"no section 'loses'. Did you mean losses\?"),
        ("w_con=1", "expected section.key=value"),
        ("losses.w_con", "expected section.key=value"),
        ("losses.w_con=much", r"losses.w_con = 'much': .*number.* Now it is 0.0002"),
        ("losses.squared_scale=3", "losses.squared_scale = 3: .*boolean"),
        ("schedule.batch=2.5", "schedule.batch = 2.5: .*integer"),
    ],
)
def test_typos(setting: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve("full", None, (setting,))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        resolve("full", tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("[losses\n")
    with pytest.raises(InputError, match="not TOML"):
        resolve("full", tmp_path / "bad.toml")
    (tmp_path / "flat.toml").write_text("losses = 3\n")
    with pytest.raises(UserError, match="should be a section"):
        resolve("full", tmp_path / "flat.toml")
    with pytest.raises(UserError, match="expected one of full, small"):
        resolve("medium")
