"""Files in and out: photos with their cameras, atomic writes, and a pool of worker processes."""
