use rcgen::{CertificateParams, KeyPair};

use super::*;

fn certified(names: &[&str]) -> Arc<CertifiedKey> {
    let key = KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let params = CertificateParams::new(names).expect("names");
    let certificate = params.self_signed(&key).expect("a certificate");
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let read = read(&certificate.pem(), &key.serialize_pem(), &provider);
    Arc::new(read.expect("both fit"))
}

#[test]
fn a_name_has_its_certificate_and_a_wildcard_stands_for_one_label() {
    let (first, wild, deep) = (
        certified(&["a.example"]),
        certified(&["*.b.example", "B.example"]),
        certified(&["x.b.example"]),
    );
    let all = vec![Arc::clone(&first), Arc::clone(&wild), Arc::clone(&deep)];
    let certificates = Certificates::new(all);
    let of = |name| certificates.of(name).first().cloned().expect("one");
    for (name, expected) in [
        (Some("a.example"), &first),
        (Some("A.EXAMPLE"), &first),
        (Some("b.example"), &wild),
        (Some("y.b.example"), &wild),
        // The exact name comes before the wildcard.
        (Some("x.b.example"), &deep),
        // Nobody's: the first.
        (Some("z.y.b.example"), &first),
        (Some("example"), &first),
        (None, &first),
    ] {
        assert!(Arc::ptr_eq(&of(name), expected), "{name:?}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_where_it_is_named() {
    let key = KeyPair::generate().expect("a key");
    let other = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["a.example".to_owned()]).expect("a name");
    let pem = params.self_signed(&key).expect("a certificate").pem();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let wrong = |chain: &str, key: &str| {
        let error = read(chain, key, &provider).expect_err("not both are right");
        let path = format!("{:?}", error.path);
        (path, error.message)
    };
    let (path, message) = wrong("nothing", &key.serialize_pem());
    assert!(path.contains("certificate") && message.contains("no certificate"));
    let (path, message) = wrong(&pem, &pem);
    assert!(path.contains("key") && message.contains("no private key"));
    let (path, message) = wrong(&pem, &other.serialize_pem());
    assert!(path.contains("key") && message.contains("not that of"));
}
