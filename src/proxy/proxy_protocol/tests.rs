use proptest::prelude::*;

use super::*;

/// A header of version 2: the bytes after the signature, and what follows.
fn binary_of(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a length");
    let mut bytes = SIGNATURE_2.to_vec();
    bytes.extend([command, family]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(payload);
    bytes
}

const V4: [u8; 12] = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x34, 0, 80];

fn v6(source: &str) -> Vec<u8> {
    let source: Ipv6Addr = source.parse().expect("an address");
    [&source.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &[0; 4]].concat()
}

/// Every header that is taken, and whom it names.
fn well_formed() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let line = |text: &str| format!("{text}\r\n").into_bytes();
    let with_tlv = [&V4[..], &[0x04, 0, 3, 1, 2, 3]].concat();
    let with_junk = [&V4[..], &[0xff; 100]].concat();
    vec![
        (
            line("PROXY TCP4 192.0.2.1 10.0.0.1 4660 80"),
            Some("192.0.2.1"),
        ),
        (
            line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535"),
            Some("255.255.255.255"),
        ),
        (line("PROXY TCP4 192.0.2.1 10.0.0.1 0 0"), Some("192.0.2.1")),
        (
            line("PROXY TCP6 2001:DB8::1 ::1 4660 80"),
            Some("2001:db8::1"),
        ),
        (
            line("PROXY TCP6 ::ffff:192.0.2.1 ::1 4660 80"),
            Some("192.0.2.1"),
        ),
        (
            line(
                "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            ),
            Some("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ),
        (line("PROXY UNKNOWN"), None),
        (line("PROXY UNKNOWN whatever it is: 1 2 3 4 5 6 7 8"), None),
        (binary_of(0x21, 0x11, &V4), Some("192.0.2.1")),
        (binary_of(0x21, 0x11, &with_tlv), Some("192.0.2.1")),
        (binary_of(0x21, 0x11, &with_junk), Some("192.0.2.1")),
        (
            binary_of(0x21, 0x21, &v6("2001:db8::1")),
            Some("2001:db8::1"),
        ),
        (
            binary_of(0x21, 0x21, &v6("::ffff:192.0.2.1")),
            Some("192.0.2.1"),
        ),
        (binary_of(0x21, 0x31, &[0; 216]), None),
        (binary_of(0x21, 0x00, &[]), None),
        (binary_of(0x21, 0x00, &V4), None),
        (binary_of(0x20, 0x00, &[]), None),
        (binary_of(0x20, 0x11, &V4), None),
        (binary_of(0x20, 0x77, &[1, 2, 3]), None),
        (
            binary_of(0x21, 0x11, &[&V4[..], &[0; LONGEST - 28]].concat()),
            Some("192.0.2.1"),
        ),
    ]
}

#[test]
fn a_well_formed_header_names_its_source() {
    let all = well_formed();
    assert_eq!(all.len(), 20);
    for (bytes, source) in all {
        let expected = Parsed::Complete {
            length: bytes.len(),
            source: source.map(|source| source.parse().expect("an address")),
        };
        let shown = bytes.escape_ascii().to_string();
        assert_eq!(parse(&bytes), Ok(expected), "{shown}");
        let followed = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(parse(&followed), Ok(expected), "{shown}");
        for cut in 0..bytes.len() {
            assert_eq!(
                parse(&bytes[..cut]),
                Ok(Parsed::Incomplete),
                "{cut} of {shown}"
            );
        }
    }
}

#[test]
fn what_is_no_header_is_refused() {
    let lines = [
        "GET / HTTP/1.1\r\n",
        "\r\nPROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n",
        " PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n",
        "proxy TCP4 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY\tTCP4 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "PROXY  TCP4 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY tcp4 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY TCP5 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY UNKNOWN\n",
        "PROXY UNKNOWN \x07\r\n",
        "PROXY UNKNOWN a\nb\r\n",
        "PROXY UNKNOWN a\rb\r\n",
        "PROXY UNKNOWN \u{e9}\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 2 \r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1  2\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1\r\n",
        "PROXY TCP4 192.0.2.1\r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 +1 2\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 -1 2\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 01 2\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 65536\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 0x50\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 \r\n",
        "PROXY TCP4 192.0.02.1 10.0.0.1 1 2\r\n",
        "PROXY TCP4 3221225985 10.0.0.1 1 2\r\n",
        "PROXY TCP4 0xc0.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 localhost 1 2\r\n",
        "PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY TCP6 [2001:db8::1] [::1] 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        "PROXY TCP6 2001:db8:::1 ::1 1 2\r\n",
        "PROXY TCP6 2001:db8::1::2 ::1 1 2\r\n",
        "PROXY TCP6 2001:db8::12345 ::1 1 2\r\n",
    ];
    assert_eq!(lines.len(), 45);
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
    assert_eq!(long.len(), LONGEST_1 + 1);
    for line in lines.iter().copied().chain([&*long]) {
        assert!(parse(line.as_bytes()).is_err(), "{line:?}");
    }
    let mut wrong_signature = binary_of(0x21, 0x11, &V4);
    wrong_signature[4] = 1;
    let binary = [
        wrong_signature,
        binary_of(0x11, 0x11, &V4),
        binary_of(0x31, 0x11, &V4),
        binary_of(0x22, 0x11, &V4),
        binary_of(0x2f, 0x11, &V4),
        binary_of(0x21, 0x01, &V4),
        binary_of(0x21, 0x10, &V4),
        binary_of(0x21, 0x12, &V4),
        binary_of(0x21, 0x13, &V4),
        binary_of(0x21, 0x22, &v6("::1")),
        binary_of(0x21, 0x32, &[0; 216]),
        binary_of(0x21, 0x41, &[0; 300]),
        binary_of(0x21, 0xff, &[0; 300]),
        binary_of(0x21, 0x11, &V4[..11]),
        binary_of(0x21, 0x11, &[]),
        binary_of(0x21, 0x21, &V4),
        binary_of(0x21, 0x31, &[0; 215]),
        binary_of(0x21, 0x11, &[0; LONGEST]),
        binary_of(0x20, 0x00, &[0; LONGEST]),
        binary_of(0x21, 0x11, &[0; 65535]),
    ];
    for bytes in &binary {
        assert!(parse(bytes).is_err(), "{}", bytes.escape_ascii());
    }
}

/// A longer beginning says the same, or more.
fn agree(shorter: Result<Parsed, Malformed>, longer: Result<Parsed, Malformed>) -> bool {
    shorter == longer || shorter == Ok(Parsed::Incomplete)
}

proptest! {
    /// However the bytes arrive in pieces, they mean the same; and a header never reaches beyond its bound.
    #[test]
    fn pieces_change_nothing(
        beginning in 0..4_usize,
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        cut in any::<prop::sample::Index>(),
    ) {
        let beginning = [&b""[..], b"PROXY ", b"PROXY TCP4 1.2.3.4 ", SIGNATURE_2][beginning];
        let bytes = [beginning, &bytes[..]].concat();
        let cut = cut.index(bytes.len() + 1);
        prop_assert!(agree(parse(&bytes[..cut]), parse(&bytes)));
        if let Ok(Parsed::Complete { length, .. }) = parse(&bytes) {
            prop_assert!(length <= bytes.len() && length <= LONGEST);
            prop_assert_eq!(parse(&bytes[..length]), parse(&bytes));
        }
    }

    /// Every address comes back, in both versions.
    #[test]
    fn addresses_come_back(source: u128, is_v4: bool, port: u16, tlvs in proptest::collection::vec(any::<u8>(), 0..50)) {
        let v6 = Ipv6Addr::from(source);
        let [.., a, b, c, d] = v6.octets();
        let v4 = Ipv4Addr::from([a, b, c, d]);
        let (expected, line, binary) = if is_v4 {
            let payload = [&v4.octets()[..], &[0; 8], &tlvs].concat();
            (IpAddr::from(v4), format!("PROXY TCP4 {v4} 0.0.0.0 {port} 1\r\n"), binary_of(0x21, 0x11, &payload))
        } else {
            let payload = [&v6.octets()[..], &[0; 20], &tlvs].concat();
            (IpAddr::from(v6).to_canonical(), format!("PROXY TCP6 {v6} :: {port} 1\r\n"), binary_of(0x21, 0x21, &payload))
        };
        for bytes in [line.as_bytes(), &binary] {
            let parsed = Parsed::Complete { length: bytes.len(), source: Some(expected) };
            prop_assert_eq!(parse(bytes), Ok(parsed));
        }
    }
}
