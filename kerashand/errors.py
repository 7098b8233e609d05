"""The error that commands show as a message instead of a traceback."""


class UserError(Exception):
    """A mistake that the user can mend; the message says how."""
