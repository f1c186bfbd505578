#!/usr/bin/env bash
# A PBX under attack, in network namespaces of its own: one host `pbx` with a real Asterisk
# (from a Debian tree), and hosts a1..aN on the same bridge. Root; no container engine; traffic stays inside.
#   lab.sh chroot bullseye|sid DIR     make a Debian tree with Asterisk in it (16 / 22); nothing to do if it is there
#   lab.sh net-up [N]                  namespaces ${LAB_PREFIX:-lab-}sw, …pbx (10.77.0.1), …a1.. (10.77.0.11..)
#   lab.sh net-down                    end what runs in them, remove them
#   lab.sh asterisk-start DIR LOGDIR   run that tree's Asterisk inside …pbx, logs in LOGDIR
#   lab.sh asterisk DIR COMMAND…       a command of its console
#   lab.sh asterisk-stop DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
P=${LAB_PREFIX:-lab-}   # so that two runs do not meet

# The mirror that this machine's apt uses for Debian itself; nothing where that cannot be told.
mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' 2>/dev/null |
    grep -E '^https?://.*/debian/?$' | head -n 1 || true
}

on_pbx() { ip netns exec "${P}pbx" "$@"; }

console() { on_pbx chroot "$1" asterisk -C /etc/asterisk.lab/asterisk.conf -rx "$2"; }

add_host() { # name address
  ip netns add "$P$1"
  ip link add "v-$1" netns "${P}sw" type veth peer name eth0 netns "$P$1"
  ip -n "${P}sw" link set "v-$1" master br0
  ip -n "${P}sw" link set "v-$1" up
  ip -n "$P$1" addr add "$2/16" dev eth0
  ip -n "$P$1" link set eth0 up
  ip -n "$P$1" link set lo up
}

namespaces() { ip netns list | awk -v p="$P" 'index($1, p) == 1 {print $1}'; }

case "${1:-}" in
chroot)
  suite=$2 dir=$3
  [ -e "$dir/.complete" ] && exit 0
  eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
  [ -z "${http_proxy:-}" ] || export http_proxy
  rm -rf --one-file-system "$dir"
  mkdir -p "$dir"
  # shellcheck disable=SC2046 # no mirror is no argument
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$dir" $(mirror)
  cp /etc/resolv.conf "$dir/etc/"
  printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
  chmod +x "$dir/usr/sbin/policy-rc.d"
  DEBIAN_FRONTEND=noninteractive chroot "$dir" \
    apt-get install -yq --no-install-recommends asterisk asterisk-modules </dev/null
  rm -rf "$dir"/var/cache/apt/archives/*.deb
  touch "$dir/.complete"
  ;;
net-up)
  ip netns add "${P}sw"
  ip -n "${P}sw" link add br0 type bridge
  ip -n "${P}sw" link set br0 up
  add_host pbx 10.77.0.1
  for i in $(seq 1 "${2:-3}"); do add_host "a$i" "10.77.0.$((10 + i))"; done
  ;;
net-down)
  for ns in $(namespaces); do
    for pid in $(ip netns pids "$ns"); do kill "$pid" 2>/dev/null || true; done
    ip netns del "$ns"
  done
  ;;
asterisk-start)
  dir=$2 log=$3
  mkdir -p "$log"
  rm -rf "$dir/etc/asterisk.lab"
  cp -a "$dir/etc/asterisk" "$dir/etc/asterisk.lab"
  cp "$here"/asterisk-conf/*.conf "$dir/etc/asterisk.lab/"
  major=$(chroot "$dir" asterisk -V | sed 's/[^0-9]*\([0-9]*\).*/\1/')
  [ "$major" -lt 21 ] || rm -f "$dir/etc/asterisk.lab/sip.conf"
  sed -i 's#^\[directories\](!)#[directories]#; s#^astetcdir.*#astetcdir => /etc/asterisk.lab#; s#^astlogdir.*#astlogdir => /var/log/asterisk.lab#' \
    "$dir/etc/asterisk.lab/asterisk.conf"
  mkdir -p "$dir/var/log/asterisk.lab" "$dir/var/run/asterisk" "$dir/proc"
  mountpoint -q "$dir/var/log/asterisk.lab" || mount --bind "$log" "$dir/var/log/asterisk.lab"
  mountpoint -q "$dir/proc" || mount -t proc proc "$dir/proc"
  if ! mountpoint -q "$dir/dev"; then
    mount -t tmpfs -o mode=755 dev "$dir/dev"
    mknod -m 666 "$dir/dev/null" c 1 3
    mknod -m 666 "$dir/dev/zero" c 1 5
    mknod -m 666 "$dir/dev/random" c 1 8
    mknod -m 666 "$dir/dev/urandom" c 1 9
  fi
  on_pbx setsid chroot "$dir" asterisk -C /etc/asterisk.lab/asterisk.conf -f </dev/null >"$log/stdout.log" 2>&1 &
  for _ in $(seq 1 100); do
    console "$dir" 'core waitfullybooted' >/dev/null 2>&1 && { echo up; exit 0; }
    sleep 0.2
  done
  echo "asterisk did not come up, see $log/stdout.log" >&2
  exit 1
  ;;
asterisk)
  console "$2" "${*:3}"
  ;;
asterisk-stop)
  dir=$2
  console "$dir" 'core stop now' || true
  sleep 1
  for m in var/log/asterisk.lab dev proc; do mountpoint -q "$dir/$m" && umount "$dir/$m"; done
  ;;
*)
  sed -n '2,9p' "$0"
  exit 2
  ;;
esac
