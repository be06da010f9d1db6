"""How costs grow: with topics, accounts, the log, backlogs, connections. `python -m bench.growth`.

Each curve is one number against another that is made larger, and becomes an SVG. What costs
the same however large the other grows is a flat line.
"""
