"""What all runs share about providers: the topic followed, decided about by its owner, and obeyed by each call."""
