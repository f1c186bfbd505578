//! What the two programs can do, in our words.

/// What this is.
pub const WHAT: &str = concat!("sipjail ", env!("CARGO_PKG_VERSION"), ", in place of Fail2Ban v1.0.2");

/// The usage of `fail2ban-client`.
pub fn client() -> String {
    format!("Usage: fail2ban-client [OPTIONS] <COMMAND>\n\n{WHAT}\n\n{OPTIONS}\n{COMMANDS}")
}

/// The usage of `fail2ban-server`.
pub fn server() -> String {
    format!("Usage: fail2ban-server [OPTIONS] [start | <COMMAND of fail2ban-client>]\n\n{WHAT}\n\n{OPTIONS}")
}

const OPTIONS: &str = "Options, before the command:
  -c, --conf DIR            directory of the configuration (/etc/fail2ban)
  -s, --socket FILE         where the server listens
  -p, --pidfile FILE        where the server leaves its pid
      --pname NAME          what the server's process is called (fail2ban-server)
      --loglevel LEVEL      what the server logs
      --logtarget TARGET    where it logs: a file, STDOUT, STDERR, SYSOUT, SYSLOG, SYSTEMD-JOURNAL
      --syslogsocket FILE   socket of the system's logger, or `auto`
  -d                        print the commands that make up the configuration, and end
      --dp, --dump-pretty   the same, long ones on several lines
  -t, --test                check the configuration; with a command: before it
  -i                        read commands from a prompt
  -v                        say more; may be repeated
  -q                        say less
  -x                        start although a dead server left its socket behind
  -b                        start in the background (default)
  -f                        start in the foreground
      --async               start without a configuration: it comes over the socket
      --timeout TIME        how long to wait for a server that starts (30)
      --str2sec TIME        print a length of time in seconds, and end
  -h, --help                print this, and end
  -V                        print the number of the version, and end
      --version             print the version, and end
";

const COMMANDS: &str = "The server:
  start | stop              start it; lift all bans and end it
  restart                   the two, one after the other
  reload [--restart] [--unban] [--all]
                            read the configuration again; jails from their beginning; bans lifted
  reload [--restart] [--unban] [--if-exists] JAIL
                            the same for one jail
  restart [--unban] [--if-exists] JAIL
                            as reload --restart
  ping [SECONDS] | version | echo WORD...
  status [JAIL [FLAVOR]]    its jails, or what a jail found and bans
  banned [IP...]            who is banned where
  unban --all | IP...       lift bans in every jail
  flushlogs                 open the log again, after it was rotated
  get | set loglevel | logtarget | syslogsocket | dbfile | dbmaxmatches | dbpurgeage [VALUE]

A jail:
  add JAIL [BACKEND] | start JAIL | stop JAIL
  set JAIL banip IP... | unbanip [--report-absent] IP... | attempt IP [LINE...]
  set JAIL idle on|off
  set JAIL addignoreip | delignoreip IP...
  set JAIL addlogpath FILE [head|tail] | dellogpath FILE
  set JAIL addjournalmatch | deljournalmatch MATCH...
  set JAIL addfailregex | addignoreregex REGEX | delfailregex | delignoreregex INDEX
  set JAIL findtime | bantime | maxretry | maxmatches | maxlines | usedns | datepattern | logencoding |
           logtimezone | prefregex | ignoreself | ignorecommand | ignorecache | bantime.NAME VALUE
  set JAIL addaction | delaction ACTION | action ACTION PROPERTY VALUE | action ACTION METHOD [JSON]
  get JAIL banned [IP...] | banip [SEPARATOR | --with-time]
  get JAIL logpath | ignoreip | failregex | ignoreregex | journalmatch | actions | any option that can be set
  get JAIL action ACTION PROPERTY | actionproperties ACTION | actionmethods ACTION
";
