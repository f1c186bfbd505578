//! A ban that grows: the original tells its actions the length before, and the new one by `actionprolong` once it knows;
//! ours knows it before.

use crate::recorder;
use crate::scenario::{Jail, write_tree};
use crate::side::{Side, Who};

#[test]
fn a_ban_that_grows_is_told_with_its_length_at_once_or_prolonged() {
    let world = tempfile::tempdir().expect("a scratch directory");
    for who in [Who::Theirs, Who::Ours] {
        let Some(mut side) = Side::new(who, &world.path().join(format!("{who:?}"))) else { return };
        let jail = Jail {
            name: "jail001".into(),
            number: 1,
            action: "grown".into(),
            written: "grown".into(),
            more: "bantime = 1\nbantime.increment = true\nbantime.multipliers = 1 8\n",
            drops_udp: false,
        };
        side.write("conf/action.d/grown.conf", GROWN);
        write_tree(&side, std::slice::from_ref(&jail));
        side.start("jail001");
        let (address, noted) = (jail.v4(1), |what: &str| side.noted(&[format!("jail001 {what}")], 1));
        side.ask(&["set", "jail001", "banip", &address]);
        noted(&format!("did ban {address} 1"));
        noted(&format!("unban {address}"));
        side.ask(&["set", "jail001", "banip", &address]);
        noted(&match who {
            Who::Ours => format!("did ban {address} 8"),
            Who::Theirs => format!("prolong {address} 8"),
        });
        side.stop();
        let scripts = recorder::scripts(&side.dir);
        let prolonged = scripts.iter().flat_map(|script| &script.calls).filter(|call| call.words[2] == "prolong");
        assert_eq!(prolonged.count(), usize::from(who == Who::Theirs), "{who:?}");
    }
}

const GROWN: &str = "[Definition]
actionban = note <name> did ban <ip> <bantime>
actionprolong = note <name> prolong <ip> <bantime>
actionunban = note <name> did unban <ip>
";
