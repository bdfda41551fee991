"""Dagster's side of the NPS warehouse: ingest, transform, quality, publish, report."""
