import swift_plugins  # noqa: F401
