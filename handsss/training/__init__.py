"""Training: the objective and its schedule, checkpoints, monitors."""
