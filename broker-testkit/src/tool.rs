//! Servers of other people's that tests start: `tools/build.sh` builds them and keeps them in the user's cache folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder with what is built from `tools/<server>`, built now where it is missing. Blocks.
///
/// # Errors
/// Why there is none, for people. Who has this crate without the script is given `advice`.
pub(crate) fn built(server: &str, advice: &str) -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("tools").join("build.sh");
    if !script.is_file() {
        return Err(advice.to_owned());
    }
    // The script's own words are for the person who runs the tests, so they are not captured.
    let output = Command::new("sh").arg(&script).arg(server).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("tools/build.sh cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("tools/build.sh {server} failed, see above"));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}
