"""Readers of FreiHAND, HO-3D and photo folders."""
