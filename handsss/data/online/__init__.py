"""Pictures without end: batches of synthetic hands, painted on the training device while a network trains."""
