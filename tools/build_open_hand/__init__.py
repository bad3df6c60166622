"""Builds the open hand from CC0 data; run ``python -m tools.build_open_hand``."""
