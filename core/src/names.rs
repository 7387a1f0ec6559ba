//! Names that are near one that was not found, for hints.

/// Longest name that is compared, in bytes: comparing takes time with the product of both lengths.
const MAX_BYTES: usize = 500;

/// How far a name is from the wanted one: the kind of likeness, then the number of edits.
type Distance = (u8, usize);

/// Of many names those that are like a wanted one, the likest first: they differ from it in case, one begins with
/// or holds the other, or few letters have to be edited (optimal string alignment: Boytsov, "Indexing methods for
/// approximate dictionary searching", 2011). No more than `count`, and none twice.
pub fn nearest(wanted: &str, names: impl IntoIterator<Item = String>, count: usize) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let mut found: Vec<(Distance, String)> = Vec::new();
    for name in names {
        let Some(distance) = distance(&wanted, &name.to_lowercase()) else { continue };
        let place = found.partition_point(|(other, known)| (other, known) < (&distance, &name));
        if found.get(place).is_none_or(|(_, known)| *known != name) {
            found.insert(place, (distance, name));
            found.truncate(count);
        }
    }
    found.into_iter().map(|(_, name)| name).collect()
}

fn distance(wanted: &str, name: &str) -> Option<Distance> {
    if wanted.is_empty() || wanted.len() > MAX_BYTES || name.is_empty() || name.len() > MAX_BYTES {
        return None;
    }
    let apart = wanted.len().abs_diff(name.len());
    if wanted == name {
        return Some((0, 0));
    } else if name.starts_with(wanted) || wanted.starts_with(name) {
        return Some((1, apart));
    } else if name.contains(wanted) || wanted.contains(name) {
        return Some((2, apart));
    }
    let most = 1 + wanted.len() / 4;
    // The lengths alone make so many edits, but for letters of several bytes.
    if apart > 4 * most {
        return None;
    }
    let edits = strsim::osa_distance(wanted, name);
    (edits <= most).then_some((3, edits))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    fn of(wanted: &str, names: &[&str]) -> Vec<String> {
        nearest(wanted, names.iter().map(ToString::to_string), 3)
    }

    #[test]
    fn the_likest_come_first() {
        let names = ["smollm2-135m", "SmolLM2", "smolm2", "bert", "tiny smollm2", "smollm2"];
        assert_eq!(of("smollm2", &names), ["SmolLM2", "smollm2", "smollm2-135m"]);
        assert_eq!(of("smolm", &names), ["smolm2", "SmolLM2", "smollm2"]);
        assert_eq!(of("smoll2m", &names), ["SmolLM2", "smollm2", "smolm2"]);
        assert_eq!(
            of("blk.0.attn_k", &["blk.0.attn_q.weight", "blk.0.attn_k.weight"]),
            ["blk.0.attn_k.weight"]
        );
    }

    #[test]
    fn what_is_not_like_it_is_left_out() {
        assert!(of("smollm2", &["bert", "", "whisper-large"]).is_empty());
        assert!(of("", &["bert"]).is_empty());
        assert!(of(&"x".repeat(501), &["x"]).is_empty());
        assert_eq!(of("Größe", &["GROSSE", "größe", "größe"]), ["größe"]);
    }
}
