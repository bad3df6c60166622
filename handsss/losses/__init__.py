"""The losses of the method, one function an equation."""
