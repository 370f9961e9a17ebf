//! How near a miss was, in thousandths: 0 is a hit, 1000 has nothing in common. Only for ranking explanations.

/// Longer texts are compared up to here: the ranking of near misses is worth no more.
const COMPARED: usize = 64;

/// The edits after which `found` would begin with `wanted`, both read from the end that matters; relative to `wanted`.
pub(super) fn text_gap(found: impl Iterator<Item = char>, wanted: impl Iterator<Item = char>) -> u32 {
    let wanted: Vec<char> = wanted.take(COMPARED).collect();
    // Whatever is further in than this is as far off as having nothing in common.
    let found = found.take(wanted.len() * 2);
    let mut nearest = wanted.len();
    rows(found, &wanted, |row| nearest = nearest.min(row.last().copied().unwrap_or_default()));
    per_mille(nearest, wanted.len())
}

/// The edits (insert, delete, replace one character) between two texts, relative to the longer one.
pub(super) fn value_gap(found: &str, wanted: &str) -> u32 {
    let wanted: Vec<char> = wanted.chars().take(COMPARED).collect();
    let (mut edits, mut length) = (wanted.len(), 0);
    rows(found.chars().take(COMPARED), &wanted, |row| {
        edits = row.last().copied().unwrap_or_default();
        length += 1;
    });
    per_mille(edits, length.max(wanted.len()))
}

/// Shows, for each beginning of `found`, the edits between it and each beginning of `wanted`.
fn rows(found: impl Iterator<Item = char>, wanted: &[char], mut shown: impl FnMut(&[usize])) {
    let mut row: Vec<usize> = (0..=wanted.len()).collect();
    for (line, a) in found.enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, b) in row.iter_mut().skip(1).zip(wanted) {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        shown(&row);
    }
}

fn per_mille(part: usize, whole: usize) -> u32 {
    (part * 1000).checked_div(whole).map_or(0, |gap| u32::try_from(gap.min(1000)).unwrap_or(1000))
}
