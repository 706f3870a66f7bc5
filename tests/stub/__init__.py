"""A server that speaks the wire formats of Anthropic, Gemini and OpenAI: scripted, and with a ledger of its calls.

`python -m tests.stub --port 0 --ledger FILE` prints one JSON line with its URL when it listens. Beside it listens a
server of raw bytes, for faults below HTTP.
"""
