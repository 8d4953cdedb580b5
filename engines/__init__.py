"""The only room that knows inference libraries: an `Engine` takes named arrays and returns named arrays."""
