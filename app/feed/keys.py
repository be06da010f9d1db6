"""The keys of a feed; each has an id, so that they can be changed."""

from textual.binding import Binding, BindingType

BINDINGS: list[BindingType] = [
    Binding("space", "toggle_hold", "Pause", id="feed.hold"),
    Binding("slash", "want_filter", "Filter", id="feed.filter"),
    Binding("enter", "open", "Detail", id="feed.open"),
    Binding("up,k", "move(-1)", "Up", show=False, id="feed.up"),
    Binding("down,j", "move(1)", "Down", show=False, id="feed.down"),
    Binding("pageup", "move_page(-1)", "Page up", show=False, id="feed.page_up"),
    Binding("pagedown", "move_page(1)", "Page down", show=False, id="feed.page_down"),
    Binding("g,home", "oldest", "Oldest", show=False, id="feed.oldest"),
    Binding("G,end", "newest", "Newest", show=False, id="feed.newest"),
    Binding("left", "slide(-1)", "Left", show=False, id="feed.left"),
    Binding("right", "slide(1)", "Right", show=False, id="feed.right"),
    Binding("n", "match(1)", "Next match", show=False, id="feed.next_match"),
    Binding("N", "match(-1)", "Previous match", show=False, id="feed.previous_match"),
    Binding("escape", "back", "Back", show=False, id="feed.back"),
]
