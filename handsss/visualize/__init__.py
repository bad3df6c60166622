"""Every picture that the program draws."""
