"""Where a run's figures and pictures go besides its folder: TensorBoard, Weights & Biases, MLflow."""
