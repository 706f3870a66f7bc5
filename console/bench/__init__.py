"""`elexirion bench`: what a step costs, as multiples of what a Kafka hop costs on this machine."""
