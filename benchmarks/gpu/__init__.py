"""`make gpu`: facts, tests, benchmarks and a training on a GPU, within a given time, without a network."""
