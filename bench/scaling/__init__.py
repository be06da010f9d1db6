"""How much several brokers on one store do, on this machine.

`python -m bench.scaling` prints the table of docs/benchmarks/scaling.md.
"""
