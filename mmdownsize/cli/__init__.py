"""The ``mmdownsize`` command, one file a subcommand: options, one call into a room, and the report."""
