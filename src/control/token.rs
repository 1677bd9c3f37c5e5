//! The token that every change through the control listener takes.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::Secret;

/// The name of its file in the state directory.
pub const FILE: &str = "control.token";

/// The fewest characters of a token: fewer are guessed.
const SHORTEST: usize = 16;

/// The longest file that is read.
const LONGEST: u64 = 4096;

/// The token in a directory; one is made where there is none, readable by nobody else.
///
/// # Errors
/// When it can neither be read nor made, when it is too short, or when others may read it.
pub fn in_directory(directory: &Path) -> io::Result<Secret> {
    let path = directory.join(FILE);
    let fresh = fresh()?;
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    match made {
        Ok(mut file) => {
            file.write_all(fresh.reveal().as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            Ok(fresh)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(&path),
        Err(error) => Err(error),
    }
}

/// The token in a file.
///
/// # Errors
/// When it cannot be read, is too short, or others may read it.
pub fn read(path: &Path) -> io::Result<Secret> {
    let file = fs::File::open(path)?;
    let about = file.metadata()?;
    let wrong = |why: &str| {
        let why = format!("`{}` {why}", path.display());
        io::Error::new(io::ErrorKind::InvalidData, why)
    };
    if about.mode() & 0o077 != 0 {
        return Err(wrong("can be read by others: `chmod 600` it"));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    let token = text.trim();
    if token.len() < SHORTEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(
            "holds no token: it takes 16 characters or more, without blanks; remove the file to have one made",
        ));
    }
    Ok(Secret::new(token.to_owned()))
}

/// 256 random bits.
fn fresh() -> io::Result<Secret> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bits)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_token_is_made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let made = in_directory(folder.path()).unwrap();
        assert_eq!(made.reveal().len(), 43);
        let path = folder.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let again = in_directory(folder.path()).unwrap();
        assert_eq!(made.reveal(), again.reveal());

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = in_directory(folder.path()).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for text in ["", "short", "one that has blanks in it"] {
            let mut file = OpenOptions::new();
            let mut file = file
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&path)
                .unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("no token"), "{error}");
        }
    }
}
