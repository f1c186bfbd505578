//! Stand-in programs that note how they were called. Those that can be real in a namespace then are; the others say what
//! the scenario wants.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Noted, and then the real program.
const REAL: &[&str] = &["iptables", "ip6tables", "ipset", "nft", "ip"];

/// Noted, and then nothing, or a fixed answer. `note` is for actions that are there for the test alone.
const PLAYED: &[&str] = &[
    "note",
    "sendmail",
    "mail",
    "whois",
    "curl",
    "wget",
    "dig",
    "geoiplookup",
    "ufw",
    "ss",
    "conntrack",
    "firewall-cmd",
    "shorewall",
    "shorewall6",
    "apf",
    "ipfw",
    "pfctl",
    "nsupdate",
    "nginx",
    "apprise",
];

/// Each call is one write: its process group (one for each script of an action), what it was given to read, its name, its
/// words; and, where these do not tell whose it is, the text of the script's command line.
const SCRIPT: &str = r#"#!/bin/sh
name=${0##*/}
here=${0%/bin/*}
read -r _ _ _ _ group _ </proc/$$/stat
# A number may come again; not begun at the same moment.
begun() { [ $# -gt 19 ] || return 0; shift 19; begun=$1; }
# Who calls from the daemon itself may be in a group whose first process has ended.
read -r stat 2>/dev/null </proc/$group/stat; begun ${stat##*) }
script=
case "$*" in
  *jail[0-9]*|*192.0.2.*|*198.51.100.*|*203.0.113.*|*2001:db8:*) ;;
  *) while read -r line || [ -n "$line" ]; do script="$script$line "; done 2>/dev/null </proc/$group/cmdline;;
esac
input=
case $name in sendmail|mail|apprise|nsupdate|pfctl) [ -t 0 ] || input=$(cat);; esac
printf '%s\0' "$group $begun" "$script" "$input" "$name" "$@" END >>"$here/calls"
while read -r pattern; do
  case "$name $*" in $pattern) echo "$name: told to fail" >&2; exit 1;; esac
done <"$here/fail"
case $name in
  iptables|ip6tables|ipset|nft|ip) PATH=${PATH#*:}; exec "$name" "$@";;
  whois) echo "inetnum of $1";;
  curl) echo '{"result":[{"id":"0123abcd","x":1}],"success":true}';;
  geoiplookup) echo 'GeoIP: ZZ, Nowhere';;
  wget) echo 'Attack Report Insert Successful';;
  dig) echo '"abuse@example.com"';;
  ipfw) echo '00100 allow ip from any to any';;
esac
"#;

/// Marks the end of a call; a word that no call has.
pub const END: &str = "\u{1e}";

/// Puts the stand-ins into `DIR/bin`, which goes in front of a server's PATH.
pub fn install(dir: &Path) {
    let bin = dir.join("bin");
    fs::create_dir_all(&bin).expect("made");
    let program = dir.join("recorder");
    fs::write(&program, SCRIPT.replace("END", END)).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("allowed");
    for name in REAL.iter().chain(PLAYED) {
        symlink(&program, bin.join(name)).expect("linked");
    }
    fs::write(dir.join("calls"), "").expect("written");
    fs::write(dir.join("fail"), "").expect("written");
}

/// One run of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name and its words.
    pub words: Vec<String>,
    /// What it was given to read, if it reads.
    pub input: String,
}

/// The calls of one script, in order.
#[derive(Clone, Debug)]
pub struct Script {
    /// The command line that it was started with, where the calls do not tell whose it is.
    pub text: String,
    pub calls: Vec<Call>,
}

/// All scripts so far in the order of their first calls.
pub fn scripts(dir: &Path) -> Vec<Script> {
    let bytes = fs::read(dir.join("calls")).expect("it is there");
    let text = String::from_utf8_lossy(&bytes);
    let mut all: Vec<Script> = Vec::new();
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for call in text.split_terminator(&format!("{END}\0")) {
        let mut words = call.split_terminator('\0').map(str::to_owned);
        let mut next = || words.next().unwrap_or_default();
        let (group, text, input) = (next(), next(), next());
        let call = Call { words: words.collect(), input };
        match last.get(&group) {
            Some(&at) => all[at].calls.push(call),
            // One that names no group is a script by itself.
            None => {
                if !group.is_empty() {
                    last.insert(group, all.len());
                }
                all.push(Script { text, calls: vec![call] });
            }
        }
    }
    all
}
