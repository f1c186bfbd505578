//! The default gateway, from the kernel's table of routes, and the name servers, from resolv.conf.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{peer, text};
use crate::addr::Id;
use crate::config::pbx::Peer;

/// The default gateways.
pub fn gateways() -> Vec<Peer> {
    let found = routes4(&text("/proc/net/route")).into_iter().chain(routes6(&text("/proc/net/ipv6_route")));
    found.map(|(ip, device)| peer(Id::from(ip), format!("the default gateway of {device}"))).collect()
}

/// The name servers. Where systemd-resolved stands between, those that it asks.
pub fn name_servers() -> Vec<Peer> {
    let mut found = Vec::new();
    for path in ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"] {
        for ip in servers(&text(path)).into_iter().filter(|ip| !ip.is_loopback()) {
            if found.iter().all(|(known, _)| *known != ip) {
                found.push((ip, path));
            }
        }
    }
    found.into_iter().map(|(ip, path)| peer(Id::from(ip), format!("a name server of {path}"))).collect()
}

/// `/proc/net/route`: device, destination, gateway, flags, …, mask; numbers as they lie in memory.
fn routes4(table: &str) -> Vec<(IpAddr, String)> {
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| u32::from_str_radix(words.get(at)?, 16).ok();
        let default = number(1)? == 0 && number(7)? == 0 && number(3)? & GATEWAY != 0;
        let gateway = Ipv4Addr::from(number(2)?.to_ne_bytes());
        (default && !gateway.is_unspecified()).then(|| (IpAddr::from(gateway), words[0].to_owned()))
    };
    table.lines().filter_map(route).collect()
}

/// `/proc/net/ipv6_route`: destination, its length, source, its length, gateway, metric, …, flags, device.
fn routes6(table: &str) -> Vec<(IpAddr, String)> {
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| u128::from_str_radix(words.get(at)?, 16).ok();
        let default = number(0)? == 0 && number(1)? == 0 && number(8)? & u128::from(GATEWAY) != 0;
        let gateway = Ipv6Addr::from(number(4)?);
        (default && !gateway.is_unspecified()).then(|| Some((IpAddr::from(gateway), (*words.get(9)?).to_owned())))?
    };
    table.lines().filter_map(route).collect()
}

/// `RTF_GATEWAY`
const GATEWAY: u32 = 2;

fn servers(conf: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and(words.next())?;
        address.split('%').next()?.parse().ok()
    };
    conf.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_gateway_is_found_among_the_routes() {
        let gateway = u32::from_ne_bytes([192, 0, 2, 1]);
        let table = format!(
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
             eth0\t00000000\t{gateway:08X}\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
             eth1\t000200C0\t{gateway:08X}\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
             ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\nnonsense\n\n"
        );
        assert_eq!(routes4(&table), [(IpAddr::from([192, 0, 2, 1]), "eth0".to_owned())]);
        let zero = "0".repeat(32);
        let gateway = u128::from("2001:db8::1".parse::<Ipv6Addr>().expect("one"));
        let table = format!(
            "{zero} 00 {zero} 00 {gateway:032x} 00000064 00000001 00000000 00000003     eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n\
             {gateway:032x} 80 {zero} 00 {zero} 00000000 00000001 00000000 80200001       lo\nx y\n"
        );
        assert_eq!(routes6(&table), [("2001:db8::1".parse().expect("one"), "eth0".to_owned())]);
    }

    #[test]
    fn name_servers_are_addresses() {
        let conf = "# nameserver 198.51.100.1\nsearch example\nnameserver 192.0.2.53\n\tnameserver fe80::1%eth0 x\nnameserver\nnameserver pbx\n";
        let expected: [IpAddr; 2] = [IpAddr::from([192, 0, 2, 53]), "fe80::1".parse().expect("one")];
        assert_eq!(servers(conf), expected);
    }
}
