"""A local page with a form: a photo or a film in, hands in 3D and files out."""
