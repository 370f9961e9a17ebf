//! How near a miss was, in thousandths: 0 is a hit, 1000 has nothing in common. Only for ranking explanations.

/// Longer texts are compared up to here: the ranking of near misses is worth no more.
const COMPARED: usize = 64;

/// The part of `wanted` that `found` does not share, both read from the end that matters.
pub(super) fn text_gap(found: impl Iterator<Item = char>, wanted: impl Iterator<Item = char> + Clone) -> u32 {
    let length = wanted.clone().take(COMPARED).count();
    let shared = found.zip(wanted).take(COMPARED).take_while(|(a, b)| a == b).count();
    per_mille(length.saturating_sub(shared), length)
}

/// The edits (insert, delete, replace one character) between two texts, relative to the longer one.
pub(super) fn value_gap(found: &str, wanted: &str) -> u32 {
    let found: Vec<char> = found.chars().take(COMPARED).collect();
    let wanted: Vec<char> = wanted.chars().take(COMPARED).collect();
    let mut row: Vec<usize> = (0..=wanted.len()).collect();
    for (line, a) in found.iter().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, b) in row.iter_mut().skip(1).zip(&wanted) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
    }
    per_mille(row.last().copied().unwrap_or_default(), found.len().max(wanted.len()))
}

fn per_mille(part: usize, whole: usize) -> u32 {
    (part * 1000).checked_div(whole).map_or(0, |gap| u32::try_from(gap.min(1000)).unwrap_or(1000))
}
