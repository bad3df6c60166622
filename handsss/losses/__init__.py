"""The terms of the objective, one file each, named as in the paper; :mod:`handsss.training.objective` weights them."""
