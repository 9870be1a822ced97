"""What all benchmarks share: one trainer, the search for settings, tables, pictures, options.

`problem` says what is trained, and by which methods; `training` trains several networks of a method
in one compiled program; `comparison` takes one method after the other; `report` and `figures` tell
the outcome. `options` and `runtime` are for the command line, `networks` for several problems.
"""
