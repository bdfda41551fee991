"""What a run would make of delivered files, before it does: `nps check` and `nps init`."""
