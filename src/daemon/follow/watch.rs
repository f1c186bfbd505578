//! What directories report (inotify). A hint only: whoever listens looks for himself, and also when nothing is heard.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};

use super::Change;

/// Watches on directories.
pub(super) struct Watch {
    inotify: Option<Inotify>,
    directories: HashMap<WatchDescriptor, PathBuf>,
    /// Every directory is watched and reports every change.
    reliable: bool,
}

/// What was heard.
pub(super) enum Heard<'a> {
    /// Something about a name in a directory.
    Name(&'a Path, &'a OsStr, Change),
    /// Reports were lost, or a directory itself came or went.
    Anything,
}

impl Watch {
    /// Without inotify it hears nothing.
    pub fn new() -> Watch {
        Watch { inotify: Inotify::init().ok(), directories: HashMap::new(), reliable: false }
    }

    /// Watches these directories and no others. Each is asked for anew, so one that took another's place is noticed.
    /// True: some were not watched before, and something may have happened in them unheard.
    pub fn set(&mut self, wanted: &BTreeMap<PathBuf, bool>) -> bool {
        self.reliable = false;
        let Some(inotify) = &mut self.inotify else { return false };
        let mut watches = inotify.watches();
        let mut now = HashMap::new();
        let mut all = true;
        for (directory, content) in wanted {
            let mask = if *content { NAMES | CONTENT } else { NAMES };
            match watches.add(directory, mask) {
                Ok(descriptor) => drop(now.insert(descriptor, directory.clone())),
                Err(error) => all &= error.kind() == ErrorKind::NotFound,
            }
            all &= is_local(directory);
        }
        for gone in self.directories.keys().filter(|descriptor| !now.contains_key(*descriptor)) {
            // It fails if the directory is gone, and the watch with it.
            let _ = watches.remove(gone.clone());
        }
        let new = now.keys().any(|descriptor| !self.directories.contains_key(descriptor));
        self.directories = now;
        self.reliable = all;
        new
    }

    /// Whether whoever listens may sleep long.
    pub fn is_reliable(&self) -> bool {
        self.reliable
    }

    /// What becomes readable when something is heard.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// Tells everything that was reported since the last call; never waits.
    pub fn listen(&mut self, heard: &mut dyn FnMut(Heard<'_>)) {
        let Some(inotify) = &mut self.inotify else { return };
        let mut buffer = [0; 16 * 1024];
        while let Ok(events) = inotify.read_events(&mut buffer) {
            let mut any = false;
            for event in events {
                any = true;
                let itself = EventMask::Q_OVERFLOW | EventMask::IGNORED | EventMask::DELETE_SELF | EventMask::MOVE_SELF;
                match (self.directories.get(&event.wd), event.name) {
                    _ if event.mask.intersects(itself) => heard(Heard::Anything),
                    (Some(directory), Some(name)) => heard(Heard::Name(directory, name, change(event.mask))),
                    _ => {}
                }
            }
            if !any {
                break;
            }
        }
    }
}

fn change(mask: EventMask) -> Change {
    if mask.contains(EventMask::ISDIR) {
        Change::Directories
    } else if mask.contains(EventMask::MODIFY) {
        Change::Content
    } else {
        Change::Files
    }
}

/// Whether all changes in a directory come from this host: network and user-space file systems report only part.
fn is_local(directory: &Path) -> bool {
    rustix::fs::statfs(directory).is_ok_and(|s| !REMOTE.contains(&(s.f_type as u32)))
}

const NAMES: WatchMask = WatchMask::CREATE
    .union(WatchMask::DELETE)
    .union(WatchMask::MOVE)
    .union(WatchMask::DELETE_SELF)
    .union(WatchMask::MOVE_SELF)
    .union(WatchMask::ONLYDIR);

const CONTENT: WatchMask = WatchMask::MODIFY.union(WatchMask::ATTRIB);

/// NFS, SMB, CIFS, SMB2, FUSE, 9p, Ceph, AFS, OCFS2, GFS2 (`statfs(2)`, `linux/magic.h`).
const REMOTE: [u32; 10] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x6573_5546,
    0x0102_1997,
    0x00c3_6400,
    0x5346_414f,
    0x7461_636f,
    0x0116_1970,
];
