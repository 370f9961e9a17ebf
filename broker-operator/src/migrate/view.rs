//! A move for people: its stages, how long each takes, what it waits for. Pure.
//!
//! A remaining time is told only where the stage that runs counts something up itself, as in
//! `` `status.copyProgress == 100` (status.copyProgress is 40) ``, and was seen to move. Nobody knows more.

use std::fmt::Write as _;

use broker_core::playbook::{Phase, Playbook};
use broker_core::time::Timestamp;
use broker_kcp::api::v1alpha1::{Migration, MigrationState};
use kube::ResourceExt;
use serde_json::{Map, Value};

/// What the stage that runs was seen to count up.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    stage: Option<String>,
    first: Option<(Timestamp, f64)>,
    last: Option<(Timestamp, f64)>,
    target: f64,
}

impl Progress {
    /// Takes in what a move says now.
    pub(super) fn note(&mut self, migration: &Migration, now: Timestamp) {
        let status = migration.status.clone().unwrap_or_default();
        if status.stage != self.stage {
            *self = Self { stage: status.stage, ..Self::default() };
        }
        let Some((target, found)) = status.message.as_deref().and_then(counted) else { return };
        self.target = target;
        if self.last.is_none_or(|(_, before)| (before - found).abs() > f64::EPSILON) {
            self.first.get_or_insert((now, found));
            self.last = Some((now, found));
        }
    }

    /// How long the stage still takes, if it goes on as it was seen to go.
    fn remaining(&self) -> Option<u64> {
        let ((began, first), (at, last)) = (self.first?, self.last?);
        let took = at.since(began).as_secs_f64();
        let moved = last - first;
        let left = self.target - last;
        if took <= 0.0 || moved == 0.0 || left == 0.0 || (moved > 0.0) != (left > 0.0) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and saturates"
        )]
        Some((left / moved * took).round() as u64)
    }
}

/// The target and the value of what a stage waits for, where both are numbers.
fn counted(message: &str) -> Option<(f64, f64)> {
    let (_, rest) = message.split_once('`')?;
    let (expression, rest) = rest.split_once('`')?;
    let target = ["==", ">=", "<="].iter().find_map(|sign| expression.rsplit_once(sign))?.1;
    let found = rest.trim_start().strip_prefix('(')?.split_once(" is ")?.1;
    let found = found.split([',', ')']).next()?;
    Some((target.trim().parse().ok()?, found.trim().parse().ok()?))
}

/// The names of a playbook's stages, as they are written.
pub(super) fn stage_names(spec: &Map<String, Value>) -> Vec<&str> {
    let named = |list: &str| spec.get(list).and_then(Value::as_array).into_iter().flatten();
    named("stages").chain(named("rollback")).filter_map(|stage| stage.get("name")?.as_str()).collect()
}

/// The whole move, for a terminal; ends with a line break.
pub(super) fn screen(migration: &Migration, progress: &Progress, now: Timestamp) -> String {
    let mut text = headline(migration, now);
    text.push('\n');
    let status = migration.status.clone().unwrap_or_default();
    let passed = usize::try_from(status.progress.unwrap_or_default().stages_completed).unwrap_or_default();
    for (index, (name, phase)) in stages(migration).into_iter().enumerate() {
        let is_current = index == passed && !is_over(migration);
        let mark = if index < passed {
            '✓'
        } else if is_current {
            '▶'
        } else {
            '·'
        };
        let _ = write!(text, "  {mark} {name:<24} {:<9}", phase.map_or("rollback", Phase::as_str));
        if is_current {
            let since = status.receipt.as_ref().and_then(|receipt| receipt.stage_since.as_deref());
            if let Some(since) = since.and_then(Timestamp::parse) {
                let _ = write!(text, " {}", span(now.since(since).as_secs()));
            }
            if let Some(remaining) = progress.remaining() {
                let _ = write!(text, ", about {} left", span(remaining));
            }
        }
        let trimmed = text.trim_end().len();
        text.truncate(trimmed);
        text.push('\n');
    }
    if let Some(message) = status.message.filter(|message| !message.is_empty()) {
        let _ = writeln!(text, "  {message}");
    }
    text
}

/// What a move says now, in one line.
pub(super) fn line(migration: &Migration, progress: &Progress, _now: Timestamp) -> String {
    let status = migration.status.clone().unwrap_or_default();
    let mut text = state(migration).to_owned();
    if let Some(done) = status.progress.filter(|done| done.stages_total > 0) {
        let _ = write!(text, " {}/{}", done.stages_completed, done.stages_total);
    }
    if let Some(stage) = status.stage.filter(|_| !is_over(migration)) {
        let _ = write!(text, " {stage}");
    }
    if let Some(remaining) = progress.remaining() {
        let _ = write!(text, ", about {} left", span(remaining));
    }
    match status.message.filter(|message| !message.is_empty()) {
        Some(message) => format!("{text}: {message}"),
        None => text,
    }
}

fn headline(migration: &Migration, now: Timestamp) -> String {
    let spec = &migration.spec;
    let order = spec.order.as_ref().map(|order| order.name.clone()).or_else(|| spec.from.name.clone());
    let mut text = format!(
        "{}: {} from {} to {}, {}",
        migration.name_any(),
        order.unwrap_or_default(),
        spec.from.cluster_name,
        spec.to.cluster_name,
        state(migration)
    );
    let receipt = migration.status.as_ref().and_then(|status| status.receipt.clone()).unwrap_or_default();
    let time = |text: &Option<String>| text.as_deref().and_then(Timestamp::parse);
    if let Some(began) = time(&receipt.started_at) {
        let until = time(&receipt.completed_at).unwrap_or(now);
        let _ = write!(
            text,
            " {} {}",
            if is_over(migration) { "after" } else { "for" },
            span(until.since(began).as_secs())
        );
    }
    if spec.paused == Some(true) {
        text.push_str(", paused");
    }
    if let Some(pause) = receipt.switch_pause_millis {
        let _ = write!(text, ", switched in {pause} ms");
    }
    if let Some(loss) = receipt.loss {
        let _ = write!(text, ", {loss}");
    }
    if let Some(writes) = receipt.writes {
        let _ = write!(text, "; acknowledged writes: {writes}");
    }
    text
}

/// The stages in the order in which they run; those of the way back once that began.
fn stages(migration: &Migration) -> Vec<(String, Option<Phase>)> {
    let Some(followed) = &migration.spec.playbook else { return Vec::new() };
    let Ok(playbook) = Playbook::parse_json(&followed.name, &Value::Object(followed.spec.clone())) else {
        return Vec::new();
    };
    let progress = migration.status.as_ref().and_then(|status| status.progress).unwrap_or_default();
    if progress.reverting == Some(true) {
        return playbook.rollback.into_iter().map(|stage| (stage.name, None)).collect();
    }
    let mut stages: Vec<_> =
        playbook.stages.into_iter().map(|stage| (stage.name, Some(stage.phase))).collect();
    stages.sort_by_key(|(_, phase)| *phase);
    stages
}

fn state(migration: &Migration) -> &'static str {
    match migration.status.as_ref().and_then(|status| status.state) {
        None | Some(MigrationState::Pending) => "Pending",
        Some(MigrationState::InitialInProgress) => "InitialInProgress",
        Some(MigrationState::InitialCompleted) => "InitialCompleted",
        Some(MigrationState::CutoverInProgress) => "CutoverInProgress",
        Some(MigrationState::CutoverCompleted) => "CutoverCompleted",
        Some(MigrationState::Completed) => "Completed",
        Some(MigrationState::Failed) => "Failed",
        Some(MigrationState::RolledBack) => "RolledBack",
        Some(MigrationState::Cancelled) => "Cancelled",
    }
}

fn is_over(migration: &Migration) -> bool {
    matches!(state(migration), "Completed" | "Failed" | "RolledBack" | "Cancelled")
}

/// `42s`, `3m 12s`, `2h 5m`.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(1_767_225_600_000 + second * 1_000)
    }

    fn migration(message: &str, passed: i64, stage: &str) -> Migration {
        let gvk = json!({ "group": "example.com", "version": "v1", "kind": "Database" });
        let stages = json!([
            { "name": "copy", "progress": true, "successConditions": ["status.copyProgress == 100"] },
            { "name": "catch-up" },
            { "name": "finalize" },
        ]);
        serde_json::from_value(json!({
            "metadata": { "name": "failover" },
            "spec": {
                "from": { "name": "production-db", "clusterName": "aws" }, "to": { "clusterName": "azure" },
                "playbook": { "name": "p", "spec": { "from": gvk, "to": gvk, "stages": stages } },
            },
            "status": {
                "state": "InitialInProgress", "stage": stage, "message": message,
                "progress": { "stagesCompleted": passed, "stagesTotal": 3, "percent": 0 },
                "receipt": { "startedAt": "2026-01-01T00:00:00Z", "stageSince": "2026-01-01T00:00:10Z" },
            },
        }))
        .unwrap()
    }

    fn copied(percent: u32) -> Migration {
        let message =
            format!("stage copy waits for `status.copyProgress == 100` (status.copyProgress is {percent})");
        migration(&message, 0, "copy")
    }

    #[test]
    fn the_remaining_time_is_told_only_where_the_stage_itself_was_seen_to_move() {
        let mut progress = Progress::default();
        progress.note(&copied(20), at(70));
        assert_eq!(progress.remaining(), None, "once seen says nothing");
        progress.note(&copied(20), at(90));
        assert_eq!(progress.remaining(), None);
        progress.note(&copied(40), at(110));
        assert_eq!(progress.remaining(), Some(120));
        assert_eq!(
            screen(&copied(40), &progress, at(130)),
            "failover: production-db from aws to azure, InitialInProgress for 2m 10s\n\
             \x20 ▶ copy                     Initial   2m 0s, about 2m 0s left\n\
             \x20 · catch-up                 Verify\n\
             \x20 · finalize                 Finalize\n\
             \x20 stage copy waits for `status.copyProgress == 100` (status.copyProgress is 40)\n"
        );
        // Another stage, of which nothing is known.
        let next = migration(
            "stage catch-up waits for `from.status.rows == to.status.rows` (from.status.rows is 5)",
            1,
            "catch-up",
        );
        progress.note(&next, at(140));
        assert_eq!(progress.remaining(), None);
        assert!(
            line(&next, &progress, at(140))
                .starts_with("InitialInProgress 1/3 catch-up: stage catch-up waits")
        );
        // What goes the wrong way has no end.
        let mut back = Progress::default();
        back.note(&copied(40), at(0));
        back.note(&copied(20), at(10));
        assert_eq!(back.remaining(), None);
    }

    #[test]
    fn what_is_counted_is_read_from_what_is_waited_for() {
        for (message, expected) in [
            (
                "stage a waits for `status.copyProgress == 100` (status.copyProgress is 40)",
                Some((100.0, 40.0)),
            ),
            ("stage a waits for `status.rows >= 10` (status.rows is 3, status.x is 4)", Some((10.0, 3.0))),
            ("stage a waits for `status.lag <= 0` (status.lag is 2.5)", Some((0.0, 2.5))),
            ("stage a waits for `status.phase == 'Ready'` (status.phase is Copying)", None),
            ("stage a waits for `status.copyProgress == 100`", None),
            ("stage a begins", None),
        ] {
            assert_eq!(counted(message), expected, "{message}");
        }
    }
}
