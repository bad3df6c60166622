"""Trains the network of expected errors."""
