import swift_plugins  # noqa: F401 - it refuses to run what is no command
