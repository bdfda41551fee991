"""The exception for mistakes of the user and failures of the machine."""


class UserError(Exception):
    """A mistake that the user can fix.

    The message is what the user reads, without a traceback: one line for each mistake, naming
    the file, the entry or row, what is wrong and how to fix it. It never contains cell text.
    """
