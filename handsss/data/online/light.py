"""Light of a batch at vertices: a room's spherical harmonics, lamps, and the shadow of the strongest lamp."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from handsss.data.online.draws import Draws, between
from handsss.rendering.backends import choose

_SHADOW = 96  # px, side of the shadow map
_WRAP = 0.22  # skin is lit a little beyond its edge: light spreads in it
_OFF_SURFACE = 0.003  # m, so that a surface does not shade itself
_BIAS = 0.003  # m
_FRONT = 0.25  # of a lamp's direction: the key light does not come from behind the hand
_RADIUS = 1.05  # of what casts shadows, over its vertices' largest distance from their middle


class Lit(NamedTuple):
    """Surfaces to be lit, camera frame."""

    vertices: Tensor  # [B, V, 3] m
    normals: Tensor  # [B, V, 3] unit
    albedo: Tensor  # [B, V, 3] linear RGB
    skin: Tensor  # [B, V] 1 skin, 0 something else
    open: Tensor  # [B, V, 1] share of the room's light that reaches it


class Casters(NamedTuple):
    """What throws shadows: a coarse mesh."""

    vertices: Tensor  # [B, C, 3] m, camera frame; absent things lie behind the camera
    faces: Tensor  # [F, 3]
    hand: int  # the first so many vertices are the hand, which the shadow map is fitted to


def shade(surface: Lit, casters: Casters, tint: Tensor, draws: Draws) -> Tensor:
    """Light [B, V, 3], linear, that vertices send to the camera.

    Args:
        surface: what is lit.
        casters: what throws shadows on it.
        tint: [B, 3] mean colour of the surroundings, linear.
        draws: of the pictures.
    """
    vertices, normals, albedo, skin, reached_by_room = surface
    light = _room(normals, tint, draws) * reached_by_room
    view = -torch.nn.functional.normalize(vertices, dim=-1)
    u = draws.u("lamps")
    warmth = 0.12 * draws.n("white")[:, :1]
    white = torch.cat([1 + warmth, torch.ones_like(warmth), 1 - warmth], 1)
    shine = torch.zeros_like(light)
    tints = (1 + 0.12 * draws.n("lamp_colours").reshape(-1, 3, 3)).clamp(0.5, 1.5)
    reds = light.new_tensor([1.0, 0.4, 0.2])  # red light goes deepest into skin
    lamps = [_towards(draws.n("lamps")[:, 3 * k : 3 * k + 3], k == 0) for k in range(3)]
    cosines = normals @ torch.stack(lamps, 2)  # [B, V, 3]
    for number, towards in enumerate(lamps):
        if number == 0:
            power = between(u[:, :1], 0.3, 1.15) * white
        else:
            power = (
                between(u[:, number : number + 1], 0.05, 0.45)
                * tints[:, number]
                * (u[:, number + 2 : number + 3] < 0.5)
            )
        cosine = cosines[..., number : number + 1]
        plain = cosine.clamp_min(0)
        beyond = (((cosine + _WRAP) / (1 + _WRAP)).clamp_min(0) - plain) * skin[..., None]
        diffuse = plain + beyond * reds
        if number == 0:
            reached = _reached(surface, casters, towards)
            diffuse = diffuse * reached
            half = torch.nn.functional.normalize(view + towards[:, None], dim=-1)
            glance = (normals * half).sum(-1, keepdim=True).clamp_min(0) * (cosine > 0)
            glance = glance.square().square().square().square().square()  # Blinn and Phong's 32nd power
            gloss = torch.lerp(between(u[:, 5:6], 0.0, 0.4)[..., None], torch.full_like(plain, 0.1), skin[..., None])
            shine = power[:, None] * (glance * gloss * reached)
        light = light + power[:, None] * diffuse
    return albedo * light + shine


def _room(normals: Tensor, tint: Tensor, draws: Draws) -> Tensor:
    """Irradiance [B, V, 3] of a room: second-order spherical harmonics, bright above, as coloured as what is seen."""
    u = draws.u("ambient")
    grey = tint.mean(1, keepdim=True).clamp_min(0.02)
    colour = torch.lerp(torch.ones_like(tint), (tint / grey).clamp(0.6, 1.6), 0.4 * u[:, 1:2])
    strength = between(u[:, :1], 0.22, 0.65)
    floor = between(u[:, 2:3], 0.35, 0.9)
    coefficients = draws.n("harmonics").reshape(-1, 9, 3)
    scale = normals.new_tensor([0.06, 0.10, 0.08, 0.10, 0.08, 0.08, 0.05, 0.08, 0.08])[:, None]
    common = coefficients.mean(2, keepdim=True) * 3**0.5  # mostly of one colour
    waves = scale * (0.8 * common + 0.4 * coefficients)
    x, y, z = normals.unbind(-1)
    one = torch.ones_like(x)
    basis = torch.stack([one, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], -1)
    up = 0.5 - 0.5 * y  # the camera's y points down
    vertical = floor + (1 - floor) * up
    return ((strength * colour)[:, None] * (vertical[..., None] + basis @ waves)).clamp_min(0.02)


def _towards(normal: Tensor, key: bool) -> Tensor:
    """[B, 3] unit vectors towards a lamp, which hangs above more often than not, the key light never behind."""
    direction = normal + normal.new_tensor([0.0, -0.8, -0.5])
    direction = torch.nn.functional.normalize(direction, dim=1)
    least = _FRONT if key else -0.4
    depth = torch.where(-direction[:, 2] < least, -direction[:, 2] + 2 * (least + direction[:, 2]), -direction[:, 2])
    return torch.nn.functional.normalize(torch.cat([direction[:, :2], -depth.clamp(least, 1)[:, None]], 1), dim=1)


def _reached(surface: Lit, casters: Casters, towards: Tensor) -> Tensor:
    """[B, V, 1] share of a lamp's light that arrives: a shadow map, four samples at a vertex."""
    hand = casters.vertices[:, : casters.hand]
    middle = 0.5 * (hand.amax(1, keepdim=True) + hand.amin(1, keepdim=True))
    radius = (hand - middle).norm(dim=-1).amax(1)[:, None, None] * _RADIUS
    # The axis that is least along the light, so that the side is well defined.
    across = torch.nn.functional.one_hot(towards.abs().argmin(1), 3).to(towards.dtype)
    side = torch.nn.functional.normalize(torch.linalg.cross(across, towards), dim=1)
    axes = torch.stack([side, torch.linalg.cross(side, towards), -towards], 1)  # [B, 3, 3], right-handed

    def seen(points: Tensor) -> Tensor:
        local = (points - middle) @ axes.transpose(1, 2)
        flat = (local[..., :2] / radius + 1) * (_SHADOW / 2)
        return torch.cat([flat, local[..., 2:] + 1], -1)  # a lamp a metre away, without perspective

    screen = torch.where(casters.vertices[..., 2:] < 0, -1.0, seen(casters.vertices)).contiguous()
    _, depth = choose("auto", screen.device).rasterise(screen, casters.faces, _SHADOW, _SHADOW, True)
    flat = depth.reshape(len(depth), -1)
    points = seen(surface.vertices + _OFF_SURFACE * surface.normals)
    share = torch.zeros_like(points[..., 0])
    for dx, dy in ((-0.9, -0.3), (0.3, -0.9), (0.9, 0.3), (-0.3, 0.9)):
        column = (points[..., 0] + dx).long().clamp(0, _SHADOW - 1)
        row = (points[..., 1] + dy).long().clamp(0, _SHADOW - 1)
        share += (points[..., 2] - _BIAS < flat.gather(1, row * _SHADOW + column)).to(share.dtype)
    return (share / 4)[..., None]
