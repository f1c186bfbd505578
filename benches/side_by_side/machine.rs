//! What the figures were measured on, and what a running process uses of it.

use std::fs;
use std::time::Duration;

/// Kernel, processor, how many, date, load.
pub fn describe() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1)).unwrap_or("?");
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let loads = read("/proc/loadavg");
    let loads = loads.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let date = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
    format!("Linux {}, {cores} × {model}, {date}, load {loads}", read("/proc/sys/kernel/osrelease").trim())
}

/// A running process.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// What its threads, those that still run, have used of the processors.
    pub fn cpu(self) -> Duration {
        let nanos = |stat: String| stat.split(' ').next().and_then(|n| n.parse::<u64>().ok());
        let of = |task: fs::DirEntry| fs::read_to_string(task.path().join("schedstat")).ok().and_then(nanos);
        Duration::from_nanos(self.tasks().filter_map(of).sum())
    }

    /// Memory in use, in bytes.
    pub fn rss(self) -> f64 {
        self.status("VmRSS:") * 1024.0
    }

    /// The most that it ever used.
    pub fn peak(self) -> f64 {
        self.status("VmHWM:") * 1024.0
    }

    pub fn threads(self) -> usize {
        self.tasks().count()
    }

    /// How often one of its threads went to sleep, which is as often as one woke up.
    pub fn sleeps(self) -> f64 {
        let of =
            |task: fs::DirEntry| number(&task.path().join("status").display().to_string(), "voluntary_ctxt_switches:");
        self.tasks().map(of).sum()
    }

    fn tasks(self) -> impl Iterator<Item = fs::DirEntry> {
        fs::read_dir(format!("/proc/{}/task", self.0)).into_iter().flatten().flatten()
    }

    fn status(self, field: &str) -> f64 {
        number(&format!("/proc/{}/status", self.0), field)
    }
}

/// How many processes and threads were ever started in this namespace: the number of the last one.
pub fn last_pid() -> u64 {
    let loads = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    loads.split_whitespace().nth(4).and_then(|pid| pid.parse().ok()).unwrap_or_default()
}

/// The number behind a word at the start of a line.
fn number(path: &str, field: &str) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
    value.and_then(|value| value.parse().ok()).unwrap_or_default()
}
