"""Where what a pane is filtered by is typed."""

from textual.widgets import Input


class FilterBox(Input):
    """An input that is there only while it is wanted."""

    def __init__(self, what: str) -> None:
        super().__init__(placeholder=f"filter {what}", compact=True)
        self.display = False

    def open(self) -> None:
        self.display = True
        self.screen.set_focus(self)  # at once: what is typed next belongs there

    def shut(self) -> None:
        """Take away what was typed, and the box."""
        self.value = ""
        self.display = False
