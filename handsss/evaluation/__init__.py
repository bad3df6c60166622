"""Scoring of reconstructions against truth: metrics, protocols, predictions of anyone, reports, the paper's tables."""
