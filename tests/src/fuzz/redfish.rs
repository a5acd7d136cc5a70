//! Decisions: what BMCs answer by Redfish.

use std::fmt::Debug;

use protocol::redfish::{
    Collection, ComputerSystem, ErrorBody, Manager, ServiceRoot, SessionService, Task, dirty,
    resource::local_path,
};
use serde::{Serialize, de::DeserializeOwned};

/// Longest sentence of an error.
const ERROR_CHARS_MAX: usize = 300;

fn again<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: &[u8]) {
    if let Ok(resource) = dirty::resource::<T>(data) {
        let written = serde_json::to_string(&resource).expect("a resource is JSON");
        assert_eq!(serde_json::from_str::<T>(&written).expect("and read again"), resource);
    }
}

/// Resources are read as far as they can be, written and read again; an error's sentence is short and can be shown; links
/// lead to the same service.
pub fn run(data: &[u8]) {
    again::<ServiceRoot>(data);
    again::<SessionService>(data);
    again::<Collection>(data);
    again::<ComputerSystem>(data);
    again::<Manager>(data);
    again::<Task>(data);
    again::<ErrorBody>(data);
    let text =
        serde_json::from_slice::<ErrorBody>(data).ok().and_then(|body| body.text()).unwrap_or_default();
    assert!(text.chars().count() <= ERROR_CHARS_MAX && !text.chars().any(char::is_control));
    if let Some(path) = local_path(&String::from_utf8_lossy(data)) {
        assert!(path.starts_with("/") && !path.starts_with("//"));
    }
}
