"""What all benchmarks share: one trainer, the search for settings, tables, pictures, options.

A `problem` says what is trained and measured; `training` trains several networks of one method in
one compiled program; `comparison` runs one method after the other; `report` and `figures` tell the
outcome. `options` and `runtime` are for the command line.
"""
