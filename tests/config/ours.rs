//! What is ours alone: the stock tree behind a directory, filters that are borrowed, and files of any kind.

use sipjail::addr::Subnet;
use sipjail::config;
use sipjail::time::Span;

use crate::world::tree;

#[test]
fn a_directory_without_jail_conf_lies_over_the_stock_jails() {
    let dir = tree(&[
        ("jail.local", "[asterisk]\nmaxretry = 77\n[mine]\nenabled = true\nfilter = mine\nlogpath = /var/log/mine\n"),
        ("jail.d/z.conf", "[asterisk]\nfindtime = 77m\n"),
        ("filter.d/mine.conf", "[Definition]\nfailregex = ^mine <HOST>$\n"),
    ]);
    let ours = config::load(dir.path());
    let asterisk = ours.jails.iter().find(|jail| jail.name == "asterisk").expect("it is a stock jail");
    assert_eq!((asterisk.maxretry, asterisk.findtime), (77, Span::from_secs(77 * 60)));
    assert!(!asterisk.filter.failregex.is_empty());
    assert!(ours.jails.iter().all(|jail| jail.subnet == Subnet { v4: 32, v6: 64 } && jail.protect));
    assert!(ours.jails.iter().any(|jail| jail.name == "mine" && jail.filter.failregex.len() == 1));
}

#[test]
fn a_directory_with_jail_conf_decides_alone_and_borrows_filters() {
    let dir = tree(&[(
        "jail.conf",
        "[pbx]\nenabled = true\nfilter = asterisk\nlogpath = /var/log/x\naction = ipset\n[off]\nfilter = nosuch\n",
    )]);
    let ours = config::load(dir.path());
    assert_eq!(ours.problems, []);
    assert_eq!(ours.jails.iter().map(|jail| jail.name.as_str()).collect::<Vec<_>>(), ["pbx"]);
    assert!(!ours.jails[0].filter.failregex.is_empty());
    assert_eq!((ours.jails[0].maxretry, ours.jails[0].maxmatches), (3, 5));
    assert_eq!((ours.jails[0].subnet, ours.jails[0].protect), (Subnet::NONE, false));
}

#[test]
fn a_subnet_that_would_ban_half_a_world_leaves_the_jail_out() {
    for (option, loads) in [
        ("subnet6 = 48", true),
        ("subnet6 = 0", false),
        ("subnet6 = 129", false),
        ("subnet4 = 24", true),
        ("subnet4 = 7", false),
        ("subnet4 = /24", false),
        ("protect = on", true),
    ] {
        let dir = tree(&[("jail.local", &format!("[asterisk]\nenabled = true\n{option}\n"))]);
        let ours = config::load(dir.path());
        assert_eq!(ours.jails.iter().any(|jail| jail.name == "asterisk"), loads, "{option}: {:?}", ours.problems);
    }
}

#[test]
fn hostile_files_never_stop_us() {
    let long = format!("[a]\nenabled = true\nfilter =\nx = {}", "%(x)s".repeat(200_000));
    let wide = format!("[DEFAULT]\nenabled=true\nfilter=f[x={}]\n[a]\n", "<y>".repeat(100_000));
    let texts: [&[u8]; 12] = [
        b"",
        b"\0\0\0",
        b"\xff\xfe[\0a\0",
        b"\xef\xbb\xbf[a]\nenabled = true\n",
        b"[",
        b"[a]\nenabled",
        b"[INCLUDES]\nbefore = jail.conf\n ./jail.conf\n jail.conf\n[a]\nenabled=true\n",
        b"[INCLUDES]\nbefore = /dev/zero\n /\n /proc/self/mem\n%d\n",
        b"[DEFAULT]\nenabled = true\nfilter = %(filter)s\n[a]\n[b]\n[INCLUDES]\n",
        b"[a]\nenabled=true\nfilter=f\nlogpath=\x1b[31m\naction=[[[]]]\nignoreip=%\nbantime=((((((1\n",
        long.as_bytes(),
        wide.as_bytes(),
    ];
    for text in texts {
        for name in ["jail.conf", "jail.local", "fail2ban.conf", "filter.d/f.conf", "filter.d/asterisk.local"] {
            let dir = tree(&[]);
            std::fs::create_dir(dir.path().join("filter.d")).expect("a folder");
            std::fs::write(dir.path().join(name), text).expect("a file");
            let report = sipjail::cli::check::check(sipjail::config::load(dir.path()));
            assert!(!report.text(true).is_empty());
            let _ = config::filter(dir.path(), "f");
        }
    }
}
