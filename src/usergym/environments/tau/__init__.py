"""Customer service with a policy, tools and a database, after tau-bench: a shop and an airline."""

from usergym.environments.tau.desk import Desk
from usergym.environments.tau.domain import Domain
from usergym.environments.tau.world import Tau as environment

__all__ = ["Desk", "Domain", "environment"]
