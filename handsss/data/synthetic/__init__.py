"""Synthetic hands: an open dataset in FreiHAND's layout that anyone can make."""
