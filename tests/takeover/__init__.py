"""How soon an orchestrator decides again over a long log: `make takeover`.

The log is a true one: runs that really ran are recorded once and written again under other run ids, with the ids,
numbers and hashes that they would have had, and with snapshots by the writer of the product.
"""
