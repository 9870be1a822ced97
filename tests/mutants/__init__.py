"""Known defects, planted one at a time: `python -m tests.mutants` shows that each is caught.

The defects are those that samplers of other libraries were found to have, and what a slip of the
pen would make of ours. Each is an entry of the catalogue: a file, a text in it, what to write
instead, and the tests that should fail. They are planted in copies, never in the working tree.
"""
