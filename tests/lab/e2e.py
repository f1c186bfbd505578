#!/usr/bin/env python3
"""The whole way, with nothing imitated: attackers on other hosts, a real Asterisk, its log, sipjail beside it, the
kernel of that host. `make e2e` builds the binary and runs this as root; SIPJAIL names another binary.

Hosts (tests/lab/lab.sh): the PBX 10.77.0.1; 10.77.0.11 guesses passwords from one port; 10.77.0.12 is an office phone;
10.77.0.13 runs sipvicious; for 10.77.0.14 to 16 see attacks.py. Each check prints a line; the last line counts them.
"""
import os
import shutil
import signal
import sys
import threading
import time

import attacks
import world
from world import (CACHE, CONF, CRACKER, GUESSER, LOG, OFFICE, PBX, SIPJAIL, SVCRACK, TREE, WORLD, Daemon, answered, check,
                   crack, dropped, established, guess, in_kernel, lab, lines_of, office, office_registers, on, run, until)

# -- the checks -------------------------------------------------------------------------------------------------------

def full_speed_cracker(daemon):
    before = dropped()
    cracker = crack(CRACKER, 3000, 4)
    cracker.wait(30)
    guesses = lines_of(CRACKER)
    check("a cracker at full speed gets at most 7 answers", 0 < guesses <= 7, f"{guesses} answered")
    check("he is banned", CRACKER in daemon.bans() and in_kernel(CRACKER))
    check("his packets are dropped", dropped() > before, f"{dropped() - before} packets")


def established_flow(daemon):
    answer = answered(GUESSER, 5062) and answered(GUESSER, 5062)
    check("the kernel knows the guesser's flow before the ban", answer and established() > 0, f"{established()} packets")
    check("wrong passwords ban him", guess(GUESSER, 5062) and GUESSER in daemon.bans())
    before = dropped()
    check("nothing more comes through on that flow", not answered(GUESSER, 5062))
    check("the rule in raw/PREROUTING counts it", dropped() > before)
    check("nor on another port", not answered(GUESSER))


def unban(daemon):
    daemon.ask("unban", GUESSER)
    check("`unban` frees him at once", answered(GUESSER, 5062) and GUESSER not in daemon.bans())


def restart(daemon):
    guess(GUESSER, 5064)
    before = daemon.bans()[GUESSER]
    asked, answers, gaps, done = 0, 0, 0, threading.Event()

    def knock():
        nonlocal answers
        while not done.is_set():
            answers += answered(GUESSER, seconds=0.05)

    def look():
        nonlocal asked, gaps
        while not done.is_set():
            asked, gaps = asked + 1, gaps + (not in_kernel(GUESSER))

    watchers = [threading.Thread(target=watcher) for watcher in (knock, look)]
    for watcher in watchers:
        watcher.start()
    try:
        daemon.restart()
    finally:
        time.sleep(0.3)
        done.set()
        for watcher in watchers:
            watcher.join(10)
    check("a restart leaves no gap in the kernel's set", asked > 10 and gaps == 0, f"{asked} looks, {gaps} gaps")
    check("nor for a packet", answers == 0)
    check("the ban and its end are as before", daemon.bans().get(GUESSER, {}).get("until") == before["until"])


def rotation(daemon):
    daemon.restart(maxretry=1_000_000)
    daemon.ask("unban", CRACKER)
    rotated = LOG / "messages.1"
    rules = WORLD / "logrotate.conf"
    rules.write_text(f"{LOG}/messages {{\n  rotate 3\n  nocompress\n  postrotate\n"
                     f"    {' '.join(on(PBX))} chroot {TREE} asterisk -C /etc/asterisk.lab/asterisk.conf -rx 'logger reload'\n"
                     "  endscript\n}\n")
    written, found = lines_of(CRACKER), daemon.found()
    cracker = crack(CRACKER, 3000, 6)
    until(lambda: lines_of(CRACKER) > written + 50, 5)
    run("logrotate", "-f", "-s", WORLD / "logrotate.state", rules)
    at_rotation = lines_of(CRACKER, rotated)
    until(lambda: lines_of(CRACKER) > 50, 5)
    cracker.terminate()
    cracker.wait(10)
    time.sleep(0.2)
    written = lines_of(CRACKER, rotated, LOG / "messages") - written
    until(lambda: daemon.found() - found >= written, 5)
    check("a rotation amid the attack loses nothing", daemon.found() - found == written > at_rotation,
          f"{written} lines in two files, {daemon.found() - found} found")


def killed(daemon):
    daemon.restart()
    since = time.monotonic()
    daemon.ask("ban", CRACKER, "--jail", "asterisk", "--for", "6s")
    banned = in_kernel(CRACKER)
    daemon.end(signal.SIGKILL)
    check("a killed daemon leaves the ban", banned and not answered(CRACKER))
    lifted = until(lambda: answered(CRACKER, seconds=0.2), 12)
    took = time.monotonic() - since
    check("and the kernel lifts it at its time", lifted and 4 <= took <= 8, f"after {took:.1f} s of 6")
    daemon.start()
    check("the next daemon keeps the other bans", GUESSER in daemon.bans() and in_kernel(GUESSER))


def events_alone(daemon):
    daemon.ask("unban", GUESSER)
    daemon.restart(backend="ami")
    heard = until(lambda: daemon.events()["connected_since"], 10)
    check("the manager interface lets it in by the challenge", heard, daemon.events()["trouble"] or "")
    banned, written = guess(GUESSER, 5066), lines_of(GUESSER)
    check("its events alone ban a guesser", banned and GUESSER in daemon.bans(), f"{daemon.events()['events']} events")
    check("all are believed, and no file is read", daemon.events()["broken"] == 0 and
          daemon.data("status", "asterisk")["filter"]["files"] == [] and written > 0)
    office("while only events are heard")
    lab("asterisk", TREE, "core restart now", check=False)
    again = until(lambda: (daemon.events()["connected_since"] or heard) != heard, 60)
    check("it is connected again after Asterisk's restart", again and until(office_registers, 30))


def stop(daemon):
    daemon.ask("stop")
    daemon.process.wait(15)
    check("`stop` lifts all bans", answered(GUESSER) and not in_kernel(GUESSER))


# -- the world --------------------------------------------------------------------------------------------------------

def prepare():
    if os.geteuid() != 0:
        sys.exit("e2e: needs root, for network namespaces")
    missing = [tool for tool in ("sipp", "ipset", "iptables", "ip", "logrotate", "debootstrap") if not shutil.which(tool)]
    if missing:
        sys.exit(f"e2e: not installed: {', '.join(missing)} (Debian: apt-get install sip-tester ipset iptables iproute2 "
                 "logrotate debootstrap)")
    if not SIPJAIL.exists():
        sys.exit(f"e2e: no binary at {SIPJAIL}: run `cargo build --release`")
    CACHE.mkdir(parents=True, exist_ok=True)
    lab("chroot", "bullseye", TREE, timeout=900)
    if not SVCRACK.exists():
        run(sys.executable, "-m", "venv", "--clear", CACHE / "venv")
        run(CACHE / "venv/bin/pip", "install", "-q", "sipvicious==0.3.8", timeout=300)
    WORLD.mkdir()


def main():
    prepare()
    daemon = Daemon()
    try:
        lab("net-up", "6")
        run(*on(PBX, "iptables", "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT"))
        lab("asterisk-start", TREE, LOG)
        daemon.configure()
        daemon.start()
        check("Asterisk and sipjail are up", True)
        office("at first")
        full_speed_cracker(daemon)
        office("while the cracker is banned")
        established_flow(daemon)
        unban(daemon)
        restart(daemon)
        office("after the restart")
        rotation(daemon)
        killed(daemon)
        office("after the kill")
        events_alone(daemon)
        attacks.counted_once(daemon)
        attacks.by_the_right_jail(daemon)
        attacks.on_trust(daemon)
        stop(daemon)
    except Exception as error:
        check("the run came to its end", False, f"{type(error).__name__}: {error}")
    finally:
        if daemon.process and daemon.process.poll() is None:
            daemon.end(signal.SIGKILL)
        lab("asterisk-stop", TREE, check=False)
        lab("net-down", check=False)
        if world.failed:
            print(f"logs are kept in {WORLD}", flush=True)
        else:
            shutil.rmtree(WORLD, ignore_errors=True)
    print(f"{world.passed} passed, {world.failed} failed")
    sys.exit(bool(world.failed))


main()
