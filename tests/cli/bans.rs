//! `bans`, `status` and `reload`, by the real program against a running one.

use std::process::{Child, Stdio};

use super::Place;

/// A portcullis that runs in a place, in front of nothing.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn serve() -> (Place, Serving) {
    let (traffic, control) = (free_port(), free_port());
    let rules = format!(
        "listen: 127.0.0.1:{traffic}\nupstream: http://127.0.0.1:1\ncontrol: {{ listen: 127.0.0.1:{control} }}\n\
         events: {{ log: none }}\ndetections: [{{ ban: {{}} }}]\n"
    );
    let place = Place::new().with("rules.yaml", &rules);
    let mut command = place.command(&["run"]);
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a start");
    let serving = Serving(child);
    for _ in 0..200 {
        if place.run(&["status"]).code == Some(0) {
            return (place, serving);
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("it does not start: {}", place.run(&["status"]).err);
}

#[test]
fn bans_are_listed_added_removed_imported_and_exported() {
    let (place, _serving) = serve();
    let place = place.with(
        "bad.txt",
        "# bad ones\n198.51.100.0/24\n2001:db8::1 ; one\nnonsense\n",
    );
    assert_eq!(place.run(&["bans", "list"]).out, "Nobody is banned.\n");
    let added = place.run(&[
        "bans",
        "add",
        "192.0.2.7",
        "--for",
        "2h",
        "--reason",
        "noise",
    ]);
    assert_eq!(added.code, Some(0), "{}", added.err);
    assert!(
        added.out.starts_with("192.0.2.7 is banned until 20"),
        "{}",
        added.out
    );
    let imported = place.run(&["bans", "import", "bad.txt"]);
    assert_eq!(
        (imported.code, imported.out.as_str()),
        (Some(1), "2 banned, 1 refused.\n")
    );
    assert!(imported.err.contains("nonsense"), "{}", imported.err);
    let list = place.run(&["bans", "list", "--format", "json"]).json();
    let clients: Vec<_> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|ban| &ban["client"])
        .collect();
    assert_eq!(clients, ["192.0.2.7", "198.51.100.0/24", "2001:db8::1"]);
    let table = place.run(&["bans", "list"]).out;
    assert!(
        table.contains("192.0.2.7") && table.contains("noise"),
        "{table}"
    );
    let cidr = place.run(&["bans", "export"]).out;
    assert_eq!(cidr, "192.0.2.7/32\n198.51.100.0/24\n2001:db8::1/128\n");
    let nft = place.run(&["bans", "export", "--as", "nft"]).out;
    assert!(
        nft.contains("set banned4") && nft.contains("198.51.100.0/24"),
        "{nft}"
    );
    assert_eq!(
        place.run(&["bans", "remove", "198.51.100.0/24"]).code,
        Some(0)
    );
    let gone = place.run(&["bans", "remove", "198.51.100.0/24"]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.err.contains("is not banned"), "{}", gone.err);
    let wrong = place.run(&["bans", "add", "somebody"]);
    assert!(
        wrong.code == Some(1) && wrong.err.contains("no address block"),
        "{}",
        wrong.err
    );
}

#[test]
fn status_and_reload_say_how_it_is() {
    let (place, serving) = serve();
    let status = place.run(&["status"]);
    for told in ["ready", "enforce", "stored"] {
        assert!(status.out.contains(told), "{}", status.out);
    }
    let reloaded = place.run(&["reload"]);
    assert!(
        reloaded.out.starts_with("Policy 2-"),
        "{}{}",
        reloaded.out,
        reloaded.err
    );
    let token = place.path().join("state/control.token");
    std::fs::remove_file(token).expect("a token");
    let refused = place.run(&["reload"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.err.contains("Authorization: Bearer"),
        "{}",
        refused.err
    );
    drop(serving);
    let dead = place.run(&["status"]);
    assert_eq!(dead.code, Some(1));
    assert!(dead.err.contains("cannot be asked"), "{}", dead.err);
}
