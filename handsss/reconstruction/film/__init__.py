"""Films: hands are tracked, each track is fitted as one hand in motion, and written."""
