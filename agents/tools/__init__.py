"""What a model may use while it answers, one file a tool; each works in the folders of its run alone."""
