"""The contracts: what stands on the topics, and nothing else. Users build on these names and shapes."""
