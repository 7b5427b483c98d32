//! Sizes and addresses as people write them in configs.

use std::net::IpAddr;

/// Reads `8MiB`, `500 kB` or a plain number of bytes.
pub fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit: u64 = match text[digits..].trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// Whether a host is this computer itself.
pub fn loopback(host: &str) -> bool {
    host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_written() {
        for (text, size) in [
            ("8MiB", Some(8 << 20)),
            ("500 kB", Some(500_000)),
            ("17", Some(17)),
            ("2GB", Some(2_000_000_000)),
        ] {
            assert_eq!(bytes(text), size, "{text}");
        }
        for text in ["", "MB", "8 megs", "-1", "1.5MB", "99999999999GiB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn only_this_computer_is_loopback() {
        assert!(["localhost", "127.0.0.9", "[::1]"].iter().all(|host| loopback(host)));
        assert!(["localhost.example.com", "10.0.0.1", "::2"].iter().all(|host| !loopback(host)));
    }
}
