//! Where a template builds a shell's script from what others write.

use super::pattern::Pattern;

const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "ksh", "zsh"];

/// Finds containers that run a shell with `-c` and a script with placeholders, below a part at this pointer.
pub(super) fn scripts(pattern: &Pattern, at: &str, found: &mut Vec<String>) {
    match pattern {
        Pattern::Fixed(_) | Pattern::Text(_) | Pattern::Answer(_) => {}
        Pattern::List(elements) => {
            elements
                .iter()
                .enumerate()
                .for_each(|(index, element)| scripts(element, &format!("{at}/{index}"), found));
        }
        Pattern::Map(fields) => {
            let list = |key: &str| match fields.iter().find(|(name, _)| name == key) {
                Some((_, Pattern::List(elements))) => elements.as_slice(),
                _ => &[],
            };
            let words: Vec<(String, &Pattern)> = ["command", "args"]
                .iter()
                .flat_map(|key| {
                    list(key)
                        .iter()
                        .enumerate()
                        .map(move |(index, word)| (format!("{at}/{key}/{index}"), word))
                })
                .collect();
            let is_shell = words
                .first()
                .and_then(|(_, word)| word.fixed_text())
                .is_some_and(|word| SHELLS.contains(&word.rsplit('/').next().unwrap_or(word)));
            let takes_script =
                |word: &str| word.starts_with('-') && !word.starts_with("--") && word.contains('c');
            let script = words.iter().position(|(_, word)| word.fixed_text().is_some_and(takes_script));
            if let Some((pointer, script)) = script.and_then(|at| words.get(at + 1)).filter(|_| is_shell)
                && script.is_filled_in()
            {
                found.push(pointer.clone());
            }
            for (key, field) in fields {
                scripts(field, &format!("{at}/{key}"), found);
            }
        }
    }
}
