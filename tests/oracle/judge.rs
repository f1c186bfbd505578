//! fail2ban itself, as installed, behind a pipe: requests and answers are JSON, one a line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A Python that runs one of our scripts over fail2ban's classes; ends with the test.
pub struct Judge {
    /// fail2ban's.
    pub version: String,
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Judge {
    /// Starts `script`, or says that no Python here has fail2ban.
    #[expect(clippy::disallowed_methods, reason = "the original is a program")]
    pub fn start(script: &str) -> Option<Judge> {
        let version = |python: &'static str| {
            let probe = Command::new(python).args(["-c", PROBE]).stderr(Stdio::null()).output().ok()?;
            probe.status.success().then(|| (python, String::from_utf8_lossy(&probe.stdout).trim().to_owned()))
        };
        let Some((python, version)) = ["python3", "/usr/bin/python3"].into_iter().find_map(version) else {
            println!("skipped: no Python that has fail2ban");
            return None;
        };
        let mut child = Command::new(python)
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Some(Judge { version, child, requests, answers })
    }

    /// The answers, while the requests are still being written.
    pub fn ask(&mut self, requests: &[Value]) -> Vec<Value> {
        let input = self.requests.as_mut().expect("it runs");
        let answers = &mut self.answers;
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                requests.iter().try_for_each(|request| writeln!(input, "{request}"))?;
                input.flush()
            });
            let mut answer = || {
                let mut line = String::new();
                answers.read_line(&mut line).expect("fail2ban answers");
                serde_json::from_str(&line).expect("fail2ban stopped")
            };
            let all = requests.iter().map(|_| answer()).collect();
            writer.join().expect("no panic").expect("fail2ban reads");
            all
        })
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        drop(self.requests.take());
        let _status = self.child.wait();
    }
}

const PROBE: &str = "import fail2ban.server.datedetector, fail2ban.version; print(fail2ban.version.version)";
