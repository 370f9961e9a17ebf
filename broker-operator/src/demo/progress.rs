//! The demo as it happens: a line per step, with the time since the act began and who serves by then.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where the lines go. Lines of one step are written whole, whoever writes them.
pub(super) struct Progress {
    out: Mutex<Box<dyn Write + Send>>,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").finish_non_exhaustive()
    }
}

impl Progress {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Mutex::new(out) }
    }

    /// A line of its own.
    pub(super) fn say(&self, line: &str) -> io::Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(out, "{line}")?;
        out.flush()
    }

    /// Begins an act: a headline, and the clock at zero.
    pub(super) fn act(&self, headline: &str) -> io::Result<Act<'_>> {
        self.say("")?;
        self.say(headline)?;
        Ok(Act { progress: self, began: Instant::now() })
    }
}

/// One act of the demo, with its own clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Act<'a> {
    progress: &'a Progress,
    began: Instant,
}

impl Act<'_> {
    /// Tells a step that has just been seen, and how long it took since the act began.
    pub(super) fn step(&self, serving: &str, what: &str) -> io::Result<Duration> {
        let after = self.began.elapsed();
        self.progress.say(&line(after, serving, what))?;
        Ok(after)
    }
}

fn line(after: Duration, serving: &str, what: &str) -> String {
    format!("{:>8.3} s  {:<12}  {what}", after.as_secs_f64(), serving)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_when_who_and_what() {
        let text = line(Duration::from_millis(1_042), "Internal CA", "replacement made at public-ca");
        assert_eq!(text, "   1.042 s  Internal CA   replacement made at public-ca");
    }
}
