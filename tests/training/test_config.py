"""Settings: what overrides what, and what a typo is told."""

from __future__ import annotations

import json
import math
import re
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from handsss.data.augment import Augmentation
from handsss.errors import InputError, UserError
from handsss.network.s2hand import NetworkSettings
from handsss.network.setting_kinds import mistake
from handsss.network.setting_names import KEYS, SECTIONS
from handsss.network.weights import OPEN
from handsss.training.config import PRESETS, LoggingSettings, from_toml, resolve, to_toml
from handsss.training.setting_checks import bounds_of, out_of_bounds
from handsss.training.trained_network import load_trained_network


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
    assert (w.w_ori, w.w_ssim, w.w_C, w.w_s, w.w_J, w.w_3dj) == (100, 0.2, 0.5, 10000, 10, 100)


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
        ("losses.w_con=much", r"^losses.w_con=much: expected a number. Now it is 0.0002"),
        ("losses.squared_scale=3", "^losses.squared_scale=3: expected true or false"),
        ("schedule.batch=2.5", "^schedule.batch=2.5: expected a whole number"),
        ("data.augment_on=Left", "data.augment_on=Left: expected one of auto, workers, device. Now it is 'auto'"),
        ("schedule.stages=3", "^schedule.stages=3: expected a list, of which each is text"),
        ("logging.validate_rows=-3", "^logging.validate_rows=-3: expected 0 or more. Now it is 200"),
        ("watch.validate_rows=-3", "logging.validate_rows = -3: expected 0 or more"),
        ("shape.lr=-1e-3", r"^shape.lr=-1e-3: expected 0 to 10"),
        ("augmentation.occlusion=1.5", "expected 0 to 1"),
        ("losses.w_lifted=-1", "expected 0 or more"),
        ("schedule.seed=-1", "expected 0 to"),
        ("logging.picture_rows=0", "expected 1 to 64"),
    ],
)
def test_typos(setting: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve("full", None, (setting,))


def test_every_number_has_bounds_that_its_presets_keep() -> None:
    for name, preset in PRESETS.items():
        for section in fields(preset):
            for setting in fields(getattr(preset, section.name)):
                value = getattr(getattr(preset, section.name), setting.name)
                if isinstance(value, int | float) and not isinstance(value, bool):
                    where = f"{name}: {section.name}.{setting.name}"
                    assert bounds_of(section.name, setting.name)[0] > -math.inf, where
                    assert out_of_bounds(section.name, setting.name, value) == "", where
                    assert out_of_bounds(section.name, setting.name, -1) != "", where


def test_checkpoints_are_read_with_numbers_of_any_size() -> None:
    assert from_toml("[logging]\nvalidate_rows = -3\n", "latest.pt").logging.validate_rows == -3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stacks": "two"}, ("stacks", "expected a whole number, got 'two'")),
        ({"drop_connect": []}, ("drop_connect", "expected a number, got []")),
        ({"appearance": "maybe"}, ("appearance", "expected true or false, got 'maybe'")),
        ({"stacks": -1}, ("", "stacks -1: expected 0 to 16")),
        (3, ("", "expected a section of settings, got int")),
    ],
)
def test_settings_of_files_are_told_in_our_words(values: Any, words: tuple[str, str]) -> None:
    with pytest.raises(ValidationError) as error:
        TypeAdapter(NetworkSettings).validate_python(values)
    assert mistake(error.value, NetworkSettings) == words


OLD = """
[network]
reduction = 2
guided = true
[losses]
w_texture = 0.25
w_scale = 1.0
w_pose = 2.0
w_joints = 3.0
w_places = 4.0
[data]
pictures = "workers"
[schedule]
clip = 1.0
averaging = 0.5
[warm_up]
rate = 1e-4
halvings = 1
[keypoints]
rate = 2e-4
halvings = 2
[shape]
rate = 3e-4
halvings = 3
[finetune]
rate = 4e-4
halvings = 4
[end_to_end]
rate = 5e-4
halvings = 5
[augmentation]
lost = 0.1
close = 0.7
[watch]
log_every = 7
collapse = false
"""


def new_names(text: str) -> str:
    """The same settings with the names of today."""
    for section, new in SECTIONS.items():
        text = text.replace(f"[{section}]", f"[{new}]")
    for (_, old), new in KEYS.items():
        text = re.sub(rf"^{old} =", f"{new} =", text, flags=re.MULTILINE)
    return text


def test_old_names_are_read_and_noted(tmp_path: Path) -> None:
    file, notes = tmp_path / "old.toml", list[str]()
    file.write_text(OLD)
    config = resolve("full", file, note=notes.append)
    assert f"{file}: shape.rate is now called shape.lr" in notes
    assert f"{file}: watch.log_every is now called logging.log_every" in notes
    assert len(notes) == len(KEYS) + 2
    assert config == from_toml(new_names(OLD), "new") == from_toml(OLD, "a checkpoint")
    assert config.logging == LoggingSettings(log_every=7, collapse=False)
    assert (config.losses.w_C, config.losses.w_3dj, config.finetune.lr) == (0.25, 3, 4e-4)
    settings = [
        f"{section}.{key}={json.dumps(value)}"
        for section, values in tomllib.loads(OLD).items()
        for key, value in values.items()
    ]
    notes.clear()
    assert resolve("full", None, tuple(settings), note=notes.append) == config
    assert notes[0] == "network.reduction is now called network.input_downsample"
    with pytest.warns(FutureWarning, match=r"losses.w_pose is now called losses.w_J"):
        assert resolve("full", None, ("losses.w_pose=3",)).losses.w_J == 3


def test_a_setting_by_two_names(tmp_path: Path) -> None:
    file = tmp_path / "both.toml"
    file.write_text("[watch]\nlog_every = 7\n[logging]\nlog_every = 8\n")
    with pytest.raises(InputError, match=r"both.toml: watch.log_every and logging.log_every are the same setting"):
        resolve("full", file)
    with pytest.raises(InputError, match=r"shape.lr and shape.rate are the same setting, and both are given"):
        resolve("full", None, ("shape.lr=1", "shape.rate=1"))
    # A single setting overrides a file, whichever names they use.
    file.write_text("[shape]\nrate = 7\n")
    assert resolve("full", file, ("shape.lr=2",), note=len).shape.lr == 2  # type: ignore[arg-type]


def test_the_bundled_network_has_settings_of_today() -> None:
    config = load_trained_network(Path(OPEN)).config
    assert config.augmentation == Augmentation(
        upright=True, crop_fill=0.8, rotation_deg=20.0, zoom=0.1, detection_dropout=0.05, colour=0.3
    )
    assert config.network == replace(PRESETS["open"].network, auxiliary=False)
    assert config.losses == PRESETS["open"].losses


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


@pytest.mark.parametrize("value", ["[" * 5000, "{a=" * 3000, "9" * 5000])
def test_values_that_no_reader_of_toml_takes(tmp_path: Path, value: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f"[schedule]\nsteps = {value}\n")
    with pytest.raises(InputError, match="not TOML"):
        resolve("small", path)
    with pytest.raises(UserError, match=r"schedule\.steps"):
        resolve("small", settings=(f"schedule.steps={value}",))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400"])
def test_numbers_that_are_not_finite_are_refused(value: str) -> None:
    with pytest.raises(UserError, match=r"network\.drop_connect=.*: expected a finite number"):
        resolve("small", settings=(f"network.drop_connect={value}",))
