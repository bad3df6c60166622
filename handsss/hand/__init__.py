"""The hand: model files (the open hand, MANO), the differentiable layer, joint orders, keypoint sets, joint limits."""
