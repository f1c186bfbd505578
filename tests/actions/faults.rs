//! Actions that cannot be run at all: no file of that name, one without a section, one for Python. What a failing command
//! leads to is compared with the rest, in [`crate::logs`].

use crate::side::{Side, Who};

/// Jails, each with an action of which nothing comes; the last one is sound.
const TREE: &str = "[DEFAULT]
backend = polling
usedns = no
ignoreself = false
logpath = DIR/door.log
enabled = true
filter = door
[missing]
action = nosuch
[empty]
action = empty
[beside]
action = nosuch
         plain
[sound]
action = plain
";

const PLAIN: &str = "[Definition]\nactionban = note <name> did ban <ip>\nactionunban = note <name> did unban <ip>\n";

#[test]
fn a_jail_whose_action_cannot_be_read_protects_all_the_same() {
    let world = tempfile::tempdir().expect("a scratch directory");
    let sides = [Who::Theirs, Who::Ours].map(|who| Side::new(who, &world.path().join(format!("{who:?}"))));
    let [Some(mut theirs), Some(mut ours)] = sides else { return };
    for side in [&mut theirs, &mut ours] {
        let python = if side.who == Who::Ours { "[python]\naction = smtp.py\n" } else { "" };
        side.write("conf/jail.conf", &format!("{TREE}{python}"));
        side.write("conf/action.d/plain.conf", PLAIN);
        side.write("conf/action.d/empty.conf", "[INCLUDES]\n");
        side.start("sound");
        side.ask(&["set", "sound", "banip", "192.0.2.1"]);
        side.noted(&["sound did ban 192.0.2.1".into()], 1);
    }
    // The original has no such jail then; only a jail of which something is left can be asked.
    let output = std::fs::read_to_string(theirs.path("output")).expect("it is there");
    let skipped = |jail: &str| output.contains(&format!("Errors in jail '{jail}'. Skipping"));
    assert_eq!(["missing", "beside", "sound"].map(skipped), [true, true, false], "{output}");
    // Ours bans by itself where nobody else does.
    for (jail, address) in [("missing", "192.0.2.2"), ("beside", "192.0.2.3")] {
        ours.ask(&["set", jail, "banip", address]);
    }
    ours.noted(&["beside did ban 192.0.2.3".into()], 1);
    let in_kernel = ["-q", "test", "sipjail4-missing", "192.0.2.2"];
    ours.until("the kernel's entry", || {
        ours.space.command("ipset").args(in_kernel).status().is_ok_and(|status| status.success())
    });
    for said in [
        "jail.conf:9:10: there is no action `nosuch`; bans go into the kernel's ipsets instead",
        "jail.conf:13:10: there is no action `nosuch`\n",
        "jail.conf:18:10: `smtp.py` is a Python program, which sipjail cannot run; bans go into the kernel's ipsets instead",
    ] {
        assert!(ours.log().contains(said), "{said}: {}", ours.log());
    }
    for side in [&mut theirs, &mut ours] {
        side.stop();
    }
}
