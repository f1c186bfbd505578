//! What is done otherwise than fail2ban does it, and why. A test fails as well when one of these has gone.

/// The action as it stands in its table, and the reason.
pub type Known = (&'static str, &'static str);

/// Other commands, or in another order; the rules are others then, too.
pub const COMMANDS: &[Known] = &[
    (r#"iptables-multiport[port="5060:5080", protocol=udp, blocktype=DROP]"#, ARGUMENT),
    ("nested[x=argument]", ARGUMENT),
    (r#"nginx-block-map[srv_cfg_path="DIR/JAIL", srv_pid="DIR/conf/jail.conf"]"#, FLUSH),
    ("flushing-alike", FLUSH),
    ("bancount", "a restored ban is not counted once more"),
    ("addresses", "the address of a ban by hand is known, too"),
    ("broken[dir=DIR/JAIL]", REPAIR),
    ("still-broken", REPAIR),
    ("keeps-repairing[dir=DIR/JAIL]", REPAIR),
    ("slow-stubborn[timeout=1]", LATE),
    ("loud[timeout=1]", LOUD),
];

/// After a changed configuration was loaded.
pub const RELOADED: &[Known] = &[
    ("plain[actname=kept] -> plain[actname=kept]\n         plain[actname=added]", ADDED),
    ("plain[actname=old] -> plain[actname=new]", ADDED),
    ("plain[actname=kept]\n         plain[actname=removed] -> plain[actname=kept]", REMOVED),
    ("flushing[actname=removed]\n         plain -> plain", REMOVED),
    ("conditional[more=one] -> conditional[more=two]", "stopped as it was and started as it is"),
];

/// What is logged of failing actions.
pub const LOGGED: &[Known] = &[
    ("broken[dir=DIR/JAIL]", REPAIR),
    ("keeps-repairing[dir=DIR/JAIL]", REPAIR),
    ("slow-stubborn[timeout=1]", LATE),
    ("loud[timeout=1]", LOUD),
];

const ADDED: &str = "an action that is new is started and told of the bans; the original drops it";
const REMOVED: &str = "what has gone is stopped before what stays is told of the reload";
const ARGUMENT: &str = "what a jail gives holds for both families, as with 1.1.1; \
                        until the client of 1.0.2 sends its own reading by a reload, which starts the action anew";
const FLUSH: &str =
    "bans that came after a flush are flushed at the end, though the command is the same for both families";
const REPAIR: &str = "an action without families is repaired whole: stopped, started and tried again";
const LATE: &str = "what ran out of time has failed, though it says at its end that all is well";
const LOUD: &str = "what is printed is read while it is printed, so nobody waits for a full pipe";
