"""What is asked of photos, and what became of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from handsss.io.camera import CameraOptions

Status = Literal["done", "no hand", "failed", "not started"]


@dataclass(frozen=True)
class BatchOptions:
    """How photos are read and what is written."""

    camera: CameraOptions = field(default_factory=CameraOptions)
    keypoints: Path | None = None  # file or folder of OpenPose JSON; None: the built-in detector
    keypoint_set: str | None = None
    hand: Literal["auto", "left", "right"] = "auto"
    vertices: bool = False  # write vertices into the JSON
    picture: bool = True  # draw the picture to judge by


@dataclass
class Outcome:
    """What became of one photo."""

    image: str
    status: Status
    message: str = ""  # why not, or what to know
    camera: str = ""  # sentence
    camera_source: str = ""
    files: list[Path] = field(default_factory=list)  # the mesh first
    hands: list[dict[str, Any]] = field(default_factory=list)  # side, score, reprojection of the box
    seconds: float = 0.0
    trace: str = ""  # of a bug

    def to_json(self) -> dict[str, Any]:
        """The photo's entry of summary.json."""
        entry: dict[str, Any] = {"image": self.image, "status": self.status}
        if self.message:
            entry["message"] = self.message
        if self.files:
            entry["files"] = [path.name for path in self.files]
        if self.camera:
            entry["camera"] = self.camera
        return entry | {"hands": self.hands, "seconds": round(self.seconds, 3)}
