#!/usr/bin/env bash
# What sipjail does, in half a minute and without a PBX: the daemon in a scratch directory, and the logs of PBXs that were
# attacked (tests/fixtures) written there as if it happened now. Root: in a network namespace of its own, with the
# kernel's ipsets. Anybody else: with the dry-run firewall.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
sipjail=$(realpath "${SIPJAIL:-target/release/sipjail}")
dir=$(mktemp -d "${TMPDIR:-/tmp}/sipjail-demo.XXXXXX")
namespace=sipjail-demo-$$ daemon='' reader='' firewall=dryrun inside=()

finish() {
  [ -z "$reader" ] || kill "$reader" 2>/dev/null || true
  [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null && wait "$daemon"; } || true
  [ ${#inside[@]} = 0 ] || ip netns del "$namespace"
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

say() { printf '\n== %s\n' "$*"; }
ask() { "${inside[@]}" "$sipjail" -s "$dir/sock" "$@"; }

# Writes the lines of stdin with the present time in place of the first $1 characters.
now() {
  while IFS= read -r line; do
    printf "$2%s\n" -1 "${line:$1}"
    sleep 0.03
  done
}

if [ "$(id -u)" = 0 ] && command -v iptables >/dev/null && ip netns add "$namespace" 2>/dev/null; then
  inside=(ip netns exec "$namespace") firewall=ipset
fi

mkdir "$dir/conf"
touch "$dir"/{messages,freeswitch.log,sipjail.log}
cat >"$dir/conf/sipjail.conf" <<CONF
[Definition]
socket = $dir/sock
pidfile = $dir/pid
dbfile = $dir/sqlite3
logtarget = $dir/sipjail.log
CONF
cat >"$dir/conf/jail.local" <<CONF
[DEFAULT]
banaction = $firewall
[asterisk]
enabled = true
logpath = $dir/messages
[freeswitch]
enabled = true
logpath = $dir/freeswitch.log
[recidive]
enabled = true
logpath = $dir/sipjail.log
CONF

say "the daemon, firewall \`$firewall\`${inside[0]:+, in a network namespace of its own}"
"${inside[@]}" "$sipjail" run -c "$dir/conf" -s "$dir/sock" </dev/null >"$dir/out" 2>&1 &
daemon=$!
for _ in $(seq 100); do
  ask ping >/dev/null 2>&1 && break
  kill -0 $daemon 2>/dev/null || break
  sleep 0.1
done
ask ping || { cat "$dir/out"; exit 1; }

say "10.77.0.11 and 10.77.0.13 attack; 10.77.0.12 is an office that twice mistypes a password"
tail -n +1 --pid=$daemon -f "$dir/sipjail.log" | grep --line-buffered '\] Ban ' &
reader=$!
grep -E 'failed for|rejected because' tests/fixtures/asterisk-16/messages |
  now 21 '[%(%F %T)T]' >>"$dir/messages"
grep -E 'SIP auth (failure|challenge)' tests/fixtures/freeswitch-1.10.12/freeswitch.log |
  now 26 '%(%F %T)T.000000' >>"$dir/freeswitch.log"
sleep 1
kill "$reader"
reader=''

say 'sipjail status asterisk'
ask status asterisk
say 'sipjail status freeswitch'
ask status freeswitch
say 'sipjail banned'
ask banned
if [ $firewall = ipset ] && command -v ipset >/dev/null; then
  say 'ipset list sipjail4-asterisk'
  "${inside[@]}" ipset list sipjail4-asterisk
fi
say 'sipjail stop'
ask stop
wait "$daemon" || true
daemon=''
