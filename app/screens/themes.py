"""The two themes of our own; Textual's others can be chosen too."""

from textual.theme import Theme

DARK = Theme(
    name="pubsub",
    primary="#4fb3bf",
    secondary="#8fa6d9",
    accent="#e0a95c",
    success="#7bc47f",
    warning="#e5c15a",
    error="#e57373",
    background="#101418",
    surface="#161c22",
    panel="#1f2830",
    dark=True,
    variables={
        "border-blurred": "#3d4954",
        "scrollbar": "#3f7f88",
        "scrollbar-hover": "#4a96a0",
        "scrollbar-background": "#1f2830",
    },
)
LIGHT = Theme(
    name="pubsub-light",
    primary="#00687a",
    secondary="#415a91",
    accent="#9a5b00",
    success="#2e7d32",
    warning="#8a6100",
    error="#b3261e",
    background="#fbfcfd",
    surface="#f2f5f7",
    panel="#e3e9ed",
    dark=False,
    variables={
        "border-blurred": "#b8c2ca",
        "scrollbar": "#4f8a95",
        "scrollbar-hover": "#3d7682",
        "scrollbar-background": "#e3e9ed",
    },
)
