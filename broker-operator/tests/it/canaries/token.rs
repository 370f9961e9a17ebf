//! Canaries: words that tell whose they are and where they were put, and the search for them, in plain text and in what
//! is encoded as base64.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What every canary begins with.
const MARK: &str = "kanarie-";

/// Whose a canary is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Consumer(usize),
    Provider(usize),
}

/// Where it was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spot {
    /// A field of an order's spec.
    Spec,
    /// The field that offers look at.
    Zone,
    /// A label or an annotation of an order.
    Mark,
    /// An order's name.
    Name,
    /// Its namespace.
    Namespace,
    /// A workspace's name.
    Workspace,
    /// An entry of a Secret.
    Secret,
    /// An offer.
    Offer,
    /// Somewhere: it was cut off.
    Unknown,
}

const SPOTS: [(&str, Spot); 8] = [
    ("spec", Spot::Spec),
    ("zone", Spot::Zone),
    ("mark", Spot::Mark),
    ("name", Spot::Name),
    ("ns", Spot::Namespace),
    ("ws", Spot::Workspace),
    ("secret", Spot::Secret),
    ("offer", Spot::Offer),
];

/// A canary, as it was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) owner: Option<Owner>,
    pub(super) spot: Spot,
    pub(super) text: String,
}

/// The canary of an owner for a spot; what follows tells it from others of the same spot.
pub(super) fn canary(owner: Owner, spot: Spot) -> String {
    let who = match owner {
        Owner::Consumer(index) => format!("c{index}"),
        Owner::Provider(index) => format!("p{index}"),
    };
    let word = SPOTS.iter().find(|(_, known)| *known == spot).unwrap().0;
    format!("{MARK}{who}-{word}")
}

/// Every canary in a text, however it is encoded.
pub(super) fn search(text: &str) -> BTreeSet<Found> {
    let mut found = plain(text);
    for core in cores() {
        for (at, _) in text.match_indices(&core) {
            let encoded = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
            let bytes = text.as_bytes();
            let begin = at - bytes[..at].iter().rev().take_while(|byte| encoded(byte)).count();
            let end = at + bytes[at..].iter().take_while(|byte| encoded(byte)).count();
            // Where the encoding begins nobody tells: one of four alignments is right.
            for skipped in 0..4 {
                let run = &bytes[(begin + skipped).min(end)..end];
                let run = &run[..run.len() - usize::from(run.len() % 4 == 1)];
                let engine = base64::engine::GeneralPurpose::new(
                    &base64::alphabet::STANDARD,
                    base64::engine::GeneralPurposeConfig::new()
                        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
                        .with_decode_allow_trailing_bits(true),
                );
                if let Ok(decoded) = engine.decode(run) {
                    found.extend(plain(&String::from_utf8_lossy(&decoded)));
                }
            }
        }
    }
    found
}

fn plain(text: &str) -> BTreeSet<Found> {
    let lower = text.to_ascii_lowercase();
    lower.match_indices(MARK).map(|(at, _)| read(&lower[at..])).collect()
}

fn read(text: &str) -> Found {
    let end = text.find(|one: char| !one.is_ascii_alphanumeric() && one != '-').unwrap_or(text.len());
    let text = &text[..end];
    let mut parts = text[MARK.len()..].split('-');
    let who = parts.next().unwrap_or_default();
    let owner = match (who.get(..1), who.get(1..).and_then(|index| index.parse().ok())) {
        (Some("c"), Some(index)) => Some(Owner::Consumer(index)),
        (Some("p"), Some(index)) => Some(Owner::Provider(index)),
        _ => None,
    };
    let word = parts.next().unwrap_or_default();
    let spot = SPOTS.iter().find(|(known, _)| *known == word).map_or(Spot::Unknown, |(_, spot)| *spot);
    Found { owner, spot, text: text.to_owned() }
}

/// What base64 makes of the mark, wherever it begins within the encoded: the characters that depend on it alone.
fn cores() -> [String; 3] {
    [0, 1, 2].map(|before: usize| {
        let encoded = STANDARD.encode([vec![b'x'; before], MARK.as_bytes().to_vec()].concat());
        let skipped = (before * 8).div_ceil(6);
        let whole = (before + MARK.len()) * 8 / 6;
        encoded[skipped..whole].to_owned()
    })
}

#[test]
fn a_canary_is_found_however_it_is_written() {
    let expected = Found {
        owner: Some(Owner::Consumer(17)),
        spot: Spot::Spec,
        text: "kanarie-c17-spec-note".to_owned(),
    };
    let canary = format!("{}-note", canary(Owner::Consumer(17), Spot::Spec));
    for before in ["", "x", "xy", "xyz", "wxyz"] {
        let text = format!("{before}{canary}");
        assert_eq!(search(&format!("why=\"{text}\" and")), BTreeSet::from([expected.clone()]));
        let encoded = STANDARD.encode(format!("{text} and more"));
        assert!(search(&format!("{{\"data\":\"{encoded}\"}}")).contains(&expected), "{before}");
    }
    assert_eq!(search(&canary.to_uppercase()), BTreeSet::from([expected]));
    assert_eq!(search("kanarie-c1").first().unwrap().spot, Spot::Unknown);
    assert!(search("nothing, bm90aGluZw==").is_empty());
}
