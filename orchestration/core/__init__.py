"""Errors, files, SQL text, the lock, progress: what every other package builds on."""
