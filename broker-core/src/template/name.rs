//! Names of objects.

/// The longest name: that of a Job becomes a label of its Pods.
const MAX_NAME: usize = 63;

/// Whether a text can be the name of any kind of object: a DNS-1123 subdomain that fits a label.
pub fn is_object_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        label.bytes().all(inside) && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= MAX_NAME && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubernetes() {
        for name in ["a", "db-backup-1", "a.b", "9"] {
            assert!(is_object_name(name), "{name}");
        }
        for name in ["", "A", "-a", "a-", "a..b", ".a", "a_b", "a b", "a/b", "ä", &"a".repeat(64), "a\n"] {
            assert!(!is_object_name(name), "{name}");
        }
    }
}
