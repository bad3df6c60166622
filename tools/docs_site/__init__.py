"""What `mkdocs build` runs beside mkdocs itself: see mkdocs.yml."""
