#!/usr/bin/env bash
# need.sh COMMAND:PACKAGE…   sees to it that the commands are there: root on Debian gets the packages, without any service
# of theirs being started. Anybody else is told what to install, and what comes next goes on without.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

packages=()
for pair in "$@"; do
  command -v "${pair%%:*}" >/dev/null || packages+=("${pair##*:}")
done
[ ${#packages[@]} -gt 0 ] || exit 0

install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${packages[@]}" </dev/null
}

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
  fi
  # A fresh machine has no package lists, or old ones.
  install || { apt-get update -q && install; } && exit 0
fi
echo "not installed: ${packages[*]} (Debian: sudo apt-get install ${packages[*]})" >&2
