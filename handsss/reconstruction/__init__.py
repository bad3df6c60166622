"""From photos to hands, and from hands to files."""
