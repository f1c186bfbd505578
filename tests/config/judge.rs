//! The judge: fail2ban's own client, and the classes of its server, as they are installed.
//!
//! `SIPJAIL_F2B_CONFIG` (`/etc/fail2ban`) names its tree and `SIPJAIL_F2B_CLIENT` (`fail2ban-client`) its client; with
//! `PYTHONPATH` beside them any other version judges.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;

/// Its tree, or the word that it is not there.
pub fn installed() -> Option<PathBuf> {
    let tree = PathBuf::from(std::env::var_os("SIPJAIL_F2B_CONFIG").unwrap_or("/etc/fail2ban".into()));
    let runs = python().arg(client()).arg("-V").output().is_ok_and(|output| output.status.success());
    if !runs || !tree.join("jail.conf").exists() {
        println!("skipped: fail2ban is not installed");
        return None;
    }
    Some(tree)
}

/// Its version: `1.0.2`.
pub fn version() -> String {
    let output = python().arg(client()).arg("-V").output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What it would tell its server, one line a command; else what it says.
pub fn stream(dir: &Path) -> Result<Vec<String>, String> {
    let output = ask(dir, "-d");
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().filter(|line| !line.contains("WARNING")).collect::<Vec<_>>().join("\n"));
    }
    let text = String::from_utf8(output.stdout).expect("it prints UTF-8");
    Ok(text.lines().filter(|line| line.starts_with('[')).map(str::to_owned).collect())
}

/// Whether it would start with this, as far as its client can tell.
pub fn accepts(dir: &Path) -> bool {
    ask(dir, "-t").status.success()
}

/// What its server says to each of these streams: the error at which it would give up.
pub fn server(streams: &[Vec<String>]) -> Vec<Option<String>> {
    let input: String = streams.iter().map(|stream| stream.join("\n") + "\n\n").collect();
    let output = python().args(["-c", SERVER]).write_stdin(input).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let verdicts: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("verdict ")).collect();
    assert_eq!(verdicts.len(), streams.len(), "{}", String::from_utf8_lossy(&output.stderr));
    verdicts.into_iter().map(|verdict| Some(verdict.to_owned()).filter(|said| said != "fine")).collect()
}

/// Gives every command of each stream to a server of its own that starts no jail and opens no file.
const SERVER: &str = r#"
import ast, sys
from fail2ban.server.server import Server
for stream in sys.stdin.read().split("\n\n")[:-1]:
    transmitter, verdict = Server(False)._Server__transm, "fine"
    for command in map(ast.literal_eval, stream.splitlines()):
        if command[0] in ("start", "config-error") or command[1] in ("logtarget", "syslogsocket"):
            continue
        if command[:2] == ["set", "dbfile"]:
            command[2] = ":memory:"
        failed, reply = transmitter.proceed(command)
        if failed:
            verdict = ascii(reply)
            break
    print("verdict", verdict)
"#;

fn ask(dir: &Path, what: &str) -> Output {
    python().arg(client()).arg("-c").arg(dir).arg(what).output().expect("it runs")
}

fn python() -> Command {
    let mut python = Command::new("/usr/bin/python3");
    python.env("PYTHONIOENCODING", "utf-8");
    python
}

fn client() -> PathBuf {
    PathBuf::from(std::env::var_os("SIPJAIL_F2B_CLIENT").unwrap_or("/usr/bin/fail2ban-client".into()))
}
