"""What the scenarios have in common: the lab's hosts, the daemon beside the PBX, traffic on the wire, what the kernel says,
and the line that each check prints.
"""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = ROOT / "target/lab"
TREE = CACHE / "bullseye"
SVCRACK, SVWAR = CACHE / "venv/bin/sipvicious_svcrack", CACHE / "venv/bin/sipvicious_svwar"
SIPJAIL = Path(os.environ.get("SIPJAIL", ROOT / "target/release/sipjail"))
WORLD = CACHE / f"e2e-{os.getpid()}"
LOG, CONF, SOCKET = WORLD / "log", WORLD / "conf", WORLD / "sipjail.sock"
PREFIX = f"e2e{os.getpid()}-"
PBX, GUESSER, OFFICE, CRACKER = "10.77.0.1", "10.77.0.11", "10.77.0.12", "10.77.0.13"
WALKER, DIALLER, FLOODER = "10.77.0.14", "10.77.0.15", "10.77.0.16"
HOST = {PBX: "pbx", GUESSER: "a1", OFFICE: "a2", CRACKER: "a3", WALKER: "a4", DIALLER: "a5", FLOODER: "a6"}


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

    def configure(self, others=(), **jail):
        """The jail `asterisk`, and `others` that read both of Asterisk's logs."""
        jail = {"enabled": "true", "logpath": LOG / "messages", "maxretry": 5, "bantime": "10m", "ignoreip": ""} | jail
        options = "".join(f"{name} = {value}\n" for name, value in jail.items())
        CONF.mkdir(parents=True, exist_ok=True)
        others = "".join(f"[{name}]\nenabled = true\nlogpath = {LOG}/messages\nlogpath_also = {LOG}/security\n" for name in others)
        (CONF / "jail.local").write_text(f"[asterisk]\n{options}\n{others}[recidive]\nenabled = false\n")
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

    def restart(self, others=(), **jail):
        self.end(signal.SIGTERM)
        self.configure(others, **jail)
        self.start()

    def ask(self, *words, check=True):
        return run(*on(PBX, SIPJAIL, "-s", SOCKET), *words, check=check)

    def data(self, *words):
        return json.loads(self.ask(*words, "--format", "json").stdout)

    def bans(self):
        return {ban["address"]: ban for ban in self.data("banned")}

    def banned_by(self, address):
        """The jails that ban it."""
        return [ban["jail"] for ban in self.data("banned") if ban["address"] == address]

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


def sipp(source, accounts, calls, *more, timeout=30, port=5060):
    return subprocess.Popen(
        on(source, "sipp", "-sf", str(HERE / "sipp/register.xml"), "-inf", str(HERE / f"sipp/{accounts}.csv"), "-nostdin",
           "-m", str(calls), "-i", source, "-timeout", str(timeout), *more, f"{PBX}:{port}"),
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

def in_kernel(address, jail="asterisk"):
    return run(*on(PBX, "ipset", "test", f"sipjail4-{jail}", address), check=False).returncode == 0


def dropped():
    """Packets that our rule has dropped."""
    table = run(*on(PBX, "iptables", "-t", "raw", "-nvxL", "PREROUTING")).stdout
    return sum(int(line.split()[0]) for line in table.splitlines() if "match-set sipjail" in line)


def established():
    """Packets that the kernel counted as belonging to a flow that it knew."""
    table = run(*on(PBX, "iptables", "-nvxL", "INPUT")).stdout
    return sum(int(line.split()[0]) for line in table.splitlines() if "ESTABLISHED" in line)


# -- checks -----------------------------------------------------------------------------------------------------------

passed = failed = 0
stopwatch = time.monotonic()


def check(what, good, detail=""):
    global passed, failed, stopwatch
    now = time.monotonic()
    passed, failed = passed + bool(good), failed + (not good)
    print(f"{'ok    ' if good else 'FAILED'} {what}{f' ({detail})' if detail != '' else ''} [{now - stopwatch:.1f} s]", flush=True)
    stopwatch = now


def office(when):
    check(f"the office phone registers {when}", office_registers())
