"""What becomes of the rows of each of the sample's files, beside the truths of `truths.py`."""

from __future__ import annotations

from sample.truths import CSAT_ANSWERS, INTERCEPT_ANSWERS, PULSE_ANSWERS, Fate

# pulse, for each quarter: 5 identical duplicates; 4 answers corrected in the same file and (but
# for the last quarter) 4 in the next one; 10 late ones and 2 old versions that come in the next
# one; 2 answers deleted by the next one, and 1 whose tombstone comes a file before it. The older
# row of a corrected or deleted answer is superseded; the tombstone itself is the deleted row.

PULSE_PER_QUARTER = {
    "duplicate": 5,
    "corrected here": 4,
    "corrected next": 4,
    "late": 10,
    "old version next": 2,
    "deleted next": 2,
    "deleted before": 1,
}
# intercept: 8 duplicates, 3 corrections and 1 deletion within each file, 20 late ones (but for the
# last quarter).
INTERCEPT_PER_QUARTER = {"duplicate": 8, "corrected here": 3, "deleted here": 1, "late": 20}
CSAT_DUPLICATES = 3  # a file
INVOICE_DUPLICATES = {"invoices_2024.csv": 4, "invoices_2025.csv": 6}

FILES: dict[tuple[str, str, str], Fate] = {
    (*PULSE_ANSWERS, "responses_2024q1.jsonl"): Fate(761, 736, 9, 5, 10, 1),
    (*PULSE_ANSWERS, "responses_2024q2.jsonl"): Fate(778, 750, 7, 5, 13, 3),
    (*PULSE_ANSWERS, "responses_2024q3.jsonl"): Fate(777, 750, 6, 5, 13, 3),
    (*PULSE_ANSWERS, "responses_2024q4.jsonl"): Fate(780, 750, 9, 5, 13, 3),
    (*PULSE_ANSWERS, "responses_2025q1.jsonl"): Fate(779, 750, 8, 5, 13, 3),
    (*PULSE_ANSWERS, "responses_2025q2.jsonl"): Fate(778, 750, 7, 5, 13, 3),
    (*PULSE_ANSWERS, "responses_2025q3.jsonl"): Fate(780, 750, 9, 5, 13, 3),
    (*PULSE_ANSWERS, "responses_2025q4.jsonl"): Fate(790, 764, 12, 5, 7, 2),
    (*INTERCEPT_ANSWERS, "transactional_2024q1.csv"): Fate(1502, 1480, 9, 8, 4, 1),
    (*INTERCEPT_ANSWERS, "transactional_2024q2.csv"): Fate(1520, 1500, 7, 8, 4, 1),
    (*INTERCEPT_ANSWERS, "transactional_2024q3.csv"): Fate(1520, 1500, 7, 8, 4, 1),
    (*INTERCEPT_ANSWERS, "transactional_2024q4.csv"): Fate(1521, 1500, 8, 8, 4, 1),
    (*INTERCEPT_ANSWERS, "transactional_2025q1.csv"): Fate(1519, 1500, 6, 8, 4, 1),
    (*INTERCEPT_ANSWERS, "transactional_2025q2.csv"): Fate(1523, 1500, 10, 8, 4, 1),
    (*INTERCEPT_ANSWERS, "transactional_2025q3.csv"): Fate(1521, 1500, 8, 8, 4, 1),
    (*INTERCEPT_ANSWERS, "transactional_2025q4.csv"): Fate(1550, 1520, 17, 8, 4, 1),
    (*CSAT_ANSWERS, "csat_2024.tsv"): Fate(1010, 1000, 7, 3),
    (*CSAT_ANSWERS, "csat_2025.tsv"): Fate(1011, 1000, 8, 3),
    ("crm", "customers", "customers_20240101.csv"): Fate(3000, 3000),
    ("crm", "customers", "customers_20240401.csv"): Fate(3152, 3150, 2),
    ("crm", "customers", "customers_20240701.csv"): Fate(3302, 3300, 2),
    ("crm", "customers", "customers_20241001.csv"): Fate(3450, 3450),
    ("crm", "customers", "customers_20250101.csv"): Fate(3600, 3600),
    ("crm", "customers", "customers_20250401.csv"): Fate(3800, 3800),
    ("crm", "customers", "customers_20250701.csv"): Fate(4000, 4000),
    ("crm", "customers", "customers_20251001.csv"): Fate(4000, 4000),
    ("crm", "customers", "customers_20251231.csv"): Fate(4000, 4000),
    ("crm", "accounts", "accounts.csv"): Fate(413, 413),
    ("crm", "subscriptions", "subscriptions_20251231.csv"): Fate(None, None, 1),
    ("crm", "mrr_movements", "mrr_movements.csv"): Fate(None, None, 3),
    ("crm", "invoices", "invoices_2024.csv"): Fate(None, None, 8, 4),
    ("crm", "invoices", "invoices_2025.csv"): Fate(None, None, 13, 6),
    ("crm", "product_usage", "usage_2024.csv"): Fate(None, None),
    ("crm", "product_usage", "usage_2025h1.csv"): Fate(None, None),
    ("crm", "product_usage", "usage_2025h2.csv"): Fate(None, None, 3),
    ("crm", "referrals", "referrals.csv"): Fate(500, 500),
    ("crm", "leads", "leads.csv"): Fate(300, 300),
    ("pulse", "surveys", "surveys.json"): Fate(2, 2),
    ("pulse", "survey_invitations", "invitations_2024.csv"): Fate(6248, 6246, 2),
    ("pulse", "survey_invitations", "invitations_2025.csv"): Fate(6204, 6202, 2),
    ("pulse", "follow_ups", "follow_ups.csv"): Fate(400, 400),
    ("pulse", "labels", "labels.csv"): Fate(300, 300),
    ("helpdesk", "support_tickets", "tickets.csv"): Fate(6764, 6760, 4),
}
