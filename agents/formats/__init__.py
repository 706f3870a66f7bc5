"""Values as text of JSON, CSV, YAML and XML, and back."""
