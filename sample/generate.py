"""Write the sample workspace: ``python -m sample.generate DIR``.

An invented company, Juniper, asks its 4,000 customers how it does: 20,200 answers from four survey
tools over two years, a CRM that knows who pays what and who left, and everything that goes wrong
with such files. What is true of it stands in ``sample/truths.py``. Visitors of its website answer,
too, without a name (``sample/website.py``), and one customer all the time (``sample/counter.py``);
a reseller sends counts alone (``sample/reseller.py``). Contacts of key accounts are asked once a
year (``sample/accounts.py``), employees each quarter (``sample/staff.py``). Some unhappy people are
called and some, by chance, are not (``sample/care.py``), and others are asked at every stage from a
trial to the renewal (``sample/journey.py``).
"""

from __future__ import annotations

import argparse
import gc
import random
from pathlib import Path
from typing import TYPE_CHECKING

from sample import (
    accounts,
    care,
    counter,
    crm,
    follow_ups,
    helpdesk,
    journey,
    labels,
    money,
    panel,
    reseller,
    staff,
    surveys,
    website,
)
from sample.answers import plan_csat, plan_transactional
from sample.people import make_customers
from sample.relational import plan_relational

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

SEED = 2025
WORKSPACE = Path(__file__).with_name("workspace.yml")


def _deliveries(seed: int, key: str) -> dict[str, dict[str, bytes]]:
    """Every delivered file's bytes, by source and file name."""
    rng = random.Random(seed)
    customers = make_customers(rng)
    relational = plan_relational(rng, customers)  # decides who leaves, and when
    transactional = plan_transactional(rng, customers)
    csat = plan_csat(rng, customers)
    terms = [money.terms(customer) for customer in customers]
    moves = [move for customer_terms in terms for move in money.movements(customer_terms)]
    answers, invitations = relational.answers, relational.invitations
    pulse_responses = surveys.pulse_responses(rng, answers, customers, invitations)
    return {
        "crm": {
            **crm.customers(rng, customers),
            "accounts.csv": crm.accounts(rng),
            "subscriptions_20251231.csv": crm.subscriptions(rng, terms),
            "mrr_movements.csv": crm.movements(rng, moves),
            **crm.invoices(rng, money.invoices(rng, terms)),
            **crm.usage(rng, customers),
            "referrals.csv": crm.referrals(rng, customers, answers),
            "leads.csv": crm.leads(rng),
        },
        "hr": {
            "employees.csv": staff.employees(rng),
            **staff.staff_responses(random.Random(f"staff {seed}")),
        },
        "pulse": {
            **pulse_responses,
            **surveys.pulse_invitations(rng, invitations),
            "surveys.json": surveys.pulse_surveys(),
            "follow_ups.csv": follow_ups.pulse_follow_ups(
                random.Random(f"follow_ups {seed}"), answers
            ),
            "labels.csv": labels.pulse_labels(random.Random(f"labels {seed}"), answers),
        },
        "intercept": surveys.intercept_responses(rng, transactional, customers),
        "helpdesk": {
            **helpdesk.helpdesk_csat(rng, csat, customers),
            "tickets.csv": helpdesk.helpdesk_tickets(
                rng,
                customers,
                answers,
                helpdesk.costly_tickets(random.Random(f"tickets {seed}"), answers),
                random.Random(f"rising {seed}"),
            ),
        },
        "board": panel.panel_responses(rng),
        # by chance of its own, so that the other files do not depend on it
        "website": website.website_responses(random.Random(f"website {seed}")),
        "counter": counter.counter_responses(random.Random(f"counter {seed}")),
        "care": care.care_deliveries(random.Random(f"care {seed}"), key),
        "journey": journey.journey_responses(random.Random(f"journey {seed}")),
        "reseller": reseller.reseller_summaries(),
        "review": accounts.review_responses(random.Random(f"review {seed}")),
    }


def generate(target: Path, seed: int = SEED) -> None:
    """Write ``workspace.yml`` and ``landing/`` below a folder, made if it is missing.

    The same seed and the same key of the workspace, which is made if it is missing, give the same
    bytes; files of these names are overwritten, others are left.

    Args:
        target: the workspace's folder.
        seed: who fills which quota; every truth holds for any seed.
    """
    from orchestration.lake.hash_key import hash_key
    from orchestration.workspace.load import load_workspace

    target = Path(target)
    target.mkdir(parents=True, exist_ok=True)
    (target / "workspace.yml").write_bytes(WORKSPACE.read_bytes())
    collects = gc.isenabled()
    gc.disable()  # many small objects, no cycles: looking for garbage takes a third of the time
    try:
        deliveries = _deliveries(seed, hash_key(load_workspace(target)))
    finally:
        if collects:
            gc.enable()
    for source, files in deliveries.items():
        folder = target / "landing" / source
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)


def make_sample(workspace: Workspace) -> None:
    """Generate the sample where the workspace is the sample's own and was not generated yet."""
    from orchestration.workspace.current import is_sample_missing

    if is_sample_missing(workspace.root):
        generate(workspace.root)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m sample.generate", description=__doc__)
    parser.add_argument("target", type=Path, help="the workspace's folder")
    parser.add_argument("--seed", type=int, default=SEED, help=f"default {SEED}")
    options = parser.parse_args()
    generate(options.target, options.seed)


if __name__ == "__main__":
    main()
