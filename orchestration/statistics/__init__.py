"""Estimates that no running sum makes: hazards that adjust, and shares of explained variance.

Pure functions on arrays; they import numpy alone and know nothing of tables or workspaces. dbt's
Python models call them (`models/intermediate/**/*.py`).
"""
