"""Evaluation against ground truth: metrics, protocols, prediction files, reports, the paper's tables and figures."""
