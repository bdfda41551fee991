"""The report page, its charts, and the summary of a run."""
