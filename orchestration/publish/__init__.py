"""Generations: audit, publication, ledger."""
