#!/usr/bin/env bash
# The documented step between installing the package and using the gyms. Here they are part of it.
set -euo pipefail
usergym envs
echo "Nothing needs to be installed: the gyms come with usergym."
