"""The ``mmdownsize`` command, a file a subcommand: options, one call into a room, a report."""
