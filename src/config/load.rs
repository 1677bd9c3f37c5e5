//! What a section may use while it is compiled: the files that it names, a place for warnings, and what earlier
//! revisions already built.

use std::any::Any;
use std::collections::HashMap;
use std::hash::Hasher;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use siphasher::sip128::{Hasher128, SipHasher13};

use super::{ConfigError, Watched};

/// The longest file that a configuration may name, in bytes: some four million addresses.
pub const MAX_FILE: u64 = 64 << 20;

/// The bytes of a regular file of at most `most` bytes. Anything else (a pipe, a device) could be waited for or read
/// without end.
///
/// # Errors
/// When it cannot be read, is no regular file, or is longer.
pub fn read_regular(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    // One byte more than is allowed tells a file that is too long from one that just fits.
    std::fs::File::open(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(std::io::Error::other(format!(
            "it is longer than {most} bytes"
        )));
    }
    Ok(bytes)
}

/// One loading of a configuration.
#[derive(Debug)]
pub struct Load<'a> {
    base: &'a Path,
    shared: &'a Shared,
    files: Watched,
    warnings: Vec<String>,
}

/// Compiled lists and automata, found again by the hash of what they were compiled from, for as long as some policy
/// still uses them. A reload that changes one list compiles one list.
#[derive(Debug, Default)]
pub struct Shared {
    built: Mutex<HashMap<u128, Weak<dyn Any + Send + Sync>>>,
}

impl<'a> Load<'a> {
    /// A loading of a file in the folder `base`, which relative paths start from.
    #[must_use]
    pub fn new(base: &'a Path, shared: &'a Shared) -> Self {
        Self {
            base,
            shared,
            files: Watched::default(),
            warnings: Vec::new(),
        }
    }

    /// The text of a file that the configuration names. The file is watched from then on, whether or not it can be read.
    ///
    /// # Errors
    /// When the file cannot be read, is no regular file, is longer than [`MAX_FILE`], or is no UTF-8.
    pub fn read(&mut self, path: &str) -> Result<String, ConfigError> {
        let path = self.base.join(path);
        self.files.look_at(&path);
        read_regular(&path, MAX_FILE)
            .and_then(|bytes| String::from_utf8(bytes).map_err(std::io::Error::other))
            .map_err(|error| ConfigError::new(format!("cannot read `{}`: {error}", path.display())))
    }

    /// Tells the operator of something that is wrong but need not stop the start.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// What `build` makes of `content`, or the same thing made earlier of the same content. `kind` tells apart things of
    /// different make.
    ///
    /// # Errors
    /// Whatever `build` returns.
    pub fn share<T: Any + Send + Sync>(
        &mut self,
        kind: &str,
        content: &[u8],
        build: impl FnOnce(&mut Self) -> Result<T, ConfigError>,
    ) -> Result<Arc<T>, ConfigError> {
        let mut hasher = SipHasher13::new();
        hasher.write(kind.as_bytes());
        hasher.write_u8(0);
        hasher.write(content);
        let hash = hasher.finish128().as_u128();
        if let Some(found) = self
            .shared
            .find(hash)
            .and_then(|found| found.downcast::<T>().ok())
        {
            return Ok(found);
        }
        let built = Arc::new(build(self)?);
        self.shared
            .keep(hash, Arc::downgrade(&built) as Weak<dyn Any + Send + Sync>);
        Ok(built)
    }

    /// Every file that was named, and every warning in order.
    #[must_use]
    pub fn finish(self) -> (Watched, Vec<String>) {
        (self.files, self.warnings)
    }
}

impl Shared {
    fn find(&self, hash: u128) -> Option<Arc<dyn Any + Send + Sync>> {
        self.built
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&hash)?
            .upgrade()
    }

    fn keep(&self, hash: u128, built: Weak<dyn Any + Send + Sync>) {
        let mut map = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        map.retain(|_, weak| weak.strong_count() > 0);
        map.insert(hash, built);
    }
}
