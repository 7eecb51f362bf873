//! Which addresses we may connect to on behalf of a stranger: the public Internet, and what the operator allows.
//!
//! Owns the table of special ranges. A peer chooses the URLs that we fetch, so an address inside our own network must
//! never be reached that way (server-side request forgery). For IPv6 everything outside 2000::/3 is refused, so that a
//! range that is registered tomorrow is refused today. Pure: no name is resolved here.
//!
//! Source: IANA IPv4 and IPv6 Special-Purpose Address Registries; IANA IPv6 Global Unicast Address Assignments.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// No web server of a stranger lives in any of these, also where the registry calls them globally reachable.
const SPECIAL_V4: [Ipv4Net; 18] = [
    v4(0, 0, 0, 0, 8),       // "this network"; on Linux it reaches the loopback
    v4(10, 0, 0, 0, 8),      // private
    v4(100, 64, 0, 0, 10),   // shared by carriers, and by the services of cloud providers
    v4(127, 0, 0, 0, 8),     // loopback
    v4(169, 254, 0, 0, 16),  // link local, and the metadata of cloud machines
    v4(172, 16, 0, 0, 12),   // private
    v4(192, 0, 0, 0, 24),    // IETF protocol assignments
    v4(192, 0, 2, 0, 24),    // documentation 1
    v4(192, 31, 196, 0, 24), // AS112
    v4(192, 52, 193, 0, 24), // multicast tunnelling
    v4(192, 88, 99, 0, 24),  // relays of 6to4
    v4(192, 168, 0, 0, 16),  // private
    v4(192, 175, 48, 0, 24), // AS112
    v4(198, 18, 0, 0, 15),   // benchmarking
    v4(198, 51, 100, 0, 24), // documentation 2
    v4(203, 0, 113, 0, 24),  // documentation 3
    v4(224, 0, 0, 0, 4),     // multicast
    v4(240, 0, 0, 0, 4),     // reserved, and the broadcast address
];

/// The only part of IPv6 that is assigned to the Internet. Outside lie the loopback, IPv4-mapped and -compatible
/// addresses, NAT64 (64:ff9b::/96 and 64:ff9b:1::/48), discard (100::/64), segment routing (5f00::/16), unique local
/// (fc00::/7), link local (fe80::/10), site local (fec0::/10) and multicast (ff00::/8).
const GLOBAL_UNICAST_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// The special ranges inside 2000::/3.
const SPECIAL_V6: [Ipv6Net; 5] = [
    v6(0x2001, 0, 0, 23),         // IETF protocol assignments: Teredo, benchmarking, ORCHID, drone ids
    v6(0x2001, 0xdb8, 0, 32),     // documentation
    v6(0x2002, 0, 0, 16),         // 6to4, which carries any IPv4 address
    v6(0x2620, 0x4f, 0x8000, 48), // AS112
    v6(0x3fff, 0, 0, 20),         // documentation
];

/// NAT64 (RFC 6052): the last 32 bits are the IPv4 address that the translator connects to.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

/// Whether we may connect to an address.
///
/// - `allowed`: ranges that the operator opened, for a private network or a test. A NAT64 address needs both the
///   translator's range and the IPv4 address inside to pass: opening 64:ff9b::/96 must not open 127.0.0.1.
pub fn is_permitted(address: IpAddr, allowed: &[IpNet]) -> bool {
    // `::ffff:127.0.0.1` is 127.0.0.1 to the operating system.
    let address = address.to_canonical();
    if let IpAddr::V6(v6) = address
        && NAT64.contains(&v6)
    {
        let [.., a, b, c, d] = v6.octets();
        return is_allowed(address, allowed) && is_permitted(Ipv4Addr::new(a, b, c, d).into(), allowed);
    }
    is_allowed(address, allowed) || is_global(address)
}

fn is_allowed(address: IpAddr, allowed: &[IpNet]) -> bool {
    allowed.iter().any(|range| range.contains(&address))
}

fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|range| range.contains(&v4)),
        IpAddr::V6(v6) => GLOBAL_UNICAST_V6.contains(&v6) && !SPECIAL_V6.iter().any(|range| range.contains(&v6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permitted(address: &str, allowed: &[&str]) -> bool {
        let allowed: Vec<IpNet> = allowed.iter().map(|range| range.parse().unwrap()).collect();
        is_permitted(address.parse().unwrap(), &allowed)
    }

    /// The first and last address of a special range are refused; the neighbours are as said.
    #[test]
    fn every_special_range_is_refused_and_its_neighbours_are_not() {
        let check = |range: &str, below: Option<&str>, above: Option<&str>| {
            let net: IpNet = range.parse().unwrap();
            assert!(!is_permitted(net.network(), &[]), "first of {range}");
            assert!(!is_permitted(net.broadcast(), &[]), "last of {range}");
            for neighbour in [below, above].into_iter().flatten() {
                assert!(!net.contains(&neighbour.parse::<IpAddr>().unwrap()), "{neighbour} is in {range}");
                assert!(permitted(neighbour, &[]), "{neighbour}, beside {range}");
            }
        };
        check("0.0.0.0/8", None, Some("1.0.0.0"));
        check("10.0.0.0/8", Some("9.255.255.255"), Some("11.0.0.0"));
        check("100.64.0.0/10", Some("100.63.255.255"), Some("100.128.0.0"));
        check("127.0.0.0/8", Some("126.255.255.255"), Some("128.0.0.0"));
        check("169.254.0.0/16", Some("169.253.255.255"), Some("169.255.0.0"));
        check("172.16.0.0/12", Some("172.15.255.255"), Some("172.32.0.0"));
        check("192.0.0.0/24", Some("191.255.255.255"), Some("192.0.1.0"));
        check("192.0.2.0/24", Some("192.0.1.255"), Some("192.0.3.0"));
        check("192.31.196.0/24", Some("192.31.195.255"), Some("192.31.197.0"));
        check("192.52.193.0/24", Some("192.52.192.255"), Some("192.52.194.0"));
        check("192.88.99.0/24", Some("192.88.98.255"), Some("192.88.100.0"));
        check("192.168.0.0/16", Some("192.167.255.255"), Some("192.169.0.0"));
        check("192.175.48.0/24", Some("192.175.47.255"), Some("192.175.49.0"));
        check("198.18.0.0/15", Some("198.17.255.255"), Some("198.20.0.0"));
        check("198.51.100.0/24", Some("198.51.99.255"), Some("198.51.101.0"));
        check("203.0.113.0/24", Some("203.0.112.255"), Some("203.0.114.0"));
        check("224.0.0.0/4", Some("223.255.255.255"), None);
        check("240.0.0.0/4", None, None);
        check("255.255.255.255/32", None, None);

        check("::/128", None, None);
        check("::1/128", None, None);
        check("::/96", None, None);
        check("64:ff9b::/96", None, None);
        check("64:ff9b:1::/48", None, None);
        check("100::/64", None, None);
        check("100:0:0:1::/64", None, None);
        check("::/3", None, Some("2000::"));
        check("2001::/23", Some("2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), Some("2001:200::"));
        check("2001::/32", None, None);
        check("2001:2::/48", None, None);
        check("2001:3::/32", None, None);
        check("2001:4:112::/48", None, None);
        check("2001:10::/28", None, None);
        check("2001:20::/28", None, None);
        check("2001:30::/28", None, None);
        check("2001:db8::/32", Some("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff"), Some("2001:db9::"));
        check("2002::/16", Some("2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), Some("2003::"));
        check("2620:4f:8000::/48", Some("2620:4f:7fff:ffff:ffff:ffff:ffff:ffff"), Some("2620:4f:8001::"));
        check("3fff::/20", Some("3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), Some("3fff:1000::"));
        check("4000::/2", Some("3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), None);
        check("5f00::/16", None, None);
        check("8000::/1", None, None);
        check("fc00::/7", None, None);
        check("fe80::/10", None, None);
        check("fec0::/10", None, None);
        check("ff00::/8", None, None);
    }

    #[test]
    fn ordinary_addresses_are_permitted() {
        for address in ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a01:4f8::1", "2001:4860:4860::8888"] {
            assert!(permitted(address, &[]), "{address}");
        }
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_judged_as_what_it_is() {
        assert!(!permitted("::ffff:127.0.0.1", &[]));
        assert!(!permitted("::ffff:169.254.169.254", &[]));
        assert!(permitted("::ffff:8.8.8.8", &[]));
        assert!(!permitted("::127.0.0.1", &[]));
        assert!(!permitted("2002:7f00:1::", &[]));
        assert!(!permitted("2001:0:7f00:1::", &[]));
        assert!(permitted("::ffff:127.0.0.1", &["127.0.0.0/8"]));
    }

    #[test]
    fn the_operator_can_allow_a_range_and_nothing_more() {
        let allowed = ["10.1.0.0/16", "fd00:1::/32"];
        assert!(permitted("10.1.255.255", &allowed));
        assert!(!permitted("10.2.0.0", &allowed));
        assert!(permitted("fd00:1::5", &allowed));
        assert!(!permitted("fd00:2::5", &allowed));
        assert!(permitted("8.8.8.8", &allowed));
    }

    #[test]
    fn allowing_nat64_does_not_open_the_inner_network() {
        let allowed = ["64:ff9b::/96"];
        assert!(!permitted("64:ff9b::8.8.8.8", &[]));
        assert!(permitted("64:ff9b::8.8.8.8", &allowed));
        assert!(!permitted("64:ff9b::127.0.0.1", &allowed));
        assert!(permitted("64:ff9b::10.0.0.1", &["64:ff9b::/96", "10.0.0.0/8"]));
        assert!(!permitted("64:ff9b:1::1", &allowed));
    }
}
