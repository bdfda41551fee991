"""The suites: what must hold, as plain data."""
