//! What may stand before one and the same message of Asterisk's, by log channel, format and whoever carries the log on.

use std::net::{IpAddr, Ipv6Addr};

/// A message with what Asterisk says about it.
#[derive(Clone, Debug)]
pub struct Message {
    level: String,
    thread: String,
    call: Option<String>,
    file: String,
    text: String,
    /// Who sent what it tells of.
    pub host: Option<IpAddr>,
}

/// One way to write a message down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// A file with `dateformat = %F %T`.
    File,
    /// With Asterisk's own date.
    Dated,
    /// With `%F %T.%3q`.
    Fraction,
    /// `[plain]` of logger.conf, and the console.
    Plain,
    Syslog,
    /// The date of RFC 5424.
    SyslogNew,
    Journal,
    /// Console output that the journal's program wrote into a file as syslog would.
    SyslogConsole,
    Docker,
    DockerPlain,
    Coloured,
    /// As rsyslog writes colours.
    ColouredSyslog,
    DockerColoured,
    /// `[json]` of logger.conf.
    Json,
    DockerJson,
}

impl Message {
    /// Takes a line of the form `[date] LEVEL[thread][C-call] file.c: text` apart.
    pub fn parse(line: &str) -> Option<Message> {
        let rest = line.strip_prefix("[2026-08-20 10:00:00] ")?;
        let (level, rest) = rest.split_once('[')?;
        let (thread, rest) = rest.split_once(']')?;
        let call = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (call, rest) = call.map_or((None, rest), |(call, rest)| (Some(call.to_owned()), rest));
        let (file, text) = rest.strip_prefix(' ')?.split_once(": ")?;
        let plain = level.bytes().all(|b| b.is_ascii_uppercase()) && !file.contains(':');
        let (level, thread, file, text) = (level.into(), thread.into(), file.into(), text.into());
        plain.then_some(Message { level, thread, call, file, text, host: None })
    }

    /// The same with other threads and calls, of a host with an IPv6 address, over other transports.
    pub fn variants(self, host: Option<IpAddr>) -> Vec<Message> {
        let first = Message { host, ..self };
        // An ERROR is not believed with a number of one digit: that fits into a dialled number.
        let few = if first.level == "ERROR" { "12" } else { "1" };
        let call = if first.call.is_some() { None } else { Some("C-0000001a".to_owned()) };
        // What a dialplan says it says in a call.
        let call = if first.file.starts_with("Ext. ") { first.call.clone() } else { call };
        let mut all = vec![Message { thread: few.into(), ..first.clone() }, Message { call, ..first.clone() }];
        if let Some(IpAddr::V4(v4)) = host {
            let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, v4.octets()[3].into());
            let (old, event) = (v4.to_string(), format!("IPV4/UDP/{v4}/"));
            let text = first.text.replace(&event, &format!("IPV6/UDP/{v6}/"));
            let text = text.replace(&event.replace("UDP", "TCP"), &format!("IPV6/TCP/{v6}/"));
            let text = text.replace(&format!("{old}:"), &format!("[{v6}]:"));
            for text in [text.replace(&old, &v6.to_string()), text.replace(&old, &format!("[{v6}]"))] {
                all.push(Message { text, host: Some(v6.into()), ..first.clone() });
            }
        }
        for transport in ["UDP", "TCP", "TLS", "WS", "WSS"] {
            let text = first
                .text
                .replace("(UDP:", &format!("({transport}:"))
                .replace("from UDP ", &format!("from {transport} "));
            let text = text.replace("IPV4/UDP/", &format!("IPV4/{transport}/"));
            if text != first.text {
                all.push(Message { text, ..first.clone() });
            }
        }
        all.push(first);
        all
    }
}

impl Prefix {
    /// Every way.
    pub fn all() -> [Prefix; 15] {
        use Prefix::*;
        [
            File,
            Dated,
            Fraction,
            Plain,
            Syslog,
            SyslogNew,
            Journal,
            SyslogConsole,
            Docker,
            DockerPlain,
            Coloured,
            ColouredSyslog,
            DockerColoured,
            Json,
            DockerJson,
        ]
    }

    /// The message as a line, with its end.
    pub fn line(self, message: &Message) -> Vec<u8> {
        let Message { level, thread, call, file, text, .. } = message;
        let id = call.as_ref().map_or(String::new(), |call| format!("[{call}]"));
        let plain = format!("{level}[{thread}]{id}: {file}:4011 new_invite: {text}");
        let coloured = format!(
            "\x1b[1;33m{level}\x1b[0m[{thread}]{id}: \x1b[1;37m{file}\x1b[0m:\x1b[1;37m4011\x1b[0m \x1b[1;37mnew_invite\x1b[0m: {text}"
        );
        let syslog = format!("{level}[{thread}]{id}: {file}:4011 in new_invite: {text}");
        let file_line = format!("{level}[{thread}]{id} {file}: {text}");
        let docker = |line: String| {
            serde_json::json!({"log": line + "\n", "stream": "stdout", "time": "2026-08-20T10:00:00.123456789Z"})
                .to_string()
        };
        let json = || {
            let location = serde_json::json!({"filename": file, "function": "new_invite", "line": 4011});
            let logmsg = serde_json::json!({"location": location, "level": level, "message": text});
            let identifiers =
                serde_json::json!({"lwp": thread.parse::<u32>().ok(), "callid": call.as_deref().unwrap_or("")});
            serde_json::json!({
                "hostname": "pbx", "timestamp": "2026-08-20 10:00:00", "identifiers": identifiers, "logmsg": logmsg,
            })
            .to_string()
        };
        let line = match self {
            Prefix::File => format!("[2026-08-20 10:00:00] {file_line}"),
            Prefix::Dated => format!("[Aug 20 10:00:00] {file_line}"),
            Prefix::Fraction => format!("[2026-08-20 10:00:00.123] {file_line}"),
            Prefix::Plain => format!("[2026-08-20 10:00:00] {plain}"),
            Prefix::Syslog => format!("Aug 20 10:00:00 pbx asterisk[99]: {syslog}"),
            Prefix::SyslogNew => format!("2026-08-20T10:00:00.123456+00:00 pbx asterisk[99]: {syslog}"),
            Prefix::Journal => format!("pbx asterisk[99]: {syslog}"),
            Prefix::SyslogConsole => format!("Aug 20 10:00:00 pbx asterisk[99]: [Aug 20 10:00:00] {plain}"),
            Prefix::Docker => docker(format!("[2026-08-20 10:00:00] {file_line}")),
            Prefix::DockerPlain => {
                docker(format!("[Aug 20 10:00:00] {plain}")).replace('<', "\\u003c").replace('>', "\\u003e")
            }
            Prefix::Coloured => format!("[2026-08-20 10:00:00] {coloured}"),
            Prefix::ColouredSyslog => {
                format!("Aug 20 10:00:00 pbx asterisk[99]: [Aug 20 10:00:00] {}", coloured.replace('\x1b', "#033"))
            }
            Prefix::DockerColoured => docker(format!("[2026-08-20 10:00:00] {coloured}\r")),
            Prefix::Json => json(),
            Prefix::DockerJson => docker(json()),
        };
        (line + "\n").into_bytes()
    }
}
