"""The laws of physics that the samplers must obey, each with an oracle of its own."""
