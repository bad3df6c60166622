"""The HDF5 store: schema, reading, writing, merging."""
