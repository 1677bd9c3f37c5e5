//! The shape of the source: who may import whom, and what belongs in one place only. Read from the files, so that a
//! line in the wrong room fails here with its file and number.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use portcullis::engine::Registry;

/// The rooms from the bottom up. What stands in one line may not import each other, but for [`SAME_LAYER`].
const LAYERS: [&[&str]; 9] = [
    &["config"],
    &["event", "request"],
    &["clients"],
    &["engine"],
    &["detections"],
    &["store", "scan", "notify", "statistics"],
    &["proxy", "intake", "control"],
    &["app"],
    &["cli"],
];

/// An event names its client and its place by the request's own types.
const SAME_LAYER: [(&str, &str); 1] = [("event", "request")];

/// The most lines of a file, tests not counted.
const MOST_LINES: usize = 400;

/// A source file, as the compiler sees it outside tests.
struct File {
    /// Relative to `src`, with `/`.
    name: String,
    text: String,
    /// Its lines without comments and without what is compiled for tests only; numbered from 1.
    code: Vec<(usize, String)>,
    /// How many lines are compiled for tests only.
    test_lines: usize,
    test_only: bool,
}

impl File {
    /// The room that it belongs to; its own name for those at the top.
    fn room(&self) -> &str {
        let first = self.name.split('/').next().expect("a name");
        first.strip_suffix(".rs").unwrap_or(first)
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files() -> Vec<File> {
    let root = source();
    let mut paths = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let mut files: Vec<File> = paths.iter().map(|path| read(&root, path)).collect();
    let tests: Vec<String> = files.iter().flat_map(test_modules).collect();
    for file in &mut files {
        let module = file.name.trim_end_matches(".rs").trim_end_matches("/mod");
        file.test_only = tests
            .iter()
            .any(|test| module == test || module.starts_with(&format!("{test}/")));
    }
    assert!(files.len() > 80, "{} files", files.len());
    assert!(files.iter().filter(|file| file.test_only).count() > 10);
    files
}

fn read(root: &Path, path: &Path) -> File {
    let text = std::fs::read_to_string(path).expect("a source file");
    let name = path.strip_prefix(root).expect("under src");
    let (code, test_lines) = code(&text);
    File {
        name: name.to_str().expect("UTF-8").replace('\\', "/"),
        test_lines,
        code,
        text,
        test_only: false,
    }
}

/// The lines that are compiled outside tests, and how many others there are. Relies on rustfmt: an item ends where its indentation returns.
fn code(text: &str) -> (Vec<(usize, String)>, usize) {
    let (mut lines, mut test_lines) = (Vec::new(), 0);
    let mut skipping: Option<usize> = None;
    let mut is_next_for_tests = false;
    for (number, line) in (1..).zip(text.lines()) {
        let indentation = line.len() - line.trim_start().len();
        let trimmed = line.trim();
        test_lines += usize::from(skipping.is_some());
        if let Some(outer) = skipping {
            let closes = trimmed.starts_with('}') && indentation == outer;
            if closes {
                skipping = None;
            }
            continue;
        }
        if trimmed.starts_with("#[cfg(test)]") {
            is_next_for_tests = true;
        } else if is_next_for_tests && !trimmed.starts_with("#[") && !trimmed.is_empty() {
            is_next_for_tests = false;
            test_lines += 2;
            // A declaration, a variant and an arm end with their line.
            if !trimmed.ends_with([';', ',']) {
                skipping = Some(indentation);
            }
        } else if !trimmed.starts_with("//") {
            let code = line.split(" // ").next().unwrap_or(line);
            lines.push((number, code.to_owned()));
        }
    }
    assert_eq!(skipping, None, "a test module without an end");
    (lines, test_lines)
}

/// The modules that a file declares for tests only, as paths below `src` without `.rs`.
fn test_modules(file: &File) -> Vec<String> {
    let folder = match file.name.rsplit_once('/') {
        Some((folder, "mod.rs")) => folder.to_owned(),
        _ => file.name.trim_end_matches(".rs").to_owned(),
    };
    let lines: Vec<&str> = file.text.lines().collect();
    lines
        .windows(2)
        .filter(|pair| pair[0].trim() == "#[cfg(test)]")
        .filter_map(|pair| {
            let name = pair[1].strip_suffix(';')?.rsplit(' ').next()?;
            pair[1].contains("mod ").then(|| format!("{folder}/{name}"))
        })
        .collect()
}

/// The rooms that a line names: `crate::room`, also within `use crate::{a, b}`.
fn imports(line: &str) -> Vec<&str> {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    line.match_indices("crate::")
        .filter(|(at, _)| !line[..*at].ends_with(is_word))
        .flat_map(|(at, path)| {
            let rest = &line[at + path.len()..];
            let list = rest.strip_prefix('{').unwrap_or(rest);
            let list = if list.len() == rest.len() {
                list.split([':', ';', ',', ' ', ')', '>', '(', '.'])
                    .take(1)
                    .collect::<Vec<_>>()
            } else {
                list.split(',').collect()
            };
            list.into_iter()
                .map(|item| item.trim().split("::").next().unwrap_or(item))
                .collect::<Vec<_>>()
        })
        .map(|name| name.trim_end_matches(|character| !is_word(character)))
        .collect()
}

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&room))
}

/// Fails with all lines at once.
fn assert_none(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n{}\n", wrong.join("\n"));
}

#[test]
fn every_room_imports_only_rooms_below_it() {
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for file in files().iter().filter(|file| !file.test_only) {
        let room = file.room();
        if room == "main" || room == "lib" {
            continue;
        }
        let Some(own) = layer(room) else {
            wrong.push(format!(
                "src/{}: `{room}` has no layer; give it one",
                file.name
            ));
            continue;
        };
        for (number, line) in &file.code {
            for import in imports(line) {
                *seen.entry(room.to_owned()).or_default() += 1;
                let allowed = import == room
                    || layer(import).is_some_and(|other| other < own)
                    || SAME_LAYER.contains(&(room, import));
                if !allowed {
                    wrong.push(format!(
                        "src/{}:{number}: `{room}` must not import `{import}`",
                        file.name
                    ));
                }
            }
        }
    }
    assert_none("imports against the order of the rooms", &wrong);
    // A scan that finds nothing to look at would always pass.
    for room in [
        "event",
        "clients",
        "engine",
        "detections",
        "proxy",
        "control",
        "app",
        "cli",
    ] {
        assert!(
            seen.contains_key(room),
            "no import of `{room}` was seen: {seen:?}"
        );
    }
}

#[test]
fn imports_are_read_in_every_spelling() {
    for (line, expected) in [
        ("use crate::engine::{Mode, Policy};", &["engine"][..]),
        (
            "use crate::{engine, request::Input};",
            &["engine", "request"],
        ),
        ("use crate::config;", &["config"]),
        ("    facts: &dyn crate::clients::Facts,", &["clients"]),
        (
            "pub(in crate::app) fn f(x: crate::event::Event)",
            &["app", "event"],
        ),
        ("use other_crate::engine;", &[]),
    ] {
        assert_eq!(imports(line), expected, "{line}");
    }
}

#[test]
fn nothing_but_its_own_file_knows_a_detection_by_name() {
    let names: Vec<String> = Registry::default()
        .entries()
        .iter()
        .map(|entry| format!("\"{}\"", entry.name))
        .collect();
    assert!(names.len() >= 4);
    let mut wrong = Vec::new();
    let mut named = 0;
    for file in files().iter().filter(|file| !file.test_only) {
        for (number, line) in &file.code {
            // `policy.ban` is a key of the policy that has the name of the detection that obeys it.
            let is_key = line.contains(".under(\"ban\")");
            for name in names.iter().filter(|name| !is_key && line.contains(*name)) {
                if file.room() == "detections" {
                    named += 1;
                } else {
                    wrong.push(format!("src/{}:{number}: {name}", file.name));
                }
            }
        }
    }
    assert_none(
        "a detection is known by its name outside src/detections; use the registry",
        &wrong,
    );
    assert!(named >= names.len(), "{named} names were seen");
}

#[test]
fn unsafe_code_is_forbidden_and_there_is_none() {
    let manifest = include_str!("../../Cargo.toml");
    assert!(manifest.contains("\nunsafe_code = \"forbid\"\n"));
    for file in files() {
        for (number, line) in &file.code {
            let is_unsafe = line
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == "unsafe");
            assert!(!is_unsafe, "src/{}:{number}: {line}", file.name);
        }
    }
}

#[test]
fn no_file_is_longer_than_one_can_keep_in_mind() {
    let wrong: Vec<String> = files()
        .iter()
        .filter(|file| !file.test_only)
        .filter_map(|file| {
            let lines = file.text.lines().count() - file.test_lines;
            (lines > MOST_LINES).then(|| format!("src/{}: {lines} lines", file.name))
        })
        .collect();
    assert_none("split these files", &wrong);
}

#[test]
fn statuses_of_the_traffic_listener_are_chosen_in_one_file() {
    let mut wrong = Vec::new();
    let mut chosen = 0;
    for file in files()
        .iter()
        .filter(|file| file.room() == "proxy" && !file.test_only)
    {
        for (number, line) in &file.code {
            let chooses = line.match_indices("StatusCode::").any(|(at, name)| {
                let rest = &line[at + name.len()..];
                rest.starts_with("from_") || rest.starts_with(|c: char| c.is_ascii_uppercase())
            }) || line.contains("status_mut()");
            if chooses && file.name == "proxy/respond.rs" {
                chosen += 1;
            } else if chooses {
                wrong.push(format!("src/{}:{number}: {}", file.name, line.trim()));
            }
        }
    }
    assert_none("statuses are chosen in src/proxy/respond.rs only", &wrong);
    assert!(chosen > 5, "{chosen} statuses were seen in respond.rs");
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    let wrong: Vec<String> = files()
        .iter()
        .filter(|file| !file.test_only && file.name != "main.rs")
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| format!("src/{}", file.name))
        .collect();
    assert_none("files without documentation", &wrong);
}

#[test]
fn every_detection_documents_itself_by_the_head_of_its_own_file() {
    let mut documented = Vec::new();
    for file in files()
        .iter()
        .filter(|file| file.room() == "detections" && !file.test_only)
    {
        let implements = file
            .code
            .iter()
            .any(|(_, line)| line.starts_with("impl FromConfig for "));
        if !implements {
            continue;
        }
        let head = portcullis::engine::registry::module_documentation(&file.text);
        assert!(
            head.starts_with("# What it detects\n"),
            "src/{}: the file must begin with `//! # What it detects`",
            file.name
        );
        let registry = Registry::default();
        let entry = registry
            .entries()
            .iter()
            .find(|entry| (entry.documentation)() == head);
        let entry = entry.unwrap_or_else(|| {
            panic!(
                "src/{}: `documentation()` is not the head of this file, or it is not registered",
                file.name
            )
        });
        documented.push(entry.name);
    }
    documented.sort_unstable();
    let mut registered: Vec<_> = Registry::default()
        .entries()
        .iter()
        .map(|entry| entry.name)
        .collect();
    registered.sort_unstable();
    assert_eq!(documented, registered);
}
