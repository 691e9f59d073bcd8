"""Errors that a user can cause and put right."""


class UserError(Exception):
    """Something the person at the keyboard can put right.

    The message is one line that says what is wrong and what to do. It holds no secret, no name, no number and no
    young person's reference, because it is printed and logged as it is. The command line prints it and ends with
    exit status 2; a service logs it and does the same.
    """
