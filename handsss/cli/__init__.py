"""The command line: one file per subcommand, each a thin layer over one function below."""
