"""`elexirion bench`: what a step costs beside a Kafka hop of this machine, and what a worker at rest costs."""
