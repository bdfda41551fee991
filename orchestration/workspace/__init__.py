"""workspace.yml: its model, its rules, how it is read; and the canonical entities."""
