"""Pictures of all modes to 8-bit sRGB: bit depths, colour profiles, transparency."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from handsss.errors import InputError

MATTE = (255, 255, 255)  # what shows through transparent pixels
DARK = "very dark"
_DARK = 12.0  # mean of 255 under which a picture is called dark
_HIGHLIGHTS = 99.9  # per cent: brighter pixels do not count for the range that 16 bits use


def to_rgb(picture: Image.Image, path: Path | str, notes: list[str]) -> np.ndarray:
    """[H, W, 3] uint8 sRGB.

    Args:
        picture: decoded, upright.
        path: what messages call it.
        notes: what was done is added.

    Raises:
        InputError: floating-point pixels, or integers beyond 16 bits.
    """
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        array = _from_16_bit(np.asarray(picture), path, notes)
    elif picture.mode == "F":
        raise InputError(f"{path}: the picture holds floating-point numbers. Expected 8 or 16 bits a channel.")
    else:
        array = np.asarray(_on_matte(picture, notes))
    brightness = float(array.mean())
    if brightness < _DARK:
        notes.append(f"{DARK}: mean brightness {brightness:.1f} of 255")
    return array


def _on_matte(picture: Image.Image, notes: list[str]) -> Image.Image:
    """RGB: the profile's colours first, then the background, whose white is sRGB's."""
    if picture.mode == "CMYK":
        notes.append("CMYK turned into RGB")
    profile = picture.info.get("icc_profile")
    if not picture.has_transparency_data:
        if picture.mode not in ("RGB", "CMYK", "L"):
            picture = picture.convert("RGB")
        return _to_srgb(picture, profile, notes).convert("RGB")
    layer = picture.convert("RGBA")
    colours = _to_srgb(layer.convert("RGB"), profile, notes)
    alpha = layer.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return colours.convert("RGB")  # nothing shows through
    colours.putalpha(alpha)
    notes.append("transparent parts laid on white")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (*MATTE, 255)), colours).convert("RGB")


def _from_16_bit(values: np.ndarray, path: Path | str, notes: list[str]) -> np.ndarray:
    """Grey of 16 bits; of fewer bits in 16, as depth and infrared cameras give them, those that are used."""
    high = int(values.max(initial=0))
    if high > 65535 or int(values.min(initial=0)) < 0:
        raise InputError(f"{path}: values reach {high}; expected 8 or 16 bits a channel.")
    used = int(np.percentile(values, _HIGHLIGHTS)) if values.size else 0
    bits = 16 if used >= 1 << 14 else max(used.bit_length(), 8)
    notes.append("16 bits scaled to 8" if bits == 16 else f"{bits} bits in 16 (up to {used}), scaled to 8")
    grey = np.round(np.minimum(values.astype(np.float32) / ((1 << bits) - 1), 1) * 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _to_srgb(picture: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    """Through the embedded colour profile, since skin in Display P3 or Adobe RGB looks pale if taken for sRGB."""
    if not profile:
        return picture
    try:
        from PIL import ImageCms

        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        name = ImageCms.getProfileDescription(source).strip()
        if "srgb" in name.lower():
            return picture
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImportError, OSError, ValueError, ImageCms.PyCMSError):
        return picture  # a damaged profile: the numbers are taken as they are
    if converted is None:
        return picture
    notes.append(f"colours turned into sRGB from {name}")
    return converted
