//! What must not be seen where.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_core::resource::marker;
use serde_json::Value;

use super::bench::Bench;
use super::invariant as promise;
use super::reading;
use super::world::{Seen, place_of};
use crate::simulation::history::ObjectKey;

/// Shorter values, such as port numbers, are found anywhere.
const SHORTEST: usize = 8;

/// The contents of providers' Secrets, as they would look in a text.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// Each with the Secret it is from; none where its own provider showed it elsewhere, so that it is none.
    needles: BTreeMap<String, Option<String>>,
}

impl Secrets {
    /// Learns from a write what is secret, and what is not.
    pub(super) fn learn(&mut self, seen: Seen<'_>, providers: &BTreeMap<String, super::Party>) {
        let (key, object) = (seen.key(), seen.object());
        if !providers.contains_key(&key.cluster) || seen.is_gone() {
            return;
        }
        if !key.is("", "secrets") {
            if !seen.broker {
                let text = text_of(object);
                self.needles
                    .iter_mut()
                    .filter(|(needle, _)| text.contains(needle.as_str()))
                    .for_each(|(_, of)| *of = None);
            }
            return;
        }
        if !seen.changed("/data") {
            return;
        }
        for (entry, value) in reading::at(object, "/data").as_object().into_iter().flatten() {
            let whose = format!("{key}, {entry}");
            for needle in value.as_str().map(needles).unwrap_or_default() {
                self.needles.entry(needle).or_insert_with(|| Some(whose.clone()));
            }
        }
    }

    /// The Secret of which this text tells something.
    pub(super) fn found_in(&self, text: &str) -> Option<&str> {
        let mut told =
            self.needles.iter().filter(|(needle, of)| of.is_some() && text.contains(needle.as_str()));
        told.next().and_then(|(_, of)| of.as_deref())
    }
}

/// How a value of a Secret would look in a text: encoded, plain, and for long ones a line of them.
fn needles(encoded: &str) -> Vec<String> {
    let mut needles = vec![encoded.to_owned()];
    if let Ok(plain) = STANDARD.decode(encoded).map(String::from_utf8)
        && let Ok(plain) = plain
    {
        // The second line of a PEM block is the first that differs between two.
        needles.extend(
            plain
                .lines()
                .filter(|line| line.len() >= 40 && !line.starts_with("---"))
                .nth(1)
                .map(str::to_owned),
        );
        needles.push(escaped(&plain));
    }
    needles.retain(|needle| needle.len() >= SHORTEST);
    needles
}

/// As it stands in a JSON text.
fn escaped(plain: &str) -> String {
    let quoted = serde_json::to_string(plain).unwrap_or_default();
    quoted.trim_matches('"').to_owned()
}

/// Everything an object tells, in one text.
fn text_of(object: &Value) -> String {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object.to_string()
}

/// A write of the broker. The world is the one before.
pub(super) fn judge(bench: &mut Bench<'_>, secrets: &Secrets) {
    if !bench.seen.broker || bench.seen.is_gone() {
        return;
    }
    let key = bench.seen.key().clone();
    let object = bench.seen.object();
    let mut text =
        if key.is("", "secrets") { text_of(reading::at(object, "/metadata")) } else { text_of(object) };
    if let Some(whose) = secrets.found_in(&text) {
        bench.broken(promise::SECRET_LEAKED, format!("{key} shows what is in {whose}"));
    }
    if key.is("", "secrets") {
        for value in
            reading::at(object, "/data").as_object().into_iter().flatten().filter_map(|(_, v)| v.as_str())
        {
            text.push_str(&String::from_utf8_lossy(&STANDARD.decode(value).unwrap_or_default()));
        }
    }
    if key.cluster != bench.setting.platform {
        judge_canaries(bench, &key, &text);
    }
    judge_identity(bench);
}

fn judge_canaries(bench: &mut Bench<'_>, key: &ObjectKey, text: &str) {
    let (setting, world) = (bench.setting, bench.world);
    // A copy may hold what its own order holds.
    let place = place_of(key, bench.seen.object());
    let of = world
        .naming(&place)
        .find_map(|record| world.orders.get(&record.order))
        .map(|order| &order.key.cluster);
    for (whose, party) in setting.consumers.iter().chain(&setting.providers) {
        let own =
            *whose == key.cluster || of.is_some_and(|of| of == whose && setting.consumers.contains_key(of));
        for canary in party.canaries.iter().filter(|canary| !own && text.contains(canary.as_str())) {
            bench.broken(promise::CANARY_SEEN, format!("{key} holds {canary:?}, which is of {whose} alone"));
        }
    }
}

/// The metadata of a copy tell nothing of its order.
fn judge_identity(bench: &mut Bench<'_>) {
    if !bench.is_copy() {
        return;
    }
    let world = bench.world;
    let (key, object) = (bench.seen.key(), bench.seen.object());
    let place = place_of(key, object);
    let Some(order) = world.naming(&place).find_map(|record| world.orders.get(&record.order)) else { return };
    let allowed = |field: &str, name: &str, value: &Value| {
        // What the platform lets down is copied as it is.
        let copied = order.object.get("metadata").and_then(|m| m.get(field)?.get(name)) == Some(value);
        (copied && !name.starts_with(marker::PREFIX)) || name == marker::CLUSTER_ANNOTATION
    };
    let mut told = vec![key.name.clone(), key.namespace.clone()];
    for field in ["labels", "annotations"] {
        let entries =
            object.get("metadata").and_then(|metadata| metadata.get(field)).and_then(Value::as_object);
        for (name, value) in
            entries.into_iter().flatten().filter(|(name, value)| !allowed(field, name, value))
        {
            told.push(name.clone());
            told.extend(value.as_str().map(str::to_owned));
        }
    }
    told.extend(
        reading::list(object, "/metadata/finalizers").iter().filter_map(|f| f.as_str().map(str::to_owned)),
    );
    told.push(reading::at(object, "/metadata/ownerReferences").to_string());
    let of = &order.key;
    let secrets =
        [("name", &of.name), ("namespace", &of.namespace), ("cluster", &of.cluster), ("uid", &order.uid)];
    for (what, value) in secrets {
        // Everybody has a namespace `default`.
        let everybodys = value.len() < 3 || *value == key.namespace || *value == key.cluster;
        if !everybodys && told.iter().any(|text| has_word(text, value)) {
            bench.broken(promise::IDENTITY_IN_COPY, format!("{place} tells the {what} of {}", order.key));
        }
    }
}

/// Whether a text has this word, with no letter or digit before and after it.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(start, _)| {
        let before = text.get(..start).and_then(|part| part.chars().next_back());
        let after = text.get(start + word.len()..).and_then(|part| part.chars().next());
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}
