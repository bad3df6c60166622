"""HTML pages that show hands in 3D: each is one file that requests nothing."""
