#!/usr/bin/env python3
"""The whole way, with nothing imitated: attackers on other hosts, a real Asterisk, its log, sipjail beside it, the
kernel of that host. `make e2e` builds the binary and runs this as root; SIPJAIL names another binary.

Hosts (tests/lab/lab.sh): the PBX 10.77.0.1; 10.77.0.11 guesses passwords from one port; 10.77.0.12 is an office phone;
10.77.0.13 runs sipvicious. Each check prints a line; the last line counts them.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = ROOT / "target/lab"
TREE = CACHE / "bullseye"
SVCRACK = CACHE / "venv/bin/sipvicious_svcrack"
SIPJAIL = Path(os.environ.get("SIPJAIL", ROOT / "target/release/sipjail"))
WORLD = CACHE / f"e2e-{os.getpid()}"
LOG, CONF, SOCKET = WORLD / "log", WORLD / "conf", WORLD / "sipjail.sock"
PREFIX = f"e2e{os.getpid()}-"
PBX, GUESSER, OFFICE, CRACKER = "10.77.0.1", "10.77.0.11", "10.77.0.12", "10.77.0.13"
HOST = {PBX: "pbx", GUESSER: "a1", OFFICE: "a2", CRACKER: "a3"}
SET = "sipjail4-asterisk"


# -- running things ---------------------------------------------------------------------------------------------------

def run(*command, check=True, timeout=60, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, **more)
    if check and done.returncode != 0:
        raise RuntimeError(f"{command[0]} … {command[-1]}: exit {done.returncode}: {(done.stderr or done.stdout)[-400:]}")
    return done


def lab(*words, **more):
    return run(HERE / "lab.sh", *words, env={**os.environ, "LAB_PREFIX": PREFIX}, **more)


def on(address, *command):
    """The command as one to be run on that host."""
    return ["ip", "netns", "exec", PREFIX + HOST[address], *command]


def until(condition, seconds, pause=0.02):
    """Waits for the condition, not longer than that; its last value."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(pause)
    return value


# -- the daemon -------------------------------------------------------------------------------------------------------

class Daemon:
    process = None

    def configure(self, **jail):
        jail = {"enabled": "true", "logpath": LOG / "messages", "maxretry": 5, "bantime": "10m", "ignoreip": ""} | jail
        options = "".join(f"{name} = {value}\n" for name, value in jail.items())
        CONF.mkdir(parents=True, exist_ok=True)
        (CONF / "jail.local").write_text(f"[asterisk]\n{options}\n[recidive]\nenabled = false\n")
        (CONF / "sipjail.conf").write_text(
            f"[Definition]\nsocket = {SOCKET}\npidfile = {WORLD}/sipjail.pid\ndbfile = {WORLD}/sipjail.sqlite3\n"
            f"logtarget = {WORLD}/sipjail.log\n"
            f"[ami lab]\nusername = sipjail\nsecretfile = {WORLD}/secret\n")
        secret = WORLD / "secret"
        secret.write_text("getout\n")
        secret.chmod(0o600)

    def start(self):
        out = open(WORLD / "sipjail.out", "a")
        self.process = subprocess.Popen(on(PBX, str(SIPJAIL), "run", "-c", str(CONF), "-s", str(SOCKET)),
                                        stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        if not until(lambda: self.ask("ping", check=False).returncode == 0, 15):
            raise RuntimeError(f"the daemon does not answer: {(WORLD / 'sipjail.out').read_text()[-400:]}")

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait(15)

    def restart(self, **jail):
        self.end(signal.SIGTERM)
        self.configure(**jail)
        self.start()

    def ask(self, *words, check=True):
        return run(*on(PBX, SIPJAIL, "-s", SOCKET), *words, check=check)

    def data(self, *words):
        return json.loads(self.ask(*words, "--format", "json").stdout)

    def bans(self):
        return {ban["address"]: ban for ban in self.data("banned")}

    def events(self):
        return self.data("status", "asterisk")["filter"]["events"]

    def found(self):
        return self.data("status", "asterisk")["filter"]["total_failed"]


# -- what happens on the wire -----------------------------------------------------------------------------------------

REGISTER = """\
import socket, sys
source, port, target, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((source, port)); s.settimeout(seconds); port = s.getsockname()[1]
s.sendto(f"REGISTER sip:{target} SIP/2.0\\r\\nVia: SIP/2.0/UDP {source}:{port};branch=z9hG4bK{port}x\\r\\n"
         f"From: <sip:1001@{target}>;tag=1\\r\\nTo: <sip:1001@{target}>\\r\\nCall-ID: probe-{port}\\r\\nCSeq: 1 REGISTER\\r\\n"
         f"Contact: <sip:1001@{source}:{port}>\\r\\nMax-Forwards: 70\\r\\nContent-Length: 0\\r\\n\\r\\n".encode(), (target, 5060))
try:
    print(s.recv(4096).split(b"\\r\\n")[0].decode())
except TimeoutError:
    sys.exit(1)
"""


def answered(source, port=0, seconds=0.5):
    """Whether a REGISTER from there gets an answer at all."""
    return run(*on(source, sys.executable, "-c", REGISTER, source, str(port), PBX, str(seconds)), check=False).returncode == 0


def sipp(source, accounts, calls, *more, timeout=30):
    return subprocess.Popen(
        on(source, "sipp", "-sf", str(HERE / "sipp/register.xml"), "-inf", str(HERE / f"sipp/{accounts}.csv"), "-nostdin",
           "-m", str(calls), "-i", source, "-timeout", str(timeout), *more, f"{PBX}:5060"),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=WORLD)


def office_registers():
    return sipp(OFFICE, "good", 1, "-p", "5060", timeout=5).wait(20) == 0


def guess(source, port, calls=8):
    """Wrong passwords, from one port: ten calls a second until they are no longer answered."""
    phone = sipp(source, "bad", calls, "-p", str(port), "-r", "10", "-max_retrans", "2", timeout=10)
    banned = until(lambda: in_kernel(source), 10)
    phone.terminate()
    phone.wait(10)
    return banned


def crack(source, guesses, seconds):
    return subprocess.Popen(
        on(source, "timeout", str(seconds), str(SVCRACK), "-u", "1001", "-r", f"1-{guesses}", PBX),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=WORLD)


def lines_of(source, *files):
    """Failed logins from there, as Asterisk wrote them down: each is a guess that it answered."""
    text = "".join(f.read_text(errors="replace") for f in files or [LOG / "messages"] if f.exists())
    return sum(f"failed for '{source}:" in line and "Failed to authenticate" in line for line in text.splitlines())


# -- what the kernel says ---------------------------------------------------------------------------------------------

def in_kernel(address):
    return run(*on(PBX, "ipset", "test", SET, address), check=False).returncode == 0


def dropped():
    """Packets that our rule has dropped."""
    table = run(*on(PBX, "iptables", "-t", "raw", "-nvxL", "PREROUTING")).stdout
    return sum(int(line.split()[0]) for line in table.splitlines() if "match-set sipjail" in line)


def established():
    """Packets that the kernel counted as belonging to a flow that it knew."""
    table = run(*on(PBX, "iptables", "-nvxL", "INPUT")).stdout
    return sum(int(line.split()[0]) for line in table.splitlines() if "ESTABLISHED" in line)


# -- the checks -------------------------------------------------------------------------------------------------------

passed = failed = 0
stopwatch = time.monotonic()


def check(what, good, detail=""):
    global passed, failed, stopwatch
    now = time.monotonic()
    passed, failed = passed + bool(good), failed + (not good)
    print(f"{'ok    ' if good else 'FAILED'} {what}{f' ({detail})' if detail != '' else ''} [{now - stopwatch:.1f} s]", flush=True)
    stopwatch = now


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


def office(when):
    check(f"the office phone registers {when}", office_registers())


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
        lab("net-up", "3")
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
        stop(daemon)
    except Exception as error:
        check("the run came to its end", False, f"{type(error).__name__}: {error}")
    finally:
        if daemon.process and daemon.process.poll() is None:
            daemon.end(signal.SIGKILL)
        lab("asterisk-stop", TREE, check=False)
        lab("net-down", check=False)
        if failed:
            print(f"logs are kept in {WORLD}", flush=True)
        else:
            shutil.rmtree(WORLD, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(bool(failed))


main()
