"""URLs of stores as they are typed: a password in one is seen by others."""

import re

from app.commands.ending import say


def warn_of_password(url: str, option: str, variable: str) -> None:
    """Tell whoever typed `url` with a password for `option` who can see it."""
    if re.search(r"://[^/@]*:[^/@]*@|[?&]password=", url):
        say(
            f"the password in {option} can be seen by everyone on this machine, in the list of"
            f" processes; {variable} keeps it from them"
        )
