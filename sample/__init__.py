"""The sample workspace: an invented company, its deliveries, and the truths planted in them."""
