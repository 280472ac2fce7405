"""A regular package: a dependency installs one of the same name, which would else be found in its place."""
