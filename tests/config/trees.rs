//! Trees that fail2ban reads, each with a trap or several.

use crate::world::Files;

const F: (&str, &str) = (
    "filter.d/f.conf",
    "[INCLUDES]\nbefore = c.conf\n[DEFAULT]\nfoo = deffoo\n[Definition]\nfailregex = ^a <HOST> <x> <y> <ini> %(y)s <Mode> \
     <MODE> <Sec/a> <Sec/foo> <sec/a> <known/foo> <known/ini> <known/y> <from-c> <c/own> %(from-c)s <backend> <enabled> <maxretry>\n   \
     ^b <HOST> # x\n\n   ^c <HOST> ; x\nignoreregex = D<datepattern> D%(datepattern)s <nosuch/foo> <known/failregex\ndatepattern = ^%%Y %(foo)s\ny = \
     Y<ini>\n[Sec]\na = seca\n[Init]\nini = 99\nmaxlines = 2\n",
);
const C: (&str, &str) =
    ("filter.d/c.conf", "[DEFAULT]\nfrom-c = C%(foo)s<x>\n[c]\nown = own<y>\n[Definition]\ny = old\n");
/// Trees that fail2ban reads.
pub const SOUND: &[(&str, Files<'static>)] = &[
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
    (
        "a list of actions",
        &[
            (
                "jail.conf",
                "[DEFAULT]\nenabled=1\nfilter=\nlogpath=/dev/null\n[j]\naction = a b[x=1]   a[name=j-tcp] a[name=other]\n  a[actname=q, name=zz][y=\"1, \
                 2\"]  [z='\"']\n\n\ta[actname=\"\nnl\", y=2,\n   z=a b]\n[j2]\naction = c.py[x=\"é\", y=1, actname=P] d.py e[bantime=1, timeout=2s]\n[j3]\naction=\n",
            ),
            ("action.d/a.conf", "[Definition]\nactionban = ban <name> <actname> <x> <y> <ip>\n"),
            ("action.d/b.conf", "[Init]\nx=2\ny=3\n"),
            (
                "action.d/e.local",
                "[Definition]\nactionban=<timeout> <bantime> %(bantime)s\n[Init]\ntimeout = 9\nbantime=8\n",
            ),
        ],
    ),
    (
        "the tags of an action",
        &[
            (
                "jail.conf",
                "[j]\nenabled=1\nfilter=\nbantime=1h\nmaxretry=007\nlogpath=/dev/null\nport=1\naction = a[x=X, Y=<x>, port=2] a[x=<matches>, y=, actname=b]\n",
            ),
            ("action.d/c.conf", "[DEFAULT]\nd = dd<x>\n[Definition]\nactionstop = old <x>\n[s]\no = so%(d)s\n"),
            (
                "action.d/a.conf",
                "[INCLUDES]\nbefore = c.conf\n[Definition]\nactionstart = <x> <Y> <y> %(y)s <port> <blocktype> <Z> <s/o> <S/o> <d> <known/z>\n  second \
                 <z>\nactionban = <ip> <matches> <ipmatches> <bantime> <timeout> <bantime.increment> <maxretry> %(bantime)s %(maxretry)s <F-USER> <a b> < \
                 ><<x>>\nactionunban = <actionban> <actionstart>\nactionstop = %(known/actionstop)s <known/actionstop> <name>/<actname>\nactionstart_on_demand = \
                 <z>\nnorestored = ON\nactionrepair_on_unban = maybe\nactionflush =\nother = <x>\nactioncheck = <other> <nosuch>\n[Init]\nz = yes\nblocktype \
                 = 4<x>\nq = %(z)s<x>\n[Init?family=inet6]\nblocktype = 6<x>\nq=6\n",
            ),
        ],
    ),
    (
        "an action in layers",
        &[
            (
                "jail.conf",
                "[j]\nenabled=1\nfilter=\nlogpath=/dev/null\naction = a[actionban=\"P <k>\", actioncheck=] only\n",
            ),
            ("action.d/a.conf", "[Definition]\nactionban = 1\nactionstart = 1\nactionstop=1\n[Init]\nk=1\n"),
            ("action.d/a.d/x.conf", "[Definition]\nactionstart = %(known/actionstart)s2<known/k>\n[Init]\nk=2\n"),
            (
                "action.d/a.local",
                "[Definition]\nactionstop = <known/actionstart>\n[Init]\nk=%(known/k)s3\nactionflush=F\nactionstart=I\n",
            ),
            ("action.d/only.local", "[Definition]\nactionban = L\n[Init]\n"),
        ],
    ),
    (
        "rows of brackets",
        &[
            (
                "jail.conf",
                "[DEFAULT]\nenabled=1\nlogpath=/dev/null\n[j1]\nfilter=f[x=\"1,2\", y='3]4']\n[j2]\nfilter=f[x=1][y=2]\n[j3]\nfilter=f[x=1] [y=2]\n[j4]\nfilter=f[x=a b \
                 c]\n[j5]\nfilter=f[x=\" 1 \"]\n[j6]\nfilter=f[x= 1 ]\n[j7]\nfilter=f[x=1,\n   y=2]\n[j8]\nfilter=f[x=\"a\n   b\"]\n[j9]\nfilter=f[x=,y=2,]\n[j10]\nfilter=f[x=1, \
                 x=2][x=3]\n[j11]\nfilter=f[]\n[j12]\nfilter=f[, ]\n[j13]\nfilter=f[x=\"1]\n[j14]\nfilter=f[x=a[b]\n[j15]\nfilter=f[x=1\"2\", \
                 y-z_w.v=3]\n[j16]\nfilter=f[x=1,,]\n[j17]\nfilter=f[x='it\"s', y=\"it's\"]\n[j18]\nfilter=f[X=1, x.y=2, é=3]\n",
            ),
            ("filter.d/f.conf", "[Definition]\nfailregex = <x>|<y>|%(x)s|<X>|<x.y>|<y-z_w.v>|<é>\nx=dx\ny=dy\n"),
        ],
    ),
    (
        "tags that stand for an address are taken over",
        &[
            ("jail.conf", "[DEFAULT]\nenabled=1\nlogpath=/dev/null\n[j]\nfilter=f\n[k]\nfilter=g[ADDR=P]\n"),
            (
                "filter.d/f.conf",
                "[Definition]\nhost = HH\nfailregex = ^A <HOST> <ADDR> <F-ID>x</F-ID>\n[Init]\naddr = AA\n",
            ),
            ("filter.d/g.conf", "[Definition]\nfailregex = ^A <HOST> <ADDR> <addr> <IP4>\nip4 = 4\n"),
        ],
    ),
    (
        "truth and whole numbers",
        &[
            (
                "jail.conf",
                "[DEFAULT]\nfilter=f\nlogpath=/dev/null\n[a]\nenabled=ON\nignoreself=True\nbantime.increment=1\nbantime.overalljails=yes\nmaxretry=1_0\nmaxmatches= +5 \
                 \n[b]\nenabled=1\nignoreself=maybe\nbantime.increment=\nbantime.overalljails=oui\nmaxretry=007\nmaxmatches=-1\nmaxlines=0_3\n[c]\nenabled=yes\nignoreself=off\nmaxretry=1e3\nmaxmatches=1.5\nmaxlines=x\n[d]\nenabled=true\nmaxretry=\nmaxlines=\n[e]\nenabled=tru\n[f]\nenabled=\n[g]\nenabled=\" \
                 1\"\n[h]\nenabled=TRUE\nmaxretry=9223372036854775807\n",
            ),
            ("filter.d/f.conf", "[Definition]\nfailregex = %(enabled)s <backend>\nmaxlines = 1__0\n"),
        ],
    ),
    (
        "numbers as a filter sees them",
        &[
            (
                "jail.conf",
                "[DEFAULT]\nmaxretry=3\n[j]\nenabled=1\nmaxretry=007\nignoreself=on\nfindtime=1m\nfilter=f\nlogpath=/dev/null\ndatepattern=%(known/late)s\n",
            ),
            (
                "filter.d/f.conf",
                "[DEFAULT]\nmaxretry = D\nignoreself = D\nfindtime=D\n[Definition]\nfailregex = %(maxretry)s %(ignoreself)s %(findtime)s <maxretry> <ignoreself> \
                 <late>\nlate = %(maxretry)s<findtime>\nmaxlines = 07\n",
            ),
        ],
    ),
    (
        "words of journalmatch",
        &[
            (
                "jail.conf",
                "[j]\nenabled=1\nlogpath=/dev/null\nbackend=systemd\nfilter=f[journalmatch=\"A='1 2' + B=3\"]\njournalmatch = _X=1 + _Y=\"a b\"\n   C='x\"y' \
                 D=a\\ b   E=\"q\\\"r\\z\"\n\n  + +\n  F=#1\n  G=''\n",
            ),
            ("filter.d/f.conf", "[Definition]\njournalmatch = Z=1\nfailregex = <logtype>\n"),
        ],
    ),
    (
        "logs",
        &[
            (
                "jail.conf",
                "[DEFAULT]\nenabled=1\nfilter=\nd=%(fail2ban_confpath)s/log\n[j]\nlogpath = %(d)s/*.log tail\n  %(d)s/a.log\n  %(d)s/none head\n  %(d)s/b.log  tail\n  %(d)s/with \
                 blank tail\n  %(d)s/with blank\n  %(d)s/a.log bogus\n  %(d)s/[ab].log ; x\n  # %(d)s/b.log\n  %(d)s/**/c.log\n  %(d)s/?.log head\n  %(d)s/[!a].log\n  \
                 %(d)s/*\n[k]\nlogpath =\n[l]\n[m]\nlogpath=%(d)s/a.log%%\n",
            ),
            ("log/a.log", ""),
            ("log/b.log", ""),
            ("log/with blank", ""),
            ("log/.hidden.log", ""),
            ("log/sub/c.log", ""),
            ("log/sub/deep/c.log", ""),
            ("log/a.log%", ""),
            ("log/old.log.1.gz", ""),
        ],
    ),
    (
        "who is ignored",
        &[(
            "jail.conf",
            "[DEFAULT]\nenabled=1\nfilter=\nlogpath=/dev/null\n[j]\nignoreip = 1.2.3.4,5.6.7.8/8, ,::1\n   name.example\n\n   [2001:db8::]/32 #x ; \
             y\n   10.0.0.0/255.0.0.0 file:/x\n[k]\nignoreip=\n[l]\nignoreip= , \nignorecommand = /bin/x <ip> \"a b\" \
             %%\nignorecache=key=\"<ip>\", max-count=1_0, max-time=5m\nignoreself=false\n",
        )],
    ),
    (
        "ways of reading and their log types",
        &[
            (
                "jail.conf",
                "[DEFAULT]\nenabled=1\nlogpath=/dev/null\nfilter=f\n[a]\nbackend=systemd[journalpath=/x, journalflags=\"1\"]\n[b]\nbackend = SystemD\n[c]\nbackend=polling\nfilter=g\n[d]\nbackend = \
                 systemd \nfilter=g\n[e]\nfilter=f[logtype=short]\nbackend=systemd\n[f]\nfilter=f[logtype=]\nbackend=systemd-x\n[g]\nbackend=\n[h]\nfilter=own\nbackend=systemd\nlogtimezone=UTC+0200\nlogencoding=latin-1\n",
            ),
            (
                "filter.d/f.conf",
                "[DEFAULT]\nlogtype=def\n[Definition]\nfailregex = <logtype> %(logtype)s <lt_<logtype>/x>\n[lt_journal]\nx=J\n[lt_file]\nx=F\n",
            ),
            ("filter.d/g.conf", "[Definition]\nfailregex = <logtype>\n[Init]\nlogtype = I\n"),
            ("filter.d/own.conf", "[Definition]\nfailregex = <logtype>\nlogtype = O\n"),
        ],
    ),
    (
        "names of sections",
        &[
            (
                "jail.conf",
                "[a]b] x\nenabled=1\nfilter=\n[ c ]\nenabled=1\nfilter=\n[d?x=1]\nenabled=1\n[d]\nenabled=1\nfilter=\n[INCLUDES]\nenabled=1\n[KNOWN/d]\nenabled=1\nfilter=\nport=1\n[Definition]\nenabled=1\nfilter=\n[default]\nenabled=1\nfilter=\n[Ä'\"\\]\nenabled=1\nfilter=\nbantime=%(__name__)s\n",
            ),
            ("jail.local", "[z]\nenabled=1\nfilter=\n[d]\nmaxretry=1\n[z?y]\nmaxretry=9\n"),
        ],
    ),
    (
        "memory of one layer, and none of [DEFAULT]",
        &[
            (
                "jail.conf",
                "[DEFAULT]\nfindtime=d\nenabled=1\nfilter=\n[j]\nmaxretry=1\nbantime=%(known/findtime)s|%(default/findtime)s\n",
            ),
            ("jail.d/a.conf", "[j]\nmaxretry=%(known/maxretry)s2\n[DEFAULT]\nfindtime=e\n"),
            ("jail.local", "[j]\nmaxmatches=%(known/maxretry)s\nfindtime=%(known/findtime)s%(known/enabled)s\n"),
            ("jail.d/b.local", "[j]\nignoreip=3\n"),
        ],
    ),
    (
        "ten levels",
        &[(
            "jail.conf",
            "[j]\nenabled=1\nfilter=\nbantime=%(a1)s\na1=%(a2)s\na2=%(a3)s\na3=%(a4)s\na4=%(a5)s\na5=%(a6)s\na6=%(a7)s\na7=%(a8)s\na8=%(a9)s\na9=x%%y\n",
        )],
    ),
    (
        "percent signs",
        &[
            (
                "jail.conf",
                "[DEFAULT]\nenabled=1\nlogpath=/dev/null\np=50%%\n[j]\nfilter=f[x=\"%%Y\", y=\"%%%%d\"]\nbantime=%(p)s %%(p)s %%%%\nignorecommand=%%\naction=a[x=%%, \
                 y=%(p)s]\n[k]\nfilter=f\ndatepattern=%%Y%(P)s\n",
            ),
            ("filter.d/f.conf", "[Definition]\nfailregex = <x> <y> %%\ndatepattern = %%H <x>\n[Init]\nx=%%x\ny=y\n"),
            ("action.d/a.conf", "[Definition]\nactionban = %%s <x> <y>\n"),
        ],
    ),
    (
        "a filter's usedns loses",
        &[
            (
                "jail.conf",
                "[DEFAULT]\nusedns=warn\nenabled=1\nlogpath=/dev/null\n[j]\nfilter=f\n[k]\nfilter=f[usedns=raw]\n",
            ),
            ("jail.d/x.conf", "[l]\nfilter=f\nusedns=\n"),
            ("filter.d/f.conf", "[Definition]\nusedns = no\nprefregex = p\nfailregex = f\nmaxlines = 2\n"),
        ],
    ),
    (
        "the daemon's settings",
        &[
            (
                "fail2ban.conf",
                "[DEFAULT]\nbase=/x\nloglevel = INFO\n[Definition]\nsocket = %(base)s/s\nlogtarget = SYSLOG[facility=auth, format='a']\nsyslogsocket=%(base)s\ndbfile \
                 = None\ndbmaxmatches = 1_0\nallowipv6 = no\nunknown=1\n[Thread]\nstacksize = 064\n",
            ),
            ("fail2ban.d/a.conf", "[Definition]\nloglevel = debug\ndbpurgeage = 7d12h\n"),
            ("fail2ban.local", "[Definition]\nlogtarget = %(known/logtarget)s\npidfile=/p\n"),
            ("jail.conf", "[j]\nenabled=1\nfilter=\n"),
        ],
    ),
    (
        "a daemon without settings",
        &[("fail2ban.conf", "[Thread]\n# nothing\n"), ("jail.conf", "[j]\nenabled=1\nfilter=\n")],
    ),
    (
        "a daemon with wrong numbers",
        &[
            ("fail2ban.conf", "[Definition]\ndbmaxmatches = x\ndbfile = none\n[Thread]\nstacksize = y\n"),
            ("jail.conf", "[j]\nenabled=1\nfilter=\n"),
        ],
    ),
    (
        "loops and twins of includes",
        &[
            (
                "jail.conf",
                "[INCLUDES]\nbefore = jail.conf\n  a.conf\n  none.conf\nafter = b.conf\n  a.conf\n[j]\nenabled=1\nfilter=\nmaxretry=1\n",
            ),
            ("a.conf", "[INCLUDES]\nbefore = b.conf\n[DEFAULT]\nfindtime=a\n[j]\nbantime=a\n"),
            ("a.local", "[INCLUDES]\nafter = ./c.conf\n[j]\nbantime=%(known/bantime)sl\n"),
            ("b.conf", "[INCLUDES]\nbefore = a.conf\nafter = sub/../c.conf\n[j]\nbantime=b%(known/maxretry)s\n"),
            ("c.conf", "[DEFAULT]\nn = c\n[INCLUDES]\nbefore = %(n)s.local\n[j]\nmaxretry=4\n"),
            ("c.local", "[j]\nfindtime=%(known/bantime)s|\n"),
            ("sub/x.conf", ""),
        ],
    ),
    (
        "indents, delimiters and line ends",
        &[
            (
                "jail.conf",
                "[j]\r\nenabled=1\r\n  filter :\r\n    logpath=/dev/null\n bantime = a\n\n\n  b\n ;c\n# d\n  e ; f\n\t g\n findtime=x\n     y\n    z:w\n   v=u\n ignorecommand: /bin/true = 1 : \
                 2\n ignoreip == 1\nMAXRETRY\t=\t7\nlogencoding = a;b #c\nlogtimezone=\x0bx\x0c\u{a0}y\u{a0}\u{3000}\nignorecache = \n   [k]\n   q\n",
            ),
            (
                "jail.local",
                "   [k]\n   enabled=1\n  filter=\n   bantime=1\n      [l]\n[l]\nenabled=1\nfilter=\nbantime=1 ;; 2\nfindtime=;1\nlogencoding= ; 1\n",
            ),
        ],
    ),
    (
        "regexes over several lines",
        &[
            (
                "jail.conf",
                "[DEFAULT]\nenabled=1\nlogpath=/dev/null\n[j]\nfilter=f\nfailregex=\n[k]\nfilter=f\nignoreregex = a\n\n  b\nprefregex = \
                 J\n[l]\nfilter=f[failregex=\"1\n  2\", prefregex=Q, maxlines=5]\nfailregex = 3\nmaxlines=4\n[m]\nfilter=\nfailregex=x\n",
            ),
            (
                "filter.d/f.conf",
                "[Definition]\nfailregex =\n  a\n\n   b\n  <c>\nc = c1\n  c2\nprefregex = p\n  q\ndatepattern = ^x\n\n  y\nmaxlines=2\nignoreregex =\n",
            ),
        ],
    ),
    (
        "case of names",
        &[
            (
                "jail.conf",
                "[DEFAULT]\nFOO=1\n[j]\nEnabled=1\nLogPath=/dev/null\nFilter=f[Failregex=P, MODE=m, Mode=n]\nBanTime=%(Foo)s%(fOO)s\n",
            ),
            (
                "filter.d/f.conf",
                "[Definition]\nFailRegex = <mode> <Mode> <MODE> %(MODE)s <Foo> <S/A> <s/A> <S/a> %(s/a)s\nmode = d\nfoo=f\n[S]\nA = SA\n[s]\nA = sa\n",
            ),
        ],
    ),
    (
        "other sections keep to themselves",
        &[
            ("jail.conf", "[j]\nenabled=1\nlogpath=/dev/null\nfilter=f[x=P]\n"),
            ("filter.d/c.conf", "[Definition]\ny = old%(x)s\n[DEFAULT]\nx=D\n"),
            (
                "filter.d/f.conf",
                "[INCLUDES]\nbefore=c.conf\n[Definition]\nfailregex = <s/a> <s/b> <known/y> <default/x> <DEFAULT/x> <Known/y> <nosuch/x> <s/nosuch> \
                 %(known/y)s\ny=new\n[s]\na = %(x)s %(__name__)s <x>\nb = %(a)s\n",
            ),
        ],
    ),
    (
        "text of all kinds",
        &[(
            "jail.conf",
            "[j]\nenabled=1\nfilter=\nlogpath=/dev/null\nbantime=it's\nfindtime=\"q\"\nignorecommand='\"\\n\t\u{7f}\u{85}\u{ad}\u{200b}\u{feff}é😀\u{e000}\u{2028}x\nlogtimezone=\\'\nlogencoding=\u{1f}a\u{1b}[31m\nignorecache=\u{378}\u{fffd}\u{10ffff}\n",
        )],
    ),
    (
        "empty values",
        &[(
            "jail.conf",
            "[j]\nenabled=1\nfilter=\nbackend=\nmaxmatches=5\nbantime=\nfindtime=\nbantime.maxtime=\nbantime.rndtime=\nbantime.factor=\nbantime.formula=\nbantime.multipliers=\nignorecommand=\nignorecache=\nlogtimezone=\nlogencoding=\nusedns=\nprefregex=\nmaxlines=1\ndatepattern=\njournalmatch=\nfailregex=\nignoreregex=\naction=\n",
        )],
    ),
    (
        "a jail that is left out",
        &[
            (
                "jail.conf",
                "[DEFAULT]\nenabled=1\nlogpath=/dev/null\n[good]\nfilter=\n[a]\nfilter=nosuch\n[b]\nfilter=f [x=1]\n[c]\nfilter=f[ x = 1 ]\n[d]\nfilter=f[x]\n[e]\nfilter=f[x=a]b]\n[g]\nfilter=f[x=\"1\"y='2']\n[h]\nfilter=f[x=1\n[i]\nfilter=f[known/x=5]\n[k]\nfilter=f[x=1,,y=2]\n[l]\nfilter=\naction=nosuch[x=1]\n[m]\nfilter=\naction=a \
                 a[x] nosuch\n[n]\nfilter=\naction=a nosuch a[x]\n[o]\nfilter=f\naction=a [x=1]\n[p]\nfilter=it's\n",
            ),
            ("filter.d/f.conf", "[Definition]\nfailregex=x\n"),
            ("action.d/a.conf", "[Definition]\nactionban=x\n"),
        ],
    ),
    (
        "what only the server minds",
        &[(
            "jail.conf",
            "[DEFAULT]\nenabled=1\nfilter=\naction=\nlogpath=/dev/null\n[a]\nmaxretry=x\n[b]\nlogpath=/dev/null bogus\n[c]\nbackend=nope[x=1]\n[d]\nfailregex=(\n[e]\nignoreip=1.2.3.4/255.0.255.0\n[f]\nfindtime=7 \
             # no\n[g]\nmaxlines=0\n[h]\nbantime.formula=((\n[i]\nignorecache=x\n[k]\nlogtimezone=Mars\n[l]\nusedns=perhaps\n",
        )],
    ),
    (
        "sections in place of a filter's [Definition]",
        &[
            (
                "jail.conf",
                "[DEFAULT]\nenabled=1\nlogpath=/dev/null\n[j]\nfilter=f\n[k]\nfilter=g[failregex=x]\n[l]\nfilter=h\n",
            ),
            ("filter.d/f.conf", "[DEFAULT]\nfailregex=d\n[Init]\nx=1\n"),
            ("filter.d/g.conf", "[DEFAULT]\nfailregex=d\n"),
            (
                "filter.d/h.conf",
                "[DEFAULT]\nfailregex=d<x>%(x)s\nx=X\n[Definition]\n[Init]\nfailregex=I<x>\nignoreregex=i\n",
            ),
        ],
    ),
    (
        "a parameter that is part of a longer name",
        &[
            ("jail.conf", "[j]\nenabled=1\nlogpath=/dev/null\nfilter=f[date=1, patter=2, x=3]\n"),
            ("filter.d/f.conf", "[Definition]\nfailregex=<date><x>\n"),
        ],
    ),
    ("ignored words behind a tab", &[("jail.conf", "[j]\nenabled=1\nfilter=\nignoreip=10.0.0.0/8\t::1\n")]),
    (
        "a filter and an action in another place",
        &[
            ("jail.conf", "[j]\nenabled=1\nfilter=../other/f[x=1]\nlogpath=/dev/null\naction=../other/a[y=2]\n"),
            ("other/f.conf", "[Definition]\nfailregex = ^<x> <HOST>$\n"),
            ("other/f.local", "[Definition]\nignoreregex = ^local\n"),
            ("other/a.conf", "[Definition]\nactionban = <y> <ip>\n"),
            ("filter.d/none.conf", ""),
            ("action.d/none.conf", ""),
        ],
    ),
    (
        "a filter's tag under a condition",
        &[
            (
                "jail.conf",
                "[j]\nenabled=1\nfilter=f\nlogpath=/dev/null\n[k]\nenabled=1\nfilter=f[x=7]\nlogpath=/dev/null\n",
            ),
            (
                "filter.d/f.conf",
                "[Definition]\nfailregex = ^<x> <y> <HOST>$\n[Init]\nx = 1<y>\ny = 3\n[Init?family=inet6]\nx = 2\n",
            ),
        ],
    ),
    (
        "a parameter under a condition",
        &[
            ("jail.conf", "[j]\nenabled=1\nfilter=\naction=a[block=P]\n"),
            (
                "action.d/a.conf",
                "[Definition]\nactionban=<block> %(x)s\nx=1\n[Init]\n[Init?family=inet6]\nblock=6\nother=7\n",
            ),
        ],
    ),
];
