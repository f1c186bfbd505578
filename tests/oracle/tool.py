"""Runs fail2ban-regex for each request on its standard input (JSON, one a line) and answers with what it printed."""
import json
import os
import sys

from fail2ban.client.fail2banregex import exec_command_line


def run(words, folder, write):
    os.dup2(write, 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.chdir(folder)
    sys.argv = ["fail2ban-regex", *words]
    try:
        exec_command_line()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except Exception:
        code = 1
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else 1)


for request in map(json.loads, sys.stdin):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        run(request["words"], request["folder"], write)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode("utf-8", "replace")
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps([said, code % 256]), flush=True)
