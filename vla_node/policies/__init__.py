"""What may be asked for actions: the embedded policy, models run by `engines`, and clients of policy servers."""
