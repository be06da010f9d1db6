"""What stands in the pages of documentation."""

import re


def blocks(page: str, kind: str) -> list[str]:
    """Return the contents of the fenced blocks of `page` that begin with ```kind, in order."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
