"""Reports of an evaluation: HTML page, markdown, curves, pictures."""

from handsss.evaluation.report.write import write_report

__all__ = ["write_report"]
