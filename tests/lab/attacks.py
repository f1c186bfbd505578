"""What is told in several places counts once; each kind of attack ends in a ban by the jail that is there for it; who is on
trust stays connected.

10.77.0.14 walks over extensions, 10.77.0.15 dials numbers without an account, 10.77.0.16 asks for challenges.
"""
import time

from world import (CRACKER, DIALLER, FLOODER, GUESSER, LOG, OFFICE, PBX, SIPJAIL, SVWAR, WALKER, check, crack, in_kernel,
                   lines_of, office, office_registers, on, run, sipp, until)

SECURITY = LOG / "security"
FAILURES = ("InvalidPassword", "ChallengeResponseFailed", "InvalidAccountID")


def security_of(source):
    """SecurityEvents of failed logins from there."""
    lines = SECURITY.read_text(errors="replace").splitlines()
    return sum(f"/{source}/" in line and any(f'SecurityEvent="{kind}"' in line for kind in FAILURES) for line in lines)


def notices_of(source):
    """Failed logins of either channel, as `messages` has them."""
    lines = (LOG / "messages").read_text(errors="replace").splitlines()
    return sum(f"failed for '{source}:" in line for line in lines)


def hears(daemon):
    return until(lambda: daemon.events()["connected_since"], 10)


def counted_once(daemon):
    """`messages`, `security` and the manager interface at once."""
    daemon.restart(backend="ami[logs=yes]", logpath_also=SECURITY, dedupe="true", maxretry=1_000_000)
    daemon.ask("unban", "--all")
    hears(daemon)
    before = notices_of(GUESSER), security_of(GUESSER), daemon.found(), daemon.events()["events"]
    # PJSIP: one request with a wrong password each; an unknown account, of which it says so at both requests, and at the
    # second in two ways. chan_sip, which names no Call-ID: one request with a wrong password each.
    for accounts, port, source_port in [("bad", 5060, 5067), ("peer", 5060, 5068), ("peer", 5070, 5069)]:
        sipp(GUESSER, accounts, 6, "-p", str(source_port), "-r", "4", timeout=10, port=port).wait(30)
    tries, told = 6 + 2 * 6 + 6, 6 + 3 * 6 + 6
    until(lambda: daemon.found() - before[2] >= tries, 10)
    # What would count twice had its time too.
    time.sleep(2)
    notices, security = notices_of(GUESSER) - before[0], security_of(GUESSER) - before[1]
    found, events = daemon.found() - before[2], daemon.events()["events"] - before[3]
    check("what two logs and the manager interface tell of counts once",
          found == tries and notices == security == told <= events,
          f"{tries} tries: {notices} lines in messages, {security} in security, {events} events, {found} failures")


DIAL = """\
import socket, sys
source, target = sys.argv[1:3]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((source, 0)); port = s.getsockname()[1]
for n, prefix in enumerate(["00", "900", "9900", "011", "9011", "000"]):
    number = prefix + "972599580679"
    s.sendto(f"INVITE sip:{number}@{target} SIP/2.0\\r\\nVia: SIP/2.0/UDP {source}:{port};branch=z9hG4bK{port}x{n}\\r\\n"
             f"From: <sip:100@{source}>;tag={n}\\r\\nTo: <sip:{number}@{target}>\\r\\nCall-ID: dial-{port}-{n}\\r\\n"
             f"CSeq: 1 INVITE\\r\\nContact: <sip:100@{source}:{port}>\\r\\nMax-Forwards: 70\\r\\n"
             f"Content-Length: 0\\r\\n\\r\\n".encode(), (target, 5070))
    s.settimeout(1)
    try:
        s.recv(4096)
    except TimeoutError:
        pass
"""

REGISTERS = """\
import socket, sys
source, target, first, step, count = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((source, 0)); s.settimeout(0.2); port = s.getsockname()[1]
for n in range(count):
    account = first + step * n
    s.sendto(f"REGISTER sip:{target} SIP/2.0\\r\\nVia: SIP/2.0/UDP {source}:{port};branch=z9hG4bK{port}x{n}\\r\\n"
             f"From: <sip:{account}@{target}>;tag={n}\\r\\nTo: <sip:{account}@{target}>\\r\\nCall-ID: flood-{port}-{n}\\r\\n"
             f"CSeq: 1 REGISTER\\r\\nContact: <sip:{account}@{source}:{port}>\\r\\nMax-Forwards: 70\\r\\n"
             f"Content-Length: 0\\r\\n\\r\\n".encode(), (target, 5060))
    try:
        s.recv(4096)
    except TimeoutError:
        break
"""


def by_the_right_jail(daemon):
    """The stock jails with their own thresholds, over both logs."""
    others = ["asterisk-toll", "asterisk-flood", "sip-mgmt"]
    daemon.restart(others, logpath_also=SECURITY)
    registers = ["python3", "-c", REGISTERS]
    # svwar looks for differences between answers, which chan_sip gives it and PJSIP does not.
    attacks = [
        ("a walk over chan_sip's extensions", WALKER, "asterisk",
         ["timeout", "20", SVWAR, "--force", "-m", "REGISTER", "-p", "5070", "-e", "100-400", PBX]),
        ("a walk over PJSIP's extensions", CRACKER, "asterisk", [*registers, CRACKER, PBX, "100", "1", "300"]),
        ("a run of numbers dialled without an account", DIALLER, "asterisk-toll", ["python3", "-c", DIAL, DIALLER, PBX]),
        ("a flood of REGISTERs", FLOODER, "asterisk-flood", [*registers, FLOODER, PBX, "1001", "0", "2000"]),
    ]
    for what, source, jail, command in attacks:
        run(*on(source, *command), check=False)
        banned = until(lambda: daemon.banned_by(source), 10)
        check(f"{what} ends in a ban by `{jail}`", banned == [jail] and in_kernel(source, jail),
              ", ".join(banned) or "no ban")
    office("beside all of them")


def on_trust(daemon):
    """An office with a phone whose password is of last year, and a cracker in the same minute."""
    probe = run(SIPJAIL, "trusted", "--help", check=False)
    if probe.returncode != 0:
        print("skipped: this sipjail knows no trust", flush=True)
        return
    daemon.restart(logpath_also=SECURITY, dedupe="true", trusttime="6h")
    daemon.ask("unban", "--all")
    office("and is on trust")
    check("`trusted` says so", until(lambda: OFFICE in daemon.ask("trusted").stdout, 10))
    written, answered = notices_of(OFFICE), lines_of(CRACKER)
    cracker = crack(CRACKER, 3000, 6)
    sipp(OFFICE, "stale", 60, "-p", "5080", "-r", "10", timeout=20).wait(30)
    cracker.wait(30)
    stale = notices_of(OFFICE) - written
    check("a stale phone of a trusted office bans nobody", stale == 60 and not daemon.banned_by(OFFICE), f"{stale} failures")
    office("beside the stale phone")
    guesses = lines_of(CRACKER) - answered
    check("a cracker in the same minute is stopped", daemon.banned_by(CRACKER) and in_kernel(CRACKER) and 0 < guesses <= 7,
          f"{guesses} answered")
