"""The gate: Great Expectations suites as blocking asset checks."""
