"""Generator of an open synthetic dataset in FreiHAND's layout."""
