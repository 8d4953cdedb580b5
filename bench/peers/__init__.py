"""Policy servers: our clients and servers against the stock ones of openpi and GR00T, run unmodified as processes.

Nothing of theirs is in this repository. `python -m bench peers --install --openpi DIR --gr00t DIR` makes their
environments in a cache folder; DIR are checkouts of their public repositories, whose files are run as they lie there.
"""
