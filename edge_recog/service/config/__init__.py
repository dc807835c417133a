"""The live classifier's configuration: one TOML file, the environment, secrets in files."""
