"""What leaves for other programs: the day's new actions, and notices of failed steps."""
