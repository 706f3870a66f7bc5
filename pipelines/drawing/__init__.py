"""The graph of a pipeline's steps as text, as Mermaid, as SVG: functions of the loaded pipeline alone."""
