"""Answers, for each request on its standard input (JSON, one a line), what fail2ban's own filter makes of the lines in it.

The clock is the one of each line, host names have one address each that tells their name, a search that takes longer
than LIMIT seconds is given up.
"""
import json
import logging
import os
import signal
import sys
import time
import types
import warnings

from fail2ban.client.filterreader import FilterReader
from fail2ban.server import utils
from fail2ban.server.filter import FileContainer, Filter
from fail2ban.server.ipdns import DNSUtils, IPAddr
from fail2ban.server.mytime import MyTime

LIMIT = 1.0
# What fail2ban keeps beside the groups of a match.
OWN = ("matches", "nofail-matches", "mlfpending", "users", "ip")


class TooLong(Exception):
    pass


def give_up(*_):
    raise TooLong()


def resolve(name, *_):
    """The address of a name: an address is its own, as for the resolver."""
    address = IPAddr(name, IPAddr.FAM_IPv6)
    return {address if address.isValid else IPAddr("name " + name, IPAddr.CIDR_RAW)}


logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
signal.signal(signal.SIGALRM, give_up)
utils.time = types.SimpleNamespace(time=lambda: MyTime.time(), sleep=time.sleep)
DNSUtils.dnsToIp = staticmethod(resolve)


def read(file):
    """The rules that a filter file comes to."""
    reader = FilterReader(file["name"], "jail", dict(file["options"]), basedir=file["dir"])
    if not reader.read():
        raise ValueError("no such filter")
    reader.getOptions({})
    rules = {"prefregex": None, "failregex": [], "ignoreregex": [], "datepattern": [], "maxlines": 1}
    for command in reader.convert():
        name, value = command[2], command[3]
        if name in ("addfailregex", "addignoreregex"):
            rules[name[3:]] += value if command[0] == "multi-set" else [value]
        elif name == "datepattern":
            rules[name] = [line.strip() for line in value.split("\n") if line.strip()]
        elif name in rules:
            rules[name] = value
    return rules


def make(request, rules):
    """A filter, set up in the order in which a jail sets one up."""
    made = Filter(None)
    made.setUseDns(request["usedns"])
    if request["logtimezone"]:
        made.setLogTimeZone(request["logtimezone"])
    made.setLogEncoding(request["encoding"])
    made.setMaxLines(rules["maxlines"])
    made.prefRegex = rules["prefregex"]
    for regex in rules["failregex"]:
        made.addFailRegex(regex)
    for regex in rules["ignoreregex"]:
        made.addIgnoreRegex(regex)
    if rules["datepattern"]:
        made.setDatePattern("\n".join(rules["datepattern"]))
    made.setFindTime(request["findtime"])
    made.checkAllRegex = request["tool"]
    made.checkFindTime = not request["tool"]
    made.ignorePending = not request["tool"]
    return made


def hit(made, found):
    number, identity, moment, fail = found
    if made.checkFindTime:
        moment = min(moment, MyTime.time())
    return {
        "regex": number,
        "id": None if identity is None else str(identity),
        "time": moment,
        "nofail": bool(fail.get("nofail")) and not made.checkFindTime,
        "groups": {name: text for name, text in fail.items() if text is not None and name not in OWN},
        "ip": str(fail["ip"]) if "ip" in fail else None,
        "users": sorted(fail.get("users", ())),
        "matches": ["".join(line) for line in fail.get("matches", ())],
    }


def look(made, line):
    MyTime.setTime(line["now"])
    made.inOperation = line["live"]
    ignored = []
    made.onIgnoreRegex = lambda number, _: ignored.append(number)
    text = FileContainer.decode_line("log", made.getLogEncoding(), line["text"].encode("latin-1")).rstrip("\r\n")
    written = line["written"]
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        if written is None:
            found = made.processLine(text)
        else:
            shown = time.strftime("%Y-%m-%dT%H:%M:%S ", time.localtime(written))
            found = made.processLine(("", shown, text), written)
        answer = {"ignored": sorted(ignored), "hits": [hit(made, one) for one in found]}
    except Exception as error:
        answer = {"raised": type(error).__name__}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return answer


for request in map(json.loads, sys.stdin):
    os.environ["TZ"] = request["tz"]
    time.tzset()
    IPAddr.CACHE_OBJ.clear()
    try:
        rules = read(request["file"]) if request["file"] else request["rules"]
        MyTime.setTime(request["lines"][0]["now"] if request["lines"] else 1)
        made = make(request, rules)
        answer = {"rules": rules, "lines": [look(made, line) for line in request["lines"]]}
    except Exception as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
