"""Linear blend skinning with a hand-written backward pass.

It avoids autograd's many small operations and large temporaries. :func:`handsss.hand.lbs_reference.pose_reference` is
the reference it is tested against, and is used where second derivatives are asked for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from handsss.hand.lbs_reference import Posed, PosingConstants, pose_reference

_PIECE = 16  # hands


class _Chain(NamedTuple):
    """The kinematic chain of a batch, levels before hands so that each level is one batched product."""

    root: Tensor  # [B, 5, 4, 4] the wrist's transform, repeated for each finger
    local: Tensor  # [3, B, 5, 4, 4] joint to parent
    world: Tensor  # [3, B, 5, 4, 4] joint to target frame


def _chain(turn: Tensor, wrist: Tensor, local: Tensor, rest: Tensor) -> _Chain:
    batch = local.shape[0]
    root = local.new_zeros(batch, 5, 4, 4)
    root[..., :3, :3] = turn[:, None]
    root[..., :3, 3] = wrist[:, None]
    root[..., 3, 3] = 1
    joints = rest[:, 1:].view(batch, 5, 3, 3)
    steps = local.new_zeros(3, batch, 5, 4, 4)
    steps[..., :3, :3] = local.reshape(batch, 5, 3, 3, 3).permute(2, 0, 1, 3, 4)
    torch.sub(joints[:, :, 0], rest[:, :1], out=steps[0, ..., :3, 3])
    torch.sub(joints[:, :, 1:], joints[:, :, :2], out=steps[1:, ..., :3, 3].permute(1, 2, 0, 3))
    steps[..., 3, 3] = 1
    world = torch.empty_like(steps)
    above = root
    for level in range(3):
        torch.bmm(above.view(-1, 4, 4), steps[level].view(-1, 4, 4), out=world[level].view(-1, 4, 4))
        above = world[level]
    return _Chain(root, steps, world)


class FusedPosing(torch.autograd.Function):
    """:func:`pose_reference`, same arguments, with a hand-written backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        constants: PosingConstants,
        rotations: Tensor,
        shape: Tensor | None,
        scale: Tensor | None,
        translation: Tensor | None,
    ) -> Posed:
        ctx.set_materialize_grads(False)
        batch, count = rotations.shape[0], constants.skinning.shape[1]
        skip = 10 if shape is None else 0
        coefficients = rotations.new_empty(batch, 145 - skip)
        torch.sub(rotations[:, 1:], constants.identity, out=coefficients[:, 10 - skip :].view(batch, 15, 3, 3))
        if shape is None:
            rest = constants.joint_template.view(1, 16, 3).expand(batch, 16, 3)
        else:
            coefficients[:, :10] = shape
            rest = torch.addmm(constants.joint_template, shape, constants.joint_blend).view(batch, 16, 3)
        shaped = torch.addmm(constants.template, coefficients, constants.blend[skip:]).view(batch, 3, count)
        turn = rotations[:, 0] if scale is None else rotations[:, 0] * scale.abs()[:, None, None]
        wrist = rest[:, 0] if constants.pivot_wrist else torch.bmm(turn, rest[:, 0, :, None])[..., 0]
        if translation is not None:
            wrist = wrist + translation
        chain = _chain(turn, wrist, rotations[:, 1:], rest)
        transforms = rotations.new_empty(batch, 16, 4, 4)
        transforms[:, 0] = chain.root[:, 0]
        transforms[:, 1:].view(batch, 5, 3, 4, 4).copy_(chain.world.permute(1, 2, 0, 3, 4))
        affine = rotations.new_empty(batch, 3, 4, 16)
        affine.copy_(transforms[:, :, :3].permute(0, 2, 3, 1))
        affine[:, :, 3] -= (affine[:, :, :3] * rest.transpose(1, 2)[:, None]).sum(2)
        kept = any(ctx.needs_input_grad)
        if kept:
            vertices, blended = _skin(affine, constants.skinning, shaped)
        else:  # blended matrices, the largest arrays here, in pieces that stay in a CPU's cache
            size = max(batch, 1) if shaped.is_cuda else _PIECE
            pieces = zip(affine.split(size), shaped.split(size), strict=True)
            vertices = torch.cat([_skin(a, constants.skinning, s)[0] for a, s in pieces])
        tips = vertices.index_select(2, constants.tips).transpose(1, 2)
        joints = torch.cat([transforms[:, :, :3, 3], tips], 1).index_select(1, constants.order)
        if kept:
            ctx.constants = constants
            ctx.save_for_backward(rotations, shape, scale, translation, rest, shaped, blended, transforms, *chain)
        return vertices.transpose(1, 2).contiguous(), joints, transforms

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        if all(gradient is None for gradient in gradients):
            return None, None, None, None, None
        with torch.autocast(ctx.saved_tensors[0].device.type, enabled=False):
            # A second derivative is wanted where gradients are recorded: through the plain operations then.
            return _backward_plain(ctx, gradients) if torch.is_grad_enabled() else _backward_fast(ctx, gradients)


def _backward_fast(ctx: Any, gradients: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    rotations, shape, scale, _, rest, shaped, blended, posed, *levels = ctx.saved_tensors
    constants, chain = ctx.constants, _Chain(*levels)
    grad_vertices, grad_joints, given_transforms = gradients
    batch, _, count = shaped.shape
    grad_transforms = shaped.new_zeros(batch, 16, 4, 4)  # last rows stay zero
    if given_transforms is not None:
        grad_transforms[:, :, :3] = given_transforms[:, :, :3]
    grad_tips = None
    if grad_joints is not None:
        ordered = grad_joints.index_select(1, constants.inverse_order)
        grad_transforms[:, :, :3, 3] += ordered[:, :16]
        grad_tips = ordered[:, 16:].transpose(1, 2)
    grad_coefficients = None
    if grad_vertices is None and grad_tips is None:
        grad_rest = shaped.new_zeros(batch, 16, 3)
    else:
        outward = shaped.new_zeros(batch, 3, count) if grad_vertices is None else torch.empty_like(shaped)
        if grad_vertices is not None:
            outward.copy_(grad_vertices.transpose(1, 2))
        if grad_tips is not None:
            outward.index_add_(2, constants.tips, grad_tips)
        grad_rest = _skinning_backward(constants.skinning, posed, rest, shaped, outward, grad_transforms)
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            inward = blended[:, 0, :3] * outward[:, :1]
            inward.addcmul_(blended[:, 1, :3], outward[:, 1:2]).addcmul_(blended[:, 2, :3], outward[:, 2:])
            skip = 10 if shape is None else 0
            grad_coefficients = torch.mm(inward.view(batch, 3 * count), constants.blend[skip:].t())
    grad_rotations, grad_scale, grad_translation = _chain_backward(
        constants, chain, rotations, scale, rest, grad_transforms, grad_rest
    )
    grad_shape = None
    if shape is not None and ctx.needs_input_grad[2]:
        grad_shape = torch.mm(grad_rest.view(batch, 48), constants.joint_blend.t())
    if grad_coefficients is not None:
        grad_rotations[:, 1:] += grad_coefficients[:, -135:].view(batch, 15, 3, 3)
        if grad_shape is not None:
            grad_shape += grad_coefficients[:, :10]
    return None, grad_rotations, grad_shape, grad_scale, grad_translation if ctx.needs_input_grad[4] else None


def _skin(affine: Tensor, skinning: Tensor, shaped: Tensor) -> tuple[Tensor, Tensor]:
    """Vertices [B, 3, V] and blended matrices [B, 3, 4, V] from the joints' affine maps [B, 3, 4, 16]."""
    batch, _, count = shaped.shape
    blended = torch.mm(affine.view(batch * 12, 16), skinning).view(batch, 3, 4, count)
    vertices = torch.addcmul(blended[:, :, 3], blended[:, :, 0], shaped[:, None, 0])
    vertices.addcmul_(blended[:, :, 1], shaped[:, None, 1]).addcmul_(blended[:, :, 2], shaped[:, None, 2])
    return vertices, blended


def _skinning_backward(
    skinning: Tensor, posed: Tensor, rest: Tensor, shaped: Tensor, outward: Tensor, grad_transforms: Tensor
) -> Tensor:
    """Through the joints' affine maps: adds to ``grad_transforms`` [B, 16, 4, 4], returns the gradient on ``rest``.

    Args:
        skinning: [16, V].
        posed: [B, 16, 4, 4] transforms.
        rest: [B, 16, 3].
        shaped: [B, 3, V] blended, unskinned vertices.
        outward: [B, 3, V] gradient on the vertices.
        grad_transforms: changed in place.
    """
    batch, _, count = shaped.shape
    moments = (outward[:, :, None] * shaped[:, None]).view(batch * 9, count)
    grad_matrices = torch.mm(moments, skinning.t()).view(batch, 3, 3, 16).permute(0, 3, 1, 2)
    grad_offsets = torch.mm(outward.view(batch * 3, count), skinning.t()).view(batch, 3, 16).transpose(1, 2)
    # A joint's affine map is (G, position - G rest).
    grad_transforms[:, :, :3, 3] += grad_offsets
    grad_transforms[:, :, :3, :3] += grad_matrices
    grad_transforms[:, :, :3, :3].addcmul_(grad_offsets[..., None], rest[:, :, None], value=-1)
    return (posed[:, :, :3, :3] * grad_offsets[..., None]).sum(2).neg_()


def _chain_backward(
    constants: PosingConstants,
    chain: _Chain,
    rotations: Tensor,
    scale: Tensor | None,
    rest: Tensor,
    grad_transforms: Tensor,
    grad_rest: Tensor,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Gradients on rotations [B, 16, 3, 3], scale [B] and translation [B, 3]; adds to ``grad_rest`` in place."""
    batch = rotations.shape[0]
    grad_world = grad_transforms[:, 1:].view(batch, 5, 3, 4, 4).permute(2, 0, 1, 3, 4).contiguous().view(3, -1, 4, 4)
    grad_steps = torch.empty_like(grad_world)
    steps, world = chain.local.view(3, -1, 4, 4), chain.world.view(3, -1, 4, 4)
    for level in (2, 1):
        torch.bmm(world[level - 1].transpose(1, 2), grad_world[level], out=grad_steps[level])
        grad_world[level - 1].baddbmm_(grad_world[level], steps[level].transpose(1, 2))
    torch.bmm(chain.root.view(-1, 4, 4).transpose(1, 2), grad_world[0], out=grad_steps[0])
    grad_root = (
        torch.bmm(grad_world[0], steps[0].transpose(1, 2)).view(batch, 5, 4, 4).sum(1).add_(grad_transforms[:, 0])
    )
    # Bones are differences of rest joints.
    steps_by_finger = grad_steps.view(3, batch, 5, 4, 4).permute(1, 2, 0, 3, 4)
    grad_bones = steps_by_finger[..., :3, 3]  # [B, 5, 3, 3]
    grad_fingers = grad_rest[:, 1:].view(batch, 5, 3, 3)
    grad_fingers += grad_bones
    grad_fingers[:, :, :2] -= grad_bones[:, :, 1:]
    grad_rest[:, 0] -= grad_bones[:, :, 0].sum(1)
    grad_turn, grad_wrist = grad_root[:, :3, :3], grad_root[:, :3, 3]
    if constants.pivot_wrist:
        grad_rest[:, 0] += grad_wrist
    else:  # the wrist stands at turn @ rest + translation
        grad_turn = torch.addcmul(grad_turn, grad_wrist[:, :, None], rest[:, :1])
        grad_rest[:, 0] += (chain.root[:, 0, :3, :3] * grad_wrist[:, :, None]).sum(1)
    grad_scale = None
    if scale is not None:
        grad_scale = (grad_turn * rotations[:, 0]).sum((1, 2)).mul_(scale.sign())
        grad_turn = grad_turn * scale.abs()[:, None, None]
    grad_rotations = rotations.new_empty(batch, 16, 3, 3)
    grad_rotations[:, 0] = grad_turn
    grad_rotations[:, 1:].view(batch, 5, 3, 3, 3).copy_(steps_by_finger[..., :3, :3])
    return grad_rotations, grad_scale, grad_wrist


def _backward_plain(ctx: Any, gradients: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    """The same gradients through :func:`pose_reference`, recorded so that they can be differentiated again."""
    inputs = ctx.saved_tensors[:4]
    outputs = pose_reference(ctx.constants, *inputs)
    pairs = [(output, given) for output, given in zip(outputs, gradients, strict=True) if given is not None]
    wanted = [tensor for tensor, needed in zip(inputs, ctx.needs_input_grad[1:], strict=True) if needed]
    found = iter(
        torch.autograd.grad(
            [output for output, _ in pairs], wanted, [given for _, given in pairs], create_graph=True, allow_unused=True
        )
    )
    return None, *(next(found) if needed else None for needed in ctx.needs_input_grad[1:])
