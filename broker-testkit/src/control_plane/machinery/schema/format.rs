//! String formats, loosely: what is clearly wrong is refused, the rest is let through.

use base64::Engine;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a text has the named format. Unknown formats have everything.
pub(super) fn matches(format: &str, text: &str) -> bool {
    match format {
        "date-time" | "datetime" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "duration" => text.parse::<jiff::SignedDuration>().is_ok() || is_go_duration(text),
        "byte" => base64::engine::general_purpose::STANDARD.decode(text).is_ok(),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => text.split_once('/').is_some_and(|(address, bits)| {
            address.parse::<std::net::IpAddr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= 128)
        }),
        "email" => text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty()),
        "hostname" => is_hostname(text),
        "uri" => text.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty()),
        "uuid" => uuid::Uuid::try_parse(text).is_ok(),
        _ => true,
    }
}

fn is_hostname(text: &str) -> bool {
    let fits = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 255 && text.trim_end_matches('.').split('.').all(fits)
}

/// `1h30m`, `250ms`, `-1.5s`: number and unit, repeated.
fn is_go_duration(text: &str) -> bool {
    let text = text.trim_start_matches(['-', '+']);
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
        if digits.len() == rest.len() {
            return false;
        }
        let units = ["ns", "us", "µs", "ms", "s", "m", "h", "d", "w"];
        match units.iter().find_map(|unit| digits.strip_prefix(unit)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    !text.is_empty()
}
