//! Which files a configuration is made of, and how they looked when they were read.
//!
//! A file is looked at before it is read, never after: what is written in between is then a change, and not lost.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files, and how each looked just before it was read; of one that was read twice, the first look counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched(BTreeMap<PathBuf, Option<Stamp>>);

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
    /// Another one is another file that was moved into place.
    inode: u64,
}

impl Watched {
    /// Looks at a file that is about to be read, whether or not it can be.
    pub fn look_at(&mut self, path: &Path) {
        if !self.0.contains_key(path) {
            self.0.insert(path.to_path_buf(), Stamp::of(path));
        }
    }

    /// Takes over what others looked at; what was seen here before stays.
    pub fn extend(&mut self, others: &Self) {
        for (path, stamp) in &others.0 {
            self.0.entry(path.clone()).or_insert(*stamp);
        }
    }

    /// The files, in the order of their names.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// The same files as they look now.
    #[must_use]
    pub fn now(&self) -> Self {
        let looks = self.0.keys().map(|path| (path.clone(), Stamp::of(path)));
        Self(looks.collect())
    }
}

impl Stamp {
    /// `None` while the file is not there.
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            modified: metadata.modified().ok()?,
            length: metadata.len(),
            inode: metadata.ino(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_after_the_first_look_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        let mut watched = Watched::default();
        watched.look_at(&path);
        assert_eq!(watched, watched.now());
        std::fs::write(&path, "one").unwrap();
        assert_ne!(watched, watched.now());

        let mut later = Watched::default();
        later.look_at(&path);
        assert_eq!(later, later.now());
        // Neither a second look nor that of another forgets the first one.
        watched.look_at(&path);
        watched.extend(&later);
        assert_ne!(watched, later);
        assert_ne!(watched, watched.now());

        // Another file of the same length at the same place.
        let other = folder.path().join("other");
        std::fs::write(&other, "two").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_ne!(later, later.now());
        assert_eq!(later.paths().collect::<Vec<_>>(), [&*path]);
    }
}
