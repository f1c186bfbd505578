//! The stock tree: our own filters and jails, compiled in, so that sipjail works without any file.

/// Where stock files seem to lie in messages.
pub const ROOT: &str = "<stock>";

/// The text of a stock file by its name, for example `filter.d/asterisk.conf`.
pub fn text(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(file, _)| *file == name).map(|(_, text)| *text)
}

/// The names of the stock files in a folder, sorted.
pub fn list(folder: &str) -> impl Iterator<Item = &'static str> {
    let inside = move |name: &&str| name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    FILES.iter().map(|(name, _)| *name).filter(inside)
}

macro_rules! files {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $name)))),*] };
}

/// One line per file, sorted.
const FILES: &[(&str, &str)] = files! {
    "filter.d/ami.conf"
    "filter.d/asterisk-common.conf"
    "filter.d/asterisk-flood.conf"
    "filter.d/asterisk-toll.conf"
    "filter.d/asterisk.conf"
    "filter.d/esl.conf"
    "filter.d/freeswitch-flood.conf"
    "filter.d/freeswitch-mgmt.conf"
    "filter.d/freeswitch-toll.conf"
    "filter.d/freeswitch.conf"
    "filter.d/kamailio.conf"
    "filter.d/mod_fail2ban.conf"
    "filter.d/opensips.conf"
    "filter.d/recidive.conf"
    "filter.d/sip-mgmt.conf"
    "filter.d/sipjail-screen.conf"
    "jail.d/00-defaults.conf"
    "jail.d/asterisk-flood.conf"
    "jail.d/asterisk-slow.conf"
    "jail.d/asterisk-toll.conf"
    "jail.d/asterisk.conf"
    "jail.d/freeswitch.conf"
    "jail.d/kamailio.conf"
    "jail.d/opensips.conf"
    "jail.d/recidive.conf"
    "jail.d/sip-mgmt.conf"
    "jail.d/sipjail-screen.conf"
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_complete() {
        assert!(FILES.is_sorted_by_key(|(name, _)| *name));
        for folder in ["filter.d", "jail.d"] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            let entries = std::fs::read_dir(path).expect("the folder is there");
            let mut found: Vec<String> = entries
                .map(|e| format!("{folder}/{}", e.expect("it can be read").file_name().display()))
                .filter(|name| name.ends_with(".conf"))
                .collect();
            found.sort();
            assert_eq!(list(folder).collect::<Vec<_>>(), found);
        }
    }
}
