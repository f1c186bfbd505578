//! The configuration against the original: what `fail2ban-client -d` makes of a tree, value for value.
//!
//! Each test says so and passes where fail2ban is not installed.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;
use sipjail::addr::Id;
use sipjail::config::{self, Config, FilterSettings, IgnoreItem, JailSettings, Severity, UseDns};
use sipjail::time::{Bantime, Span};

/// What both programs say of one jail, as text.
#[derive(Clone, Debug, Default, PartialEq)]
struct Jail {
    usedns: String,
    prefregex: Option<String>,
    failregex: Vec<String>,
    ignoreregex: Vec<String>,
    maxlines: String,
    datepattern: Vec<String>,
    journalmatch: usize,
    maxretry: String,
    maxmatches: String,
    findtime: Option<Span>,
    bantime: Option<Bantime>,
    ignoreip: Vec<String>,
    actions: usize,
}

#[test]
fn every_stock_jail_of_fail2ban_reads_the_same() {
    let Some(installed) = installed() else { return };
    let dir = copy(installed);
    write(dir.path(), "jail.local", "[DEFAULT]\nenabled = true\n");
    let (theirs, ours) = (oracle(dir.path()).expect("it reads its own tree"), config::load(dir.path()));
    let jails = ours.jails.len();
    assert!(jails >= 80, "{jails} jails, {:?}", ours.problems);
    same("stock", &theirs, &ours);
    let errors: Vec<_> = ours.problems.iter().filter(|p| p.severity == Severity::Error).collect();
    assert_eq!(errors, [] as [&config::Problem; 0]);
    println!("{jails} jails compared");
}

#[test]
fn every_mode_of_every_filter_reads_the_same() {
    let Some(installed) = installed() else { return };
    let dir = copy(installed);
    let mut text = "[DEFAULT]\nbackend = polling\naction =\nusedns = no\n".to_owned();
    for filter in ["asterisk", "freeswitch", "sshd", "postfix", "dovecot", "recidive", "sendmail-reject", "apache-auth"]
    {
        for (at, options) in [
            "mode=normal",
            "mode=aggressive",
            "mode=ddos",
            "mode=extra",
            "mode=typo",
            "logtype=short",
            "logtype=rfc5424",
            "logtype=bogus",
            "_daemon=x, __prefix_line=\"P \"",
            "failregex=\"^<__prefix_line>x <HOST>\"",
            "datepattern=\"%%Y-%%m\"",
        ]
        .iter()
        .enumerate()
        {
            let name = format!("{filter}-{at}");
            text.push_str(&format!("[{name}]\nenabled = true\nfilter = {filter}[{options}]\nlogpath = /dev/null\n"));
        }
    }
    text.push_str("[journal]\nenabled = true\nfilter = sshd\nbackend = systemd\nlogpath = /dev/null\n");
    write(dir.path(), "jail.conf", &text);
    std::fs::remove_dir_all(dir.path().join("jail.d")).expect("it is there");
    let theirs = oracle(dir.path()).expect("it reads the tree");
    assert_eq!(theirs.len(), 89);
    same("modes", &theirs, &config::load(dir.path()));
}

#[test]
fn hostile_trees_read_the_same() {
    if installed().is_none() {
        return;
    }
    for (name, files) in SOUND {
        let dir = tree(files);
        let theirs = oracle(dir.path()).unwrap_or_else(|said| panic!("{name}: {said}"));
        assert!(!theirs.is_empty(), "{name}");
        same(name, &theirs, &config::load(dir.path()));
    }
}

#[test]
fn what_fail2ban_refuses_is_a_problem() {
    if installed().is_none() {
        return;
    }
    for (name, severity, files) in REFUSED {
        let dir = tree(files);
        assert!(oracle(dir.path()).is_err(), "{name}: fail2ban takes it");
        let ours = config::load(dir.path());
        let worst = ours.problems.iter().map(|p| p.severity).max();
        assert_eq!(worst, Some(*severity), "{name}: {:?}", ours.problems);
        let good = ours.jails.iter().any(|jail| jail.name == "good");
        assert!(good, "{name}: the good jail has gone: {:?}", ours.problems);
        let bad = ours.jails.iter().any(|jail| jail.name == "j");
        assert_eq!(bad, *severity < Severity::Error, "{name}");
    }
}

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

const F: (&str, &str) = (
    "filter.d/f.conf",
    "[INCLUDES]\nbefore = c.conf\n[DEFAULT]\nfoo = deffoo\n[Definition]\nfailregex = ^a <HOST> <x> <y> <ini> %(y)s <Mode> \
     <MODE> <Sec/a> <Sec/foo> <sec/a> <known/foo> <known/ini> <known/y> <from-c> <c/own> %(from-c)s <backend> <enabled> <maxretry>\n   \
     ^b <HOST> # x\n\n   ^c <HOST> ; x\nignoreregex = D<datepattern> D%(datepattern)s <nosuch/foo> <known/failregex\ndatepattern = ^%%Y %(foo)s\ny = \
     Y<ini>\n[Sec]\na = seca\n[Init]\nini = 99\nmaxlines = 2\n",
);
const C: (&str, &str) =
    ("filter.d/c.conf", "[DEFAULT]\nfrom-c = C%(foo)s<x>\n[c]\nown = own<y>\n[Definition]\ny = old\n");
const GOOD: &str = "[good]\nenabled = true\nlogpath = /dev/null\naction = ipset\nfilter =\n";

type Files = &'static [(&'static str, &'static str)];

/// Trees that fail2ban reads.
const SOUND: &[(&str, Files)] = &[
    (
        "tags and parameters",
        &[F, C, ("jail.conf", "[j]\nenabled=1\nfilter=f[x=1, Mode=PM, y=\"<x>\"]\nlogpath=/dev/null\n")],
    ),
    (
        "known values in the jail",
        &[
            F,
            C,
            (
                "jail.conf",
                "[DEFAULT]\nusedns=warn\nfoo=dfoo\nmode=m1\nlogpath=/dev/null\n[j]\nenabled = on\nfilter = f[x=1, Mode=PM]\nfailregex = \
             jail <HOST> <x> %(known/failregex)s\ndatepattern = %(known/x)s %(known/mode)s\nfindtime = %(known/ini)s\nmaxlines=4\n",
            ),
        ],
    ),
    (
        "parameters beside the jail's own options",
        &[
            F,
            C,
            (
                "jail.conf",
                "[j]\nenabled=yes\nlogpath=/dev/null\nfilter = f[failregex=\"P <HOST>\", maxlines=3, datepattern=P, prefregex=P, \
             ignoreregex=\"PI<failregex>\n  PJ\", usedns=no, x=<maxlines>, journalmatch=\"P=1\"]\nfailregex = J <HOST>\nmaxlines = \
             2\nusedns=raw\ndatepattern=J\nprefregex=J\njournalmatch = J=1 + K=2\nignoreregex = JI\n",
            ),
        ],
    ),
    (
        "layers",
        &[
            (
                "jail.conf",
                "[DEFAULT]\nmaxretry=1\nlogpath=/dev/null\n[j]\nenabled=true\nfilter=\nfindtime=1\n[k]\nmaxretry=2\n",
            ),
            ("jail.d/zz.conf", "[j]\nfindtime=%(known/findtime)s2\n"),
            ("jail.d/aa.conf", "[j]\nbantime=aa\n"),
            ("jail.local", "[j]\nbantime=%(findtime)s3\nmaxmatches=%(k/maxretry)s\n"),
            ("jail.d/.hidden.local", "[j]\nbantime=0\n"),
            ("jail.d/y.local", "[DEFAULT]\nmaxretry = 9 ; nine\nenabled = TRUE\n"),
        ],
    ),
    (
        "includes and twins",
        &[
            (
                "jail.conf",
                "[INCLUDES]\nbefore = c.conf\n sub/x.conf\nafter = aft.conf\n none.conf\n[j]\nenabled=true\nfilter=\nmaxretry=%(c)s\nfindtime=%(t)s\nlogpath=/dev/null\n",
            ),
            ("c.conf", "[DEFAULT]\nc=1\nt=1\n"),
            ("c.local", "[DEFAULT]\nc=2\nt=2\n"),
            ("sub/x.conf", "[INCLUDES]\nbefore = ../c.conf\n[DEFAULT]\nt=3\n"),
            ("aft.conf", "[INCLUDES]\nbefore = jail.conf\n[j]\nmaxmatches=7\n"),
        ],
    ),
    (
        "comments, blanks and line ends",
        &[
            (
                "jail.conf",
                "# x\r\n[DEFAULT] ; y\r\n logpath : /dev/null\r\n\r\n[j]\n  enabled = true\n  filter = \
              f\n\t\tMaxRetry: 07\n  datepattern = 9;notcomment\n  bantime = 5 ; note\n; ignoreip = 1\n  ignoreip = 192.0.2.1,192.0.2.2\n   # no\n\n     198.51.100.0/24 ; yes\n      2001:db8::/32\n",
            ),
            (
                "filter.d/f.conf",
                "[Definition]\nfailregex = ^a <HOST>\n\n   \n  # dropped\n  ^b <HOST> # x\n  ^c <HOST> ; x\n\t: d <HOST>\n\
              [x]y] z\nk = 1\n[Definition2]\nk==2\nprefregex= ^p<F-CONTENT>.+</F-CONTENT>$\n",
            ),
        ],
    ),
    (
        "the second pass sees [Init] first",
        &[
            ("jail.conf", "[j]\nenabled=true\nfilter=t\nlogpath=/dev/null\ndatepattern=JJ\n"),
            (
                "filter.d/t.conf",
                "[Definition]\nfailregex = ^a <maxlines> <x-<datepattern>> %(i)s <i> <j>\ndatepattern = FDP\nx-jj = <maxretry>\ni = \
             DEF\nj = DEFj\n[Init]\ni = INI<maxretry>\nk = KK\ndatepattern = IDP\n",
            ),
        ],
    ),
    (
        "a filter in layers, with memory",
        &[
            ("jail.conf", "[j]\nenabled=true\nfilter=t[bad=\"more|<known/bad>\"]\nlogpath=/dev/null\n"),
            ("filter.d/t.conf", "[Definition]\nfailregex = 1<bad> <HOST>\n[Init]\nbad = b\n"),
            ("filter.d/t.d/x.conf", "[Definition]\nfailregex = %(known/failregex)s\n  2<bad> <HOST>\n"),
            ("filter.d/t.local", "[Definition]\nignoreregex = <known/failregex>\n"),
        ],
    ),
    (
        "a filter that is only local, and typos in tags",
        &[
            (
                "jail.conf",
                "[DEFAULT]\nmode=typo\nlogpath=/dev/null\nfilter=%(__name__)s[mode=%(mode)s]\n[j]\nenabled=true\n",
            ),
            (
                "filter.d/j.local",
                "[Definition]\nfailregex = <mdre-<mode>> <HOST> <a b> <> << <x\nmdre-normal = n\nhost = HH\n",
            ),
        ],
    ),
    (
        "hash, percent and quotes",
        &[
            (
                "jail.conf",
                "[j]\nenabled=true\nlogpath=/dev/null\nfilter = f[x=\"a%%b,]c\", y='\"', z=it's][w=1]\n  [v=]\n",
            ),
            (
                "filter.d/f.conf",
                "[Definition]\nfailregex = 100%% <x> <y> <z> <w> <v>. <HOST>$\n   %(y)s%(w)s#;\ndatepattern = %%H <x>\n",
            ),
        ],
    ),
    (
        "sections that refer to each other",
        &[(
            "jail.conf",
            "[DEFAULT]\nusedns = warn\nlogpath = /dev/null\nfilter=\nbar=%(baz)s\n[j5]\nmaxretry=2\nfoo = %(baz)s\nbaz=5\n[j]\nenabled = \
             true\nbaz=7\nmaxretry = %(j5/foo)s\nmaxmatches=%(j5/bar)s\nfindtime=%(j5/maxretry)sm %(default/bar)s\nignoreip=%(j5/usedns)s\n",
        )],
    ),
    (
        "known values of a section that came once or twice",
        &[
            (
                "jail.conf",
                "[j]\nenabled=true\nlogpath=/dev/null\nfilter=f\n[k]\nenabled=true\nlogpath=/dev/null\nfilter=g[a=, B=P]\n",
            ),
            ("filter.d/c.conf", "[DEFAULT]\na=old\n[Definition]\nz=1\n"),
            (
                "filter.d/f.conf",
                "[INCLUDES]\nbefore=c.conf\n[DEFAULT]\na=mid\n[Definition]\na=own\nfailregex=k<known/a>k%(known/a)s <known/z> <known/y>\n",
            ),
            ("filter.d/f.local", "[DEFAULT]\na=late\n"),
            (
                "filter.d/g.conf",
                "[DEFAULT]\na=old\nc=dc\n[Definition]\na=own\nfailregex=k<known/a>k%(known/a)s <A> <a> <B> <b> <C> <c> <d> <D>\n[Init]\nb=ib\nc=ic\nd=\n",
            ),
        ],
    ),
    (
        "a jail that is off may be wrong",
        &[(
            "jail.conf",
            "[j]\nenabled=true\nfilter=\nlogpath=/dev/null\n[off]\nfindtime=%d\nmaxretry=x\naction=%(none)s\n",
        )],
    ),
];

/// Trees that fail2ban refuses as a whole, and how we call it; the jail `j` is left out where it is an error.
const REFUSED: &[(&str, Severity, Files)] = &[
    (
        "no value",
        Severity::Error,
        &[("jail.conf", GOOD), ("jail.local", "[j]\nenabled=true\nfilter=\nfindtime=%(x)s\n")],
    ),
    ("percent", Severity::Error, &[("jail.conf", GOOD), ("jail.local", "[j]\nenabled=true\nfilter=\nfindtime=%d\n")]),
    (
        "circle",
        Severity::Error,
        &[("jail.conf", GOOD), ("jail.local", "[j]\nenabled=true\nfilter=\nfindtime=%(findtime)s\n")],
    ),
    (
        "capital",
        Severity::Error,
        &[("jail.conf", GOOD), ("jail.local", "[j]\nenabled=true\nfilter=\nfindtime=%(Good/filter)s\n")],
    ),
    ("a line alone", Severity::Error, &[("jail.conf", GOOD), ("jail.local", "[j]\nenabled=true\nfilter=\nmaxretry\n")]),
    (
        "a bad filter",
        Severity::Error,
        &[
            ("jail.conf", GOOD),
            ("jail.local", "[j]\nenabled=true\nfilter=f\n"),
            ("filter.d/f.conf", "[Definition]\nfailregex=<failregex>\n"),
        ],
    ),
    (
        "a filter without sections",
        Severity::Error,
        &[("jail.conf", GOOD), ("jail.local", "[j]\nenabled=true\nfilter=f\n"), ("filter.d/f.conf", "failregex=x\n")],
    ),
    (
        "an option twice, which we take",
        Severity::Warning,
        &[
            ("jail.conf", GOOD),
            ("jail.local", "[j]\nenabled=true\nfilter=\nlogpath=/dev/null\naction=ipset\nmaxretry=1\nmaxretry=2\n"),
        ],
    ),
    (
        "a section twice, which we take",
        Severity::Warning,
        &[
            ("jail.conf", GOOD),
            ("jail.local", "[j]\nenabled=true\nfilter=\n[good]\n[j]\nlogpath=/dev/null\naction=ipset\n"),
        ],
    ),
];

fn same(name: &str, theirs: &BTreeMap<String, Jail>, ours: &Config) {
    let found: BTreeMap<String, Jail> = ours.jails.iter().map(|jail| (jail.name.clone(), jail_of(jail))).collect();
    for (jail, expected) in theirs {
        let Some(got) = found.get(jail) else { panic!("{name}: jail `{jail}` is missing: {:#?}", ours.problems) };
        assert_eq!(got, expected, "{name}: jail `{jail}` differs (ours on the left)");
    }
    assert_eq!(found.len(), theirs.len(), "{name}");
}

fn jail_of(jail: &JailSettings) -> Jail {
    let FilterSettings { prefregex, failregex, ignoreregex, datepattern, maxlines, journalmatch, .. } = &jail.filter;
    let texts = |list: &[config::Spanned]| list.iter().map(|s| s.text.clone()).collect();
    Jail {
        usedns: match jail.usedns {
            UseDns::Yes => "yes",
            UseDns::Warn => "warn",
            UseDns::No => "no",
            UseDns::Raw => "raw",
        }
        .to_owned(),
        prefregex: prefregex.as_ref().map(|s| s.text.clone()),
        failregex: texts(failregex),
        ignoreregex: texts(ignoreregex),
        maxlines: (*maxlines).max(1).to_string(),
        datepattern: texts(datepattern),
        journalmatch: journalmatch.len(),
        maxretry: jail.maxretry.to_string(),
        maxmatches: jail.maxmatches.to_string(),
        findtime: Some(jail.findtime),
        bantime: Some(jail.bantime),
        ignoreip: jail
            .ignore
            .list
            .iter()
            .map(|item| match item {
                IgnoreItem::Net(id) => id.to_string(),
                IgnoreItem::Name(name) => name.clone(),
                IgnoreItem::File(path) => path.display().to_string(),
            })
            .collect(),
        actions: jail.actions.len(),
    }
}

/// What `fail2ban-client -d` says of each jail.
fn oracle(dir: &Path) -> Result<BTreeMap<String, Jail>, String> {
    let output = assert_cmd::Command::new("fail2ban-client").arg("-c").arg(dir).arg("-d").output().expect("it runs");
    let said: String =
        String::from_utf8_lossy(&output.stderr).lines().filter(|line| !line.contains("WARNING")).collect();
    if !output.status.success() {
        return Err(said);
    }
    let to_json = "import ast,json,sys\nfor l in sys.stdin:\n  if l[:1]=='[': print(json.dumps(ast.literal_eval(l)))";
    let json = assert_cmd::Command::new("python3").args(["-c", to_json]).write_stdin(output.stdout).output();
    let json = String::from_utf8(json.expect("python runs").stdout).expect("JSON is UTF-8");
    let mut jails = BTreeMap::new();
    for line in json.lines() {
        let words: Vec<Json> = serde_json::from_str(line).expect("it is a list");
        let word = |at: usize| words.get(at).and_then(Json::as_str).unwrap_or_default().to_owned();
        if word(0) == "config-error" {
            return Err(said);
        } else if word(0) == "add" {
            let unset = Jail {
                usedns: "warn".into(),
                maxlines: "1".into(),
                maxretry: "3".into(),
                maxmatches: "5".into(),
                findtime: Some(Span::from_secs(600)),
                bantime: Some(Bantime::For(Span::from_secs(600))),
                ..Jail::default()
            };
            jails.insert(word(1), unset);
        } else if let Some(jail) = jails.get_mut(&word(1)) {
            set(jail, &word(2), words.get(3..).unwrap_or_default());
        }
    }
    Ok(jails)
}

fn set(jail: &mut Jail, option: &str, values: &[Json]) {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let first = values.first().map(text).unwrap_or_default();
    let all = || match values {
        [Json::Array(list)] => list.iter().map(text).collect::<Vec<_>>(),
        values => values.iter().map(text).collect(),
    };
    match option {
        "usedns" => jail.usedns = first,
        "prefregex" => jail.prefregex = Some(first).filter(|text| !text.is_empty()),
        "addfailregex" => jail.failregex.extend(all()),
        "addignoreregex" => jail.ignoreregex.extend(all()),
        "maxlines" => jail.maxlines = first,
        "datepattern" => jail.datepattern = first.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect(),
        "addjournalmatch" => jail.journalmatch += 1,
        "maxretry" => jail.maxretry = first,
        "maxmatches" => jail.maxmatches = first,
        "findtime" => jail.findtime = Span::parse(&first).ok(),
        "bantime" => jail.bantime = Bantime::parse(&first).ok(),
        "addignoreip" => jail.ignoreip = all().iter().map(|word| Id::parse(word).to_string()).collect(),
        "addaction" => jail.actions += 1,
        _ => {}
    }
}

fn installed() -> Option<&'static Path> {
    let found = Path::new("/usr/bin/fail2ban-client").exists() && Path::new("/etc/fail2ban/jail.conf").exists();
    if !found {
        println!("skipped: fail2ban is not installed");
    }
    found.then_some(Path::new("/etc/fail2ban"))
}

fn copy(from: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    copy_into(from, dir.path());
    dir
}

fn copy_into(from: &Path, to: &Path) {
    for entry in from.read_dir().expect("it can be read").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&target).expect("a folder");
            copy_into(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file");
        }
    }
}

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), "fail2ban.conf", "[Definition]\n");
    files.iter().for_each(|(name, text)| write(dir.path(), name, text));
    dir
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}
