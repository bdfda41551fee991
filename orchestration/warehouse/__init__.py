"""The build: dbt in this process, batches, and the record of the last build."""
