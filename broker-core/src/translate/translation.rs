//! Orders as objects of a provider's own kind, and the way back.
//!
//! What is written of a copy is the provider's: kind, and what stands in `template`. Apart from that a copy is a copy:
//! name, namespace, marks and records are the broker's, and nothing that stands in an order chooses them. What comes back
//! is shown in the terms of the order's own kind before anything is decided by it ([`in_order_terms`]).

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::down::allowed;
use super::value_template::{Place, TemplateFault, Unfilled, ValueTemplate};
use crate::expression::Scope;
use crate::matching::OfferSet;
use crate::offer::{is_dns_name, is_name, shorten, shown};
use crate::order::{CopyRef, Policy};
use crate::resource::{Gvk, Object, marker};

/// Where a copy that is shown in the terms of its order keeps the status that it has itself. In no object of any server.
pub(crate) const OWN_STATUS: &str = "broker.platform-mesh.io/own-status";
/// Texts in messages are shown up to this many characters.
const SHOWN: usize = 80;

/// How orders become objects of a provider's own kind, and how the status of those comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    gvk: Gvk,
    template: ValueTemplate,
    status: Option<ValueTemplate>,
}

/// Why a copy of a provider's own kind cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untranslated {
    /// Its offer is not there any more, or makes other copies: nobody knows what it would be.
    Unknown,
    /// The template has no value for this order.
    NoValue(Unfilled),
}

impl Translation {
    /// Reads `AcceptAPI.spec.translation`.
    ///
    /// # Errors
    /// Everything that is wrong with it; places are below the translation.
    pub fn parse(written: &Value) -> Result<Self, Vec<TemplateFault>> {
        let mut faults = Vec::new();
        let Some(fields) = written.as_object() else {
            faults.push(fault(Place::default(), written, "an object with gvk, template and status"));
            return Err(faults);
        };
        for (name, value) in fields {
            if !["gvk", "template", "status"].contains(&name.as_str()) {
                faults.push(fault(
                    Place::of(&[name]),
                    value,
                    "there is no such field, only gvk, template, status",
                ));
            }
        }
        let gvk = kind(fields.get("gvk"), &mut faults);
        let template = template(fields.get("template"), &gvk, &mut faults);
        let status = fields.get("status").filter(|status| !status.is_null());
        let status = status.and_then(|status| way_back(status, &mut faults));
        match template {
            Some(template) if faults.is_empty() => Ok(Self { gvk, template, status }),
            Some(_) | None => Err(faults),
        }
    }

    /// The kind of the copies.
    pub fn gvk(&self) -> &Gvk {
        &self.gvk
    }

    /// What the template makes of an order, `metadata` with nothing but labels and annotations.
    ///
    /// # Errors
    /// The first expression that has no value for this order.
    pub(super) fn fill(
        &self,
        order: &Object,
        copy: &CopyRef,
        policy: &Policy,
    ) -> Result<Map<String, Value>, Unfilled> {
        // A template sees of the metadata what a copy of the order's own kind would carry: nothing that tells whose it is.
        let mut this = without_status(order);
        let metadata = json!({
            "labels": allowed(order, "labels", &policy.copy_labels),
            "annotations": allowed(order, "annotations", &policy.copy_annotations),
        });
        this.insert("metadata".to_owned(), metadata);
        let target = Object::named(&copy.gvk(), &copy.key.namespace, &copy.key.name).into_value();
        let filled = self.template.fill(&Scope::new(&[("self", &Value::Object(this)), ("copy", &target)]))?;
        let Value::Object(mut fields) = filled else { return Ok(Map::new()) };
        // The template has none of these; a check that costs nothing.
        fields.retain(|name, _| !matches!(name.as_str(), "apiVersion" | "kind" | "status"));
        Ok(fields)
    }

    /// The status of a copy as its order's kind would tell it.
    fn status_of(&self, copy: &Object, order: Option<&Object>) -> Map<String, Value> {
        let own = copy.get(&["status"]).and_then(Value::as_object).cloned().unwrap_or_default();
        let Some(way_back) = &self.status else { return own };
        let this = order.map_or(Value::Null, |order| Value::Object(without_status(order)));
        let live = Value::Object(copy.fields().clone());
        let scope = Scope::new(&[("self", &this), ("copy", &live)]);
        let Value::Object(mut status) = way_back.fill_what_is_there(&scope, &["relatedResources"]) else {
            return Map::new();
        };
        // Without it nobody could tell whether what is told is about the newest spec.
        if let (false, Some(observed)) =
            (status.contains_key("observedGeneration"), own.get("observedGeneration"))
        {
            status.insert("observedGeneration".to_owned(), observed.clone());
        }
        status
    }

    /// Whether copies of this kind are made by it.
    pub(crate) fn makes(&self, copy: &CopyRef) -> bool {
        self.gvk.group == copy.gvr.group && self.gvk.kind == copy.kind
    }
}

/// A copy as everything that is decided by its status looks at it: of its order's own kind it is what it is; of
/// another kind its status is what the translation of its offer makes of it.
///
/// Where the offer is not there any more another one of the same provider for the same kind will do. Where there is none,
/// it has no status at all, and [`is_told`] says so.
pub fn in_order_terms(
    offers: &OfferSet,
    policy: &Policy,
    order: Option<&Object>,
    at: &CopyRef,
    copy: Arc<Object>,
) -> Arc<Object> {
    if at.is_of(policy) {
        return copy;
    }
    let mut shown = copy.as_ref().clone();
    let own = shown.fields_mut().remove("status").unwrap_or_else(|| Value::Object(Map::new()));
    shown.fields_mut().insert(OWN_STATUS.to_owned(), own);
    if let Some(translation) = translation_of(offers, at) {
        shown.fields_mut().insert("status".to_owned(), translation.status_of(&copy, order).into());
    }
    Arc::new(shown)
}

/// A copy as playbooks and fences look at it. Of its order's own kind it is what it is. Of another kind it has the status
/// that its provider gave it, and beside that what the translation makes of it, where its own has nothing of that name.
pub(crate) fn in_own_terms(copy: &Object) -> Cow<'_, Object> {
    let Some(Value::Object(own)) = copy.fields().get(OWN_STATUS) else { return Cow::Borrowed(copy) };
    let mut shown = copy.clone();
    shown.fields_mut().remove(OWN_STATUS);
    let told = shown.fields().get("status").and_then(Value::as_object).cloned().unwrap_or_default();
    let status: Map<String, Value> = told.into_iter().chain(own.clone()).collect();
    shown.fields_mut().insert("status".to_owned(), status.into());
    Cow::Owned(shown)
}

/// The translation by which a copy is made.
fn translation_of<'o>(offers: &'o OfferSet, at: &CopyRef) -> Option<&'o Arc<Translation>> {
    let fitting = |listing: &'o Arc<crate::matching::Listing>| {
        let offer = listing.offer()?;
        offer
            .translation()
            .filter(|translation| translation.makes(at) && offer.copy_namespace() == at.key.namespace)
    };
    match offers.get(&at.offer) {
        Some(listing) => fitting(listing),
        None => offers.of_provider(&at.key.cluster).find_map(fitting),
    }
}

/// Whether what the status of a copy says is known in the terms of its order.
pub fn is_told(copy: &Object) -> bool {
    !copy.fields().contains_key(OWN_STATUS) || copy.fields().contains_key("status")
}

fn without_status(object: &Object) -> Map<String, Value> {
    object
        .fields()
        .iter()
        .filter(|(key, _)| *key != "status")
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn kind(written: Option<&Value>, faults: &mut Vec<TemplateFault>) -> Gvk {
    let at = |name: &str| Place::of(&["gvk", name]);
    let nothing = Value::Null;
    let fields = match written {
        Some(Value::Object(fields)) => fields,
        other => {
            let accepted = "an object with group, version and kind of the copies";
            faults.push(fault(Place::of(&["gvk"]), other.unwrap_or(&nothing), accepted));
            return Gvk::default();
        }
    };
    for (name, value) in fields {
        if !["group", "version", "kind"].contains(&name.as_str()) {
            faults.push(fault(at(name), value, "there is no such field, only group, version, kind"));
        }
    }
    let mut text = |name: &str, accepted: &str, is_good: &dyn Fn(&str) -> bool| {
        let value = fields.get(name).filter(|value| !value.is_null());
        let text = value.map_or(Some(""), Value::as_str).filter(|text| is_good(text));
        if text.is_none() {
            faults.push(fault(at(name), value.unwrap_or(&nothing), accepted));
        }
        text.unwrap_or_default().to_owned()
    };
    let is_group = |text: &str| text.is_empty() || (is_dns_name(text) && text != marker::GROUP);
    Gvk {
        group: text(
            "group",
            "the group of an API, such as azure.example.com, that is not the broker's own",
            &is_group,
        ),
        version: text("version", "the version of an API, such as v1", &is_name),
        kind: text("kind", "a kind, such as AzureDatabase", &is_kind),
    }
}

fn is_kind(text: &str) -> bool {
    text.len() <= crate::offer::limits::MAX_NAME
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric())
}

fn template(written: Option<&Value>, gvk: &Gvk, faults: &mut Vec<TemplateFault>) -> Option<ValueTemplate> {
    let Some(Value::Object(fields)) = written else {
        let accepted = "the copy as an object, with ${CEL} over self in its values";
        faults.push(fault(Place::of(&["template"]), written.unwrap_or(&Value::Null), accepted));
        return None;
    };
    let mut ours = fields.clone();
    for (name, expected) in [("apiVersion", gvk.api_version()), ("kind", gvk.kind.clone())] {
        if let Some(value) = ours.remove(name).filter(|value| value.as_str() != Some(&expected)) {
            let accepted = format!("nothing, or {expected}, as spec.translation.gvk says");
            faults.push(fault(Place::of(&["template", name]), &value, accepted));
        }
    }
    if let Some(value) = ours.remove("status") {
        let accepted = "nothing: the status of a copy is its provider's; what comes back stands in spec.translation.status";
        faults.push(fault(Place::of(&["template", "status"]), &value, accepted));
    }
    if let Some(metadata) = ours.get("metadata") {
        check_metadata(metadata, faults);
    }
    compile("template", &Value::Object(ours), faults).map(|template| template.with_texts_below("metadata"))
}

/// Names are the broker's, and so are owners and finalizers: only labels and annotations can be asked for.
fn check_metadata(metadata: &Value, faults: &mut Vec<TemplateFault>) {
    const ACCEPTED: &str = "labels and annotations: all other metadata of a copy is the broker's";
    let Some(fields) = metadata.as_object() else {
        faults.push(fault(Place::of(&["template", "metadata"]), metadata, ACCEPTED));
        return;
    };
    for (name, value) in fields {
        let at = |key: &str| Place::of(&["template", "metadata", name, key]);
        let entries = value.as_object().filter(|_| ["labels", "annotations"].contains(&name.as_str()));
        let Some(entries) = entries else {
            faults.push(fault(Place::of(&["template", "metadata", name]), value, ACCEPTED));
            continue;
        };
        for (key, value) in entries {
            if key.starts_with(marker::PREFIX) || key.contains("kcp.io/") {
                faults.push(fault(at(key), value, "a key that is neither the broker's nor kcp's"));
            } else if !value.is_string() {
                faults.push(fault(at(key), value, "a text"));
            }
        }
    }
}

fn way_back(written: &Value, faults: &mut Vec<TemplateFault>) -> Option<ValueTemplate> {
    if !written.is_object() {
        let accepted = "the order's status as an object, with ${CEL} over self and copy in its values";
        faults.push(fault(Place::of(&["status"]), written, accepted));
        return None;
    }
    compile("status", written, faults)
}

fn compile(field: &str, written: &Value, faults: &mut Vec<TemplateFault>) -> Option<ValueTemplate> {
    match ValueTemplate::compile(written, &["self", "copy"]) {
        Ok(template) => Some(template),
        Err(found) => {
            faults.extend(
                found.into_iter().map(|fault| TemplateFault { place: fault.place.below(field), ..fault }),
            );
            None
        }
    }
}

fn fault(place: Place, found: &Value, accepted: impl Into<String>) -> TemplateFault {
    TemplateFault { place, found: shorten(&shown(found), SHOWN), accepted: accepted.into() }
}
