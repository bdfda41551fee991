"""The one exception that a user's own mistake may raise."""


class UserError(Exception):
    """A mistake that the user can mend.

    The message is what the user reads, without a traceback: one line for each mistake, naming
    the file, the entry or row, what is wrong and how to mend it. It never holds cell text.
    """
