"""How long a run takes beside a script that an expert would write by hand for just these files."""
