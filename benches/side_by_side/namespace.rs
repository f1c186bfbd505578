//! A network and process namespace of the bench's own: nobody's firewall is touched, and whatever was started ends with it.

use std::env;
use std::process::{Command, ExitCode};

/// Where the program stands after [`enter`].
pub enum Entered {
    /// In the namespaces.
    Inside,
    /// Outside, and the program inside has ended like this.
    Outside(ExitCode),
    /// There are none to be had.
    Refused(String),
}

/// Starts this program again in namespaces, with the same words.
pub fn enter(words: &[String]) -> Entered {
    if env::var_os(MARK).is_some() {
        return Entered::Inside;
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--net", "--pid", "--mount-proc", "--fork", "--kill-child"]);
        command
    };
    match unshare().args(["ipset", "list", "-n"]).output() {
        Err(e) => return Entered::Refused(format!("unshare: {e}")),
        Ok(out) if !out.status.success() => {
            return Entered::Refused(String::from_utf8_lossy(&out.stderr).trim().to_owned());
        }
        Ok(_) => {}
    }
    let ended = env::current_exe().and_then(|own| unshare().arg(own).args(words).env(MARK, "1").status());
    match ended {
        Ok(status) => Entered::Outside(ExitCode::from(status.code().unwrap_or(1) as u8)),
        Err(e) => Entered::Refused(e.to_string()),
    }
}

const MARK: &str = "SIPJAIL_BENCH_INSIDE";
