"""Initial hands for the fit: nearest neighbours of the keypoints in a bank of projected poses.

One view leaves it open whether a finger points towards the camera or away from it, so the fit starts from several
plausible hands. The bank holds a few thousand sampled poses under viewpoints all around the hand. Projections are
compared with the keypoints up to a similarity transform of the image; of the nearest, those that differ in space are
returned.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from handsss.fitting.observation import Observation
from handsss.fitting.problem import HandParameters, KeypointProblem
from handsss.geometry.cameras import unproject
from handsss.geometry.mesh import sphere_directions
from handsss.geometry.rotations import axis_angle_to_matrix, rotation_to_ray
from handsss.hand.model import HandModel
from handsss.hand.sampling import sample_poses

_STEPS = 3  # reweighted least-squares steps of solve_translation
_BANK_DEPTH = 0.5  # metres: depth at which the bank's hands are projected


def _views(count: int, rng: np.random.Generator) -> np.ndarray:
    """Rotations [count, 3, 3] that turn evenly spread directions of the hand towards the camera. In-plane rotation is
    left out: the comparison is invariant to it."""
    forward = sphere_directions(count)[rng.permutation(count)]
    side = np.cross(np.where(np.abs(forward[:, 1:2]) < 0.9, [[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]]), forward)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    return np.stack([side, np.cross(forward, side), forward], 1)


class PoseBank:
    """Sampled poses and their projections.

    Args:
        model: the hand that is fitted.
        problem: gives its pose space and keypoints.
        poses: number of sampled poses.
        views: random viewpoints of each.
    """

    def __init__(self, model: HandModel, problem: KeypointProblem, *, poses: int = 3000, views: int = 12) -> None:
        rng = np.random.default_rng(20210620)
        axis_angle = torch.as_tensor(sample_poses(model, poses, rng), dtype=torch.float64).reshape(poses, 15, 3)
        self.pose = problem.space.coefficients(axis_angle).repeat_interleave(views, 0)
        self.rotation = torch.as_tensor(_views(poses * views, rng))
        zeros = torch.zeros(poses, 3, dtype=torch.float64)
        identity = torch.eye(3, dtype=torch.float64).expand(poses, 3, 3)
        still = HandParameters.under_model_prior(
            identity, zeros, problem.space.coefficients(axis_angle), torch.zeros(poses, 10, dtype=torch.float64)
        )
        points, _ = problem.keypoints(still)
        self.points = points.repeat_interleave(views, 0) @ self.rotation.transpose(1, 2)  # [N, 21, 3], origin fixed
        centred = self.points - self.points.mean(1, keepdim=True)
        flat = centred[..., :2] / (1 + centred[..., 2:] / _BANK_DEPTH)
        self.flat = torch.complex(flat[..., 0].float(), flat[..., 1].float())  # [N, 21] metres at the bank's depth

    def starts(self, observation: Observation, count: int) -> HandParameters:
        """The nearest hands that are at least 2 cm (root mean square over keypoints) apart from each other.

        Args:
            observation: at least two keypoints with confidence.
            count: of hands; fewer only if the bank is smaller.

        Returns:
            [count] hands in the camera frame, nearest first, mean shape.
        """
        detected = torch.complex(observation.keypoints[:, 0], observation.keypoints[:, 1]).to(torch.complex64)
        weight = observation.confidence.float().square()
        weight = weight / weight.sum()
        centre = (weight * detected).sum()
        query = detected - centre
        # Best similarity a of a * bank + b to the query, in closed form in the complex plane.
        bank_centre = self.flat @ weight.to(torch.complex64)
        energy = (self.flat.abs().square() @ weight) - bank_centre.abs().square()
        product = self.flat.conj() @ (weight * query)
        similarity = product / energy.clamp_min(1e-9)
        error = (weight * query.abs().square()).sum() - product.abs().square() / energy.clamp_min(1e-9)
        order = torch.argsort(error)[: 60 * count]
        turned = self._turned(order, similarity)
        chosen = [0]
        relative = turned - turned.mean(1, keepdim=True)
        distance = (relative - relative[0]).square().sum(-1).mean(1).sqrt()
        while len(chosen) < min(count, len(order)):
            apart = torch.nonzero(distance > 0.02).flatten()
            following = int(apart[0]) if len(apart) else int(distance.argmax())
            chosen.append(following)
            distance = torch.minimum(distance, (relative - relative[following]).square().sum(-1).mean(1).sqrt())
            distance[chosen] = -1
        return self._in_camera(order[chosen], similarity, bank_centre, centre, observation)

    def _turned(self, index: Tensor, similarity: Tensor) -> Tensor:
        return self.points[index] @ _about_z(similarity[index].angle().double()).transpose(1, 2)

    def _in_camera(
        self, index: Tensor, similarity: Tensor, bank_centre: Tensor, centre: Tensor, observation: Observation
    ) -> HandParameters:
        """The hands at an index [N] rotated to the rays of their keypoints and moved to the depth that their size
        implies."""
        intrinsics = observation.intrinsics
        focal = 0.5 * (intrinsics[0, 0] + intrinsics[1, 1])
        factor = similarity[index]
        depth = (focal / factor.abs().double()).clamp(0.05, 20.0)
        # The picture point over which the bank hand's mean keypoint lies.
        offset = centre - factor * bank_centre[index]
        pixels = torch.stack([offset.real, offset.imag], -1).double()
        centres = unproject(pixels[:, None], depth[:, None], intrinsics)[:, 0]
        turn = rotation_to_ray(centres) @ _about_z(factor.angle().double())
        rotation = turn @ self.rotation[index]
        mean_point = self.points[index].mean(1)
        translation = centres - (turn @ mean_point[..., None])[..., 0]
        translation[:, 2] = translation[:, 2].clamp_min(0.05)
        return HandParameters.under_model_prior(
            rotation, translation, self.pose[index], torch.zeros(len(index), 10, dtype=torch.float64)
        )


def _about_z(angle: Tensor) -> Tensor:
    zero = torch.zeros_like(angle)
    return axis_angle_to_matrix(torch.stack([zero, zero, angle], -1))


def solve_translation(points: Tensor, keypoints: np.ndarray, intrinsics: np.ndarray) -> Tensor:
    """Translation under which points project to keypoints, least squares weighted by confidence.

    Linear in the translation: ``f (X + t_x) / (Z + t_z) + c = x`` times its denominator. Each step divides the weights
    by the depths of the last, or distant points would count more.

    Args:
        points: [21, 3] metres, axes of the camera.
        keypoints: [21, 3] x, y (px), confidence.
        intrinsics: [3, 3] px.

    Returns:
        [3] metres.
    """
    sure = torch.tensor(np.nan_to_num(keypoints[:, 2])).double().clamp(0, 1)
    pixels = torch.tensor(np.nan_to_num(keypoints[:, :2])).double()
    depth = torch.ones(len(points), dtype=torch.float64)
    K = torch.tensor(np.asarray(intrinsics, dtype=np.float64))
    rays = unproject(pixels, depth, K)[:, :2]
    wanted = rays * points[:, 2:] - points[:, :2]  # target of t_x - x t_z and t_y - y t_z
    for _ in range(_STEPS):
        weight = (sure / depth)[:, None]
        weight = weight / weight.sum()
        ray, want = (weight * rays).sum(0), (weight * wanted).sum(0)
        # Closed form rather than a solver, whose last digits differ from call to call.
        variance = (weight * (rays - ray).square()).sum().clamp_min(1e-12)
        t_z = -(weight * (rays - ray) * (wanted - want)).sum() / variance
        result = torch.cat([want + ray * t_z, t_z[None]])
        result[2] = result[2].clamp_min(0.05 - float(points[:, 2].min()))
        depth = (points[:, 2] + result[2]).clamp_min(0.01)
    return result
