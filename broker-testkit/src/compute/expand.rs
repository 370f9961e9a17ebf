//! `$(VAR)`, and paths of mounts.

use std::collections::BTreeMap;

/// Puts the values of variables into a text, as Kubernetes does in `command`, `args` and `env`: `$(NAME)` becomes the
/// value, or stays where there is no such variable; `$$` becomes `$`, so that `$$(NAME)` is a text.
pub(super) fn variables(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let named = rest.strip_prefix('(').and_then(|inside| inside.split_once(')'));
        let Some((name, after)) = named else {
            out.push('$');
            continue;
        };
        match variables.get(name) {
            Some(value) => out.push_str(value),
            None => out.extend(["$(", name, ")"]),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Puts the folders of volumes in the place of the paths where a container has them mounted; the longest path first.
pub(super) fn mounts(text: &str, mounts: &[(String, String)]) -> String {
    let mut by_length: Vec<_> = mounts.iter().collect();
    by_length.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    let (mut out, mut rest, mut may_begin) = (String::with_capacity(text.len()), text, true);
    while let Some(next) = rest.chars().next() {
        let here = by_length.iter().find_map(|(path, folder)| {
            let after = rest.strip_prefix(path.as_str())?;
            let ends = after.chars().next().is_none_or(|next| "/:,".contains(next));
            ends.then_some((folder, after))
        });
        if let Some((folder, after)) = here.filter(|_| may_begin) {
            out.push_str(folder);
            rest = after;
            may_begin = false;
            continue;
        }
        out.push(next);
        rest = rest.get(next.len_utf8()..).unwrap_or_default();
        may_begin = "=:,".contains(next);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in_as_kubernetes_does() {
        let known = BTreeMap::from([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "$(A)".to_owned())]);
        for (text, wanted) in [
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$(C)", "$(C)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$A", "$A"),
            ("$(A", "$(A"),
            ("100$", "100$"),
            ("$(B)", "$(A)"),
            ("$()", "$()"),
            ("é$(A)é", "é1é"),
        ] {
            assert_eq!(variables(text, &known), wanted, "{text}");
        }
    }

    #[test]
    fn a_mounts_path_becomes_its_folder_where_a_path_begins_and_ends() {
        let known =
            [("/dump".to_owned(), "/tmp/a".to_owned()), ("/dump/new".to_owned(), "/tmp/b".to_owned())];
        for (text, wanted) in [
            ("/dump", "/tmp/a"),
            ("/dump/db", "/tmp/a/db"),
            ("/dump/new/db", "/tmp/b/db"),
            ("--file=/dump/db", "--file=/tmp/a/db"),
            ("/dump:/dump/new", "/tmp/a:/tmp/b"),
            ("/dumps", "/dumps"),
            ("/etc/dump", "/etc/dump"),
            ("see /dump", "see /dump"),
            ("é=/dump", "é=/tmp/a"),
        ] {
            assert_eq!(mounts(text, &known), wanted, "{text}");
        }
    }
}
