"""Answers, for each request on its standard input (JSON, one a line), what fail2ban's date detector finds."""
import json
import logging
import os
import sys
import time

from fail2ban.server.datedetector import DateDetector
from fail2ban.server.mytime import MyTime

logging.disable(logging.CRITICAL)


def look(detector, line):
    match, template = detector.matchTime(line)
    if match is None:
        return None
    begin, end = match.span(1)
    try:
        date = detector.getTime(line[begin:end], (match, template))
    except Exception:
        date = None
    return [begin, end, None if date is None else date[0]]


for request in map(json.loads, sys.stdin):
    os.environ["TZ"] = request["tz"]
    time.tzset()
    MyTime.setTime(request["now"])
    detector = DateDetector()
    try:
        if not request["patterns"]:
            detector.addDefaultTemplate()
        for pattern in request["patterns"]:
            detector.appendTemplate(pattern)
        if request["logtimezone"]:
            detector.default_tz = request["logtimezone"]
        found = [look(detector, line) for line in request["lines"]]
        # Which of the two forms a name has depends on the seed of Python's hashes.
        names = [t.template.name.replace("Ex%", "%Ex") for t in detector.templates]
        answer = {"lines": found, "templates": [[name, t.hits] for name, t in zip(names, detector.templates)]}
    except Exception as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
