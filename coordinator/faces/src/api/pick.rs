//! Decisions: which thing is meant when people say its name or its id.

use crate::problem::Problem;

/// The one with this id, or else the only one with this name.
pub(super) fn pick<T>(
    what: &str,
    name: &str,
    all: Vec<T>,
    by_id: impl Fn(&T) -> bool,
    by_name: impl Fn(&T) -> bool,
) -> Result<T, Problem> {
    let (mut ids, rest): (Vec<T>, Vec<T>) = all.into_iter().partition(by_id);
    if let Some(found) = ids.pop() {
        return Ok(found);
    }
    let mut named: Vec<T> = rest.into_iter().filter(by_name).collect();
    match (named.pop(), named.len()) {
        (Some(found), 0) => Ok(found),
        (None, _) => Err(Problem::not_found(what, name)),
        (Some(_), others) => {
            Err(Problem::conflict(format!("{} {what}s are named {name:?}; name one by its id", others + 1)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_must_be_unique_and_ids_win() {
        let all = || vec![("1", "a"), ("2", "b"), ("3", "b"), ("b2", "4")];
        let find =
            |name: &'static str| pick("thing", name, all(), move |t| t.0 == name, move |t| t.1 == name);
        assert_eq!(find("a").unwrap().0, "1");
        assert_eq!(find("3").unwrap().0, "3");
        assert_eq!(find("b").unwrap_err().status, 409);
        assert_eq!(find("c").unwrap_err().status, 404);
    }
}
