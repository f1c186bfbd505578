//! Network namespaces of a test's own: one where a server works, one for whoever sends to it, and a cable between them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::common::PATIENCE;

/// A namespace that stays as long as this value: a process that waits in it for its input to end.
pub struct Space {
    holder: Child,
}

impl Space {
    /// None where namespaces cannot be made; why is said.
    pub fn new() -> Option<Space> {
        let mut holder = Command::new("unshare")
            .args(["-n", "sh", "-c", "ip link set lo up && echo ready && read -r end"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut said = String::new();
        let _read = BufReader::new(holder.stdout.take().expect("piped")).read_line(&mut said);
        let space = Space { holder };
        (said == "ready\n").then_some(space)
    }

    /// A program to be run in here.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).arg(program);
        command
    }

    /// Runs a program that must succeed, and gives what it printed.
    pub fn run(&self, program: &str, args: &[&str]) -> String {
        let output = self.command(program).args(args).output().expect("it runs");
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same, of a program that may fail: then it printed nothing.
    pub fn ask(&self, program: &str, args: &[&str]) -> String {
        let output = self.command(program).args(args).output().expect("it runs");
        if output.status.success() { String::from_utf8_lossy(&output.stdout).into_owned() } else { String::new() }
    }

    /// Lays a cable to `other` and gives each end its addresses, all in one network.
    pub fn join(&self, own: &[String], other: &Space, theirs: &[String]) {
        let pid = other.holder.id().to_string();
        self.run("ip", &["link", "add", "here", "type", "veth", "peer", "name", "there", "netns", &pid]);
        for (space, device, addresses) in [(self, "here", own), (other, "there", theirs)] {
            let lines = addresses.iter().map(|address| format!("address add {address} dev {device}\n"));
            let lines = lines.map(|line| if line.contains(':') { line.replace('\n', " nodad\n") } else { line });
            let batch = tempfile::NamedTempFile::new().expect("a scratch file");
            std::fs::write(batch.path(), lines.collect::<String>()).expect("written");
            space.run("ip", &["-batch", batch.path().to_str().expect("text")]);
            space.run("ip", &["link", "set", device, "up"]);
        }
    }

    /// A socket that belongs to this namespace, whoever uses it.
    pub fn socket(&self, address: &str) -> UdpSocket {
        let space = File::open(self.path()).expect("it is there");
        std::thread::scope(|scope| {
            let bound = scope.spawn(|| {
                move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).expect("moved");
                UdpSocket::bind(address).expect("bound")
            });
            let socket = bound.join().expect("no panic");
            socket.set_read_timeout(Some(PATIENCE)).expect("set");
            socket
        })
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.id())
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ended = self.holder.kill();
        let _status = self.holder.wait();
    }
}

/// Whether datagrams from `from` reach `to`. `control` is one that gets through, so that nothing has to be waited for.
pub fn arrives(from: &UdpSocket, control: &UdpSocket, to: &UdpSocket) -> bool {
    let goal = to.local_addr().expect("bound");
    let _refused = from.send_to(b"banned", goal);
    control.send_to(b"control", goal).expect("sent");
    let mut arrived = false;
    loop {
        let mut buffer = [0; 16];
        let length = to.recv(&mut buffer).expect("the control arrives");
        match &buffer[..length] {
            b"control" => return arrived,
            _ => arrived = true,
        }
    }
}

/// A pause between two looks at something that comes within milliseconds.
pub fn breathe() {
    std::thread::sleep(Duration::from_millis(20));
}
