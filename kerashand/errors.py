"""The errors that commands show as a message instead of a traceback."""


class UserError(Exception):
    """A mistake that the user can mend; the message says how."""


class TryAgainError(UserError):
    """Nothing is wrong with the input: the same command, run again, goes on."""
