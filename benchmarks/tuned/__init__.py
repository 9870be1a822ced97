"""Methods compared at equal numbers of gradient evaluations, each at its best settings.

A `problem` says what is trained and measured; `engine` trains several networks of one method in one
compiled program; `comparison` searches every method's settings on validation data, on the same
budget, and trains with the best on fresh seeds; `report` and `figures` tell the outcome.
"""
