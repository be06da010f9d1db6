"""The keys of the subscriber's screen; each has an id, so that it can be changed."""

from textual.binding import Binding, BindingType

BINDINGS: list[BindingType] = [
    Binding("s", "subscribe", "Subscribe", id="subscriber.subscribe"),
    Binding("y", "copy_text", "Copy", id="subscriber.copy"),
    Binding(
        "S",
        "subscribe_all",
        "Subscribe from the first message",
        show=False,
        id="subscriber.subscribe_all",
    ),
    Binding("Y", "copy_record", "Copy as JSON", show=False, id="subscriber.copy_record"),
    Binding("ctrl+e", "export", "Export to a file", show=False, id="subscriber.export"),
    Binding("m", "mute", "Mute the topic's count", show=False, id="subscriber.mute"),
    Binding("a", "go_to_unseen", "Oldest unread", show=False, id="subscriber.unseen"),
    Binding("A", "mark_read", "Mark all read", show=False, id="subscriber.mark_read"),
    Binding("t", "change_zone", "Times local/UTC", show=False, id="subscriber.zone"),
    Binding("r", "retry", "Retry now", id="subscriber.retry"),
    Binding("tab", "pane(1)", "Next pane", show=False, id="subscriber.next_pane"),
    Binding("shift+tab", "pane(-1)", "Previous pane", show=False, id="subscriber.last_pane"),
    Binding("1", "go_to_pane(0)", "Topics", show=False, id="subscriber.topics"),
    Binding("2", "go_to_pane(1)", "Messages", show=False, id="subscriber.messages"),
    Binding("3", "go_to_pane(2)", "Detail", show=False, id="subscriber.detail"),
    Binding("escape", "close_detail", "Close the detail", show=False, id="subscriber.close"),
]
