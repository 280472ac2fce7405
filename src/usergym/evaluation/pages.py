"""Templates of HTML pages: what comes from data is escaped, and a name that nobody gave is an error."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def templates(package: str, folder: str = "templates") -> Environment:
    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
