//! Actions made for the comparison: one for each thing that an action file can say. Each notes what it does, by `note`.

/// Name and text of each file; `DIR` is the side's folder.
pub const FILES: &[(&str, &str)] = &[
    ("tags", TAGS),
    ("own-tags", TAGS),
    ("bancount", "[Definition]\nactionban = note <name> <ip> <bancount> <restored>\n"),
    ("addresses", "[Definition]\nactionban = note <name> <ip> '<F-IP4>' '<F-IP6>'\n"),
    ("counters", COUNTERS),
    ("history", HISTORY),
    (
        "reversed",
        "[Definition]\nactionban = note <name> '<ip-rev>' '<ip-host>'\nactionunban = note <name> '<ip-rev>'\n",
    ),
    ("positional", POSITIONAL),
    ("unquoted", "[Definition]\nactionban = note <name> <ip> <F-USER> end\n"),
    ("nested", NESTED),
    ("conditional", CONDITIONAL),
    ("conditional-early", CONDITIONAL_EARLY),
    ("plain", PLAIN),
    ("plain-late", PLAIN_LATE),
    ("plain-family", PLAIN_FAMILY),
    ("flushing", FLUSHING),
    ("flushing-alike", FLUSHING_ALIKE),
    ("flushing-conditional", FLUSHING_CONDITIONAL),
    ("norestored", NORESTORED),
    ("refuses", REFUSES),
    ("refuses-checked", REFUSES_CHECKED),
    ("once", ONCE),
    ("once-checked", ONCE_CHECKED),
    ("broken", BROKEN),
    ("broken-repaired", BROKEN_REPAIRED),
    ("unrepairable", UNREPAIRABLE),
    ("still-broken", STILL_BROKEN),
    ("keeps", KEEPS),
    ("keeps-repairing", KEEPS_REPAIRING),
    ("keeps-flushing", KEEPS_FLUSHING),
    ("no-start", NO_START),
    ("no-start-late", NO_START_LATE),
    ("slow", SLOW),
    ("slow-stubborn", SLOW_STUBBORN),
    ("slow-allowed", SLOW_ALLOWED),
    ("background", BACKGROUND),
    ("surroundings", SURROUNDINGS),
    ("nowhere", NOWHERE),
    ("loud", LOUD),
];

const TAGS: &str = r#"[Definition]
actionstart = note <name> '<actname>' start '<ip>' '<fid>' '<family>' '<failures>' '<bantime>' '<matches>' '<F-USER>' '<jail.name>'
actionban = note <name> '<actname>' ban '<ip>' '<fid>' '<family>' '<failures>' '<bantime>' '<restored>'
            note <name> '<F-ID>' '<F-HOST>' '<F-NONE>' '<unknown>' '<time>' 'a<br>b<sp>c'
            note <name> '<fq-hostname>' '<sh-hostname>' '<port>' '<protocol>' '<chain>' '<timeout>' '<ipset>'
actionunban = note <name> unban '<ip>' '<fid>' '<family>' '<failures>' '<bantime>' '<restored>'
actionstop = note <name> '<actname>' stop '<ip>' '<fid>' '<family>' '<unknown>'
"#;

const COUNTERS: &str = "[Definition]
actionban = note <name> <ip> <jail.banned> <jail.banned_total> <jail.found> <jail.found_total>
actionunban = note <name> unban <ip> <jail.banned> <jail.banned_total>
";

const HISTORY: &str = r#"[Definition]
actionban = note <name> "<ip>" "<ipmatches>" "<ipjailmatches>" "<ipfailures>" "<ipjailfailures>"
actionunban = note <name> unban "<ip>" "<ipfailures>" "<ipjailfailures>"
"#;

const POSITIONAL: &str = r#"[Definition]
actionban = note <name> ban <ip> "<F-USER>" "<matches>"
            note <name> "$0" "$1" "$2"
            printf '%%s' "<matches>" | while read -r line; do note <name> "$line"; done
actionunban = note <name> unban <ip> "<F-USER>" "$#" "$0" "$1"
"#;

const NESTED: &str = "[Definition]
actionban = note <name> <family> <ip> <x> '<a<b>>' '<twice>' '<odd-<b>>' '<<b>>'
actionunban = note <name> <x> <family>
[Init]
x = four
b = c
ac = nested
ainner = argument
twice = <ac> <x>
[Init?family=inet6]
x = six
";

const CONDITIONAL: &str = "[Definition]
actionstart = note <name> start <which>
actionstop = note <name> stop <which>
actionreload = note <name> reload <which>
actionban = note <name> did ban <which> <ip>
actionunban = note <name> did unban <which> <ip>
[Init]
which = four
[Init?family=inet6]
which = six
";

const CONDITIONAL_EARLY: &str = "[Definition]
actionstart_on_demand = false
actionstart = note <name> start <which>
actionstop = note <name> stop <which>
actionreload = note <name> reload <which>
actionban = note <name> did ban <which> <ip>
actionunban = note <name> did unban <which> <ip>
[Init]
which = four
[Init?family=inet6]
which = six
";

const PLAIN: &str = "[Definition]
actionstart = note <name> <actname> start
actionstop = note <name> <actname> stop
actionreload = note <name> <actname> reload
actionban = note <name> <actname> did ban <ip>
actionunban = note <name> <actname> did unban <ip>
";

const PLAIN_LATE: &str = "[Definition]
actionstart_on_demand = true
actionstart = note <name> start '<family>'
actionstop = note <name> stopped
actionreload = note <name> reload '<family>'
actionban = note <name> did ban <ip>
actionunban = note <name> did unban <ip>
";

const PLAIN_FAMILY: &str = "[Definition]
actionstart = note <name> start '<family>'
actionstop = note <name> stop '<family>'
actionreload = note <name> reload '<family>'
actionban = note <name> did ban <ip> '<family>'
actionunban = note <name> did unban <ip> '<family>'
";

const FLUSHING: &str = "[Definition]
actionstart = note <name> start
actionflush = note <name> flush '<family>'
actionstop = note <name> stop
actionban = note <name> did ban <ip>
actionunban = note <name> did unban <ip>
";

/// The same for all families.
const FLUSHING_ALIKE: &str = "[Definition]
actionflush = note <name> flush
actionban = note <name> did ban <ip>
actionunban = note <name> did unban <ip>
";

const FLUSHING_CONDITIONAL: &str = "[Definition]
actionstart = note <name> start <which>
actionflush = note <name> flush <which> '<family>'
actionstop = note <name> stop <which>
actionban = note <name> did ban <ip>
actionunban = note <name> did unban <ip>
[Init]
which = four
[Init?family=inet6]
which = six
";

const NORESTORED: &str = "[Definition]
norestored = yes
actionban = note <name> did ban <ip> <restored>
actionunban = note <name> did unban <ip> <restored>
";

const REFUSES: &str = "[Definition]
actionstart = note <name> <actname> start
actionstop = note <name> <actname> stop
actionban = note <name> <actname> did ban <ip>; exit 3
actionunban = note <name> <actname> did unban <ip>
";

const REFUSES_CHECKED: &str = "[Definition]
actionstart = note <name> start
actionstop = note <name> stop
actioncheck = note <name> check
actionban = note <name> did ban <ip>; false
actionunban = note <name> did unban <ip>
";

/// Fails once for each address.
const ONCE: &str = "[Definition]
actionstart = note <name> start
actionstop = note <name> stop
actionban = note <name> did ban <ip>; [ -e <dir>/<ip> ] || { touch <dir>/<ip>; false; }
actionunban = note <name> did unban <ip>
";

const ONCE_CHECKED: &str = "[Definition]
actionstart = note <name> start
actionstop = note <name> stop
actioncheck = note <name> check
actionban = note <name> did ban <ip>; [ -e <dir>/<ip> ] || { touch <dir>/<ip>; false; }
actionunban = note <name> did unban <ip>
";

/// What it needs is not there until it is started anew; each start serves for one ban.
const BROKEN: &str = "[Definition]
actionstart = note <name> start; touch <dir>/there
actionstop = note <name> stop; false
actioncheck = note <name> check; [ -e <dir>/there ]
actionban = note <name> did ban <ip>; rm <dir>/there
actionunban = note <name> did unban <ip>; rm <dir>/there
actionflush = note <name> flush; rm <dir>/there
";

const BROKEN_REPAIRED: &str = "[Definition]
actionstart = note <name> start
actionstop = note <name> stop
actionrepair = note <name> repair; touch <dir>/there
actioncheck = note <name> check; [ -e <dir>/there ]
actionban = note <name> did ban <ip>; rm <dir>/there
actionunban = note <name> did unban <ip>; rm <dir>/there
";

const UNREPAIRABLE: &str = "[Definition]
actionstart = note <name> start
actionstop = note <name> stop
actionrepair = note <name> repair; false
actioncheck = note <name> check; false
actionban = note <name> did ban <ip>; false
actionunban = note <name> did unban <ip>
";

const STILL_BROKEN: &str = "[Definition]
actionstart = note <name> start
actionstop = note <name> stop
actioncheck = note <name> check; false
actionban = note <name> did ban <ip>; false
actionunban = note <name> did unban <ip>; false
";

/// What can be banned and not unbanned.
const KEEPS: &str = "[Definition]
actionstart = note <name> start
actionstop = note <name> stop
actioncheck = note <name> check; false
actionban = note <name> did ban <ip>
actionunban = note <name> did unban <ip>; false
";

const KEEPS_REPAIRING: &str = "[Definition]
actionrepair_on_unban = true
actionstart = note <name> start; touch <dir>/there
actionstop = note <name> stop
actioncheck = note <name> check; [ -e <dir>/there ]
actionban = note <name> did ban <ip>
actionunban = note <name> did unban <ip>; rm <dir>/there
";

const KEEPS_FLUSHING: &str = "[Definition]
actionstart = note <name> start
actionstop = note <name> stop
actionban = note <name> did ban <ip>
actionflush = note <name> flush; false
actionunban = note <name> did unban <ip>
";

const NO_START: &str = "[Definition]
actionstart = note <name> starting; false
actionstop = note <name> stopped
actionban = note <name> did ban <ip>
actionunban = note <name> did unban <ip>
";

const NO_START_LATE: &str = "[Definition]
actionstart_on_demand = true
actionstart = note <name> starting; false
actionstop = note <name> stopped
actionban = note <name> did ban <ip>
actionunban = note <name> did unban <ip>
";

/// Of the addresses one is slow: the fourth of its jail.
const SLOW: &str = "[Definition]
actionban = note <name> did ban <ip>; case <ip> in 198.51.100.1[3-9]?|198.51.100.2*) sleep 60; note <name> late;; esac
actionunban = note <name> did unban <ip>
";

const SLOW_STUBBORN: &str = "[Definition]
actionban = note <name> did ban <ip>; trap 'note <name> asked to end; exit 0' TERM
            case <ip> in 198.51.100.1[3-9]?|198.51.100.2*) sleep 60 & wait; note <name> late;; esac
actionunban = note <name> did unban <ip>
";

const SLOW_ALLOWED: &str = "[Definition]
timeout = 1
actionban = note <name> did ban <ip>; case <ip> in 198.51.100.1[3-9]?|198.51.100.2*) sleep 1.5; note <name> late;; esac
actionunban = note <name> did unban <ip>
";

/// A child that outlives the script and keeps its output open.
const BACKGROUND: &str = "[Definition]
actionban = { while [ -d <dir> ] && [ ! -e <dir>/<ip> ]; do sleep 0.1; done; } &
            note <name> did ban <ip>
actionunban = touch <dir>/<ip>; note <name> did unban <ip>
";

const SURROUNDINGS: &str = r#"[Definition]
actionban = note <name> <ip> "$PWD" "$(umask)" "$(cat)" "$(env | cut -d= -f1 | sort | tr '\n' ' ')" "$-" "$#"
            read -r pid _ _ _ group session _ </proc/$$/stat; [ "$pid" = "$group" ] && note <name> leads
"#;

const NOWHERE: &str = "[Definition]
actionstart = /nowhere/start || note <name> start $?
actionstop = /nowhere/stop || note <name> stop $?
actionban = note <name> did ban <ip>; /nowhere/ban <ip>
actionunban = note <name> did unban <ip>; /nowhere/unban <ip>
";

/// One ban prints more than a pipe holds.
const LOUD: &str = "[Definition]
actionban = note <name> did ban <ip>; case <ip> in 198.51.100.1[3-9]?|198.51.100.2*) head -c 100000 /dev/zero; note <name> through;; esac
actionunban = note <name> did unban <ip>
";
