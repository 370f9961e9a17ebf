//! Files in one `.tar.gz`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Files by their names within the bundle.
pub(super) type Files = Vec<(String, String)>;

/// Writes the files below a folder of this name; fails where the archive is there already. Only its owner may read it.
pub(super) fn write(path: &Path, folder: &str, modified: u64, files: &Files) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    let written = pack(file, folder, modified, files);
    if written.is_err() {
        // Half a bundle helps nobody; that it stays is no reason to tell something else than what went wrong.
        let _ = std::fs::remove_file(path);
    }
    written
}

fn pack(file: File, folder: &str, modified: u64, files: &Files) -> io::Result<()> {
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o600);
        header.set_mtime(modified);
        header.set_size(text.len() as u64);
        archive.append_data(&mut header, format!("{folder}/{name}"), text.as_bytes())?;
    }
    let mut file = archive.into_inner()?.finish()?;
    file.flush()?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle.tar.gz");
        let files = vec![("a.json".to_owned(), "{}".to_owned()), ("b/c.txt".to_owned(), "text".to_owned())];
        write(&path, "bundle", 7, &files).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(&path).unwrap()));
        let mut read = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            read.push((entry.path().unwrap().display().to_string(), text));
        }
        let expected: Vec<_> =
            files.iter().map(|(name, text)| (format!("bundle/{name}"), text.clone())).collect();
        assert_eq!(read, expected);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(write(&path, "bundle", 7, &files).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
