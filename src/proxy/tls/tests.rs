use std::path::Path;

use super::*;
use crate::config::load::Shared;

/// What becomes of a `listen` section whose files are in `folder`.
fn compiled(folder: &Path, yaml: &str, shared: &Shared) -> Result<Vec<Tls>, String> {
    let listen: Listen = serde_yaml::from_str(yaml).expect("a section");
    let mut load = Load::new(folder, shared);
    compile(&listen, &mut load).map_err(|errors| {
        let all: Vec<_> = errors
            .iter()
            .map(|error| format!("{:?} {}", error.path, error.message))
            .collect();
        all.join("; ")
    })
}

#[test]
fn the_same_files_make_the_same_thing_so_that_tickets_outlive_a_reload() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    let make = || {
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]);
        let made = made.expect("a certificate");
        write("c.pem", &made.cert.pem());
        write("k.pem", &made.signing_key.serialize_pem());
    };
    let yaml = "[{ address: '127.0.0.1:1', tls: { certificates: [{ certificate: c.pem, key: k.pem }] } }, { address: '127.0.0.1:2' }]";
    let shared = Shared::default();
    let one = || {
        let all = compiled(folder.path(), yaml, &shared).expect("all is there");
        assert_eq!(all.len(), 2);
        assert!(all[1].is_none());
        all[0].clone().expect("it is encrypted")
    };
    make();
    let first = one();
    assert!(Arc::ptr_eq(&first, &one()));
    make();
    assert!(!Arc::ptr_eq(&first, &one()));
}

#[test]
fn each_mistake_is_told_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("empty.pem"), "").expect("a file");
    for (tls, expected) in [
        ("{ certificates: [] }", "empty list"),
        (
            "{ certificates: [{ certificate: gone.pem, key: gone.pem }] }",
            "cannot read",
        ),
        (
            "{ certificates: [{ certificate: empty.pem, key: empty.pem }] }",
            "no certificate",
        ),
    ] {
        let yaml = format!("[{{ address: '127.0.0.1:1', tls: {tls} }}]");
        let error = compiled(folder.path(), &yaml, &Shared::default()).expect_err(tls);
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("listen") && error.contains("tls"), "{error}");
    }
}
