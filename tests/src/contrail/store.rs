//! Decisions: the stand-in's object store: names, parents, references, and what may be deleted when.
//!
//! It knows kinds, not bare metal; the rules of interfaces and port groups are in `binding`, of addresses in `address`.
//! Objects are shared between copies of the store, so that a request works on a copy and a refused one leaves no trace.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    check::{self, Verb},
    claims::Claims,
    kind::Kind,
    refusal::Refusal,
};

/// Where generated URLs lead; the real server shows its own address.
pub const HREF_BASE: &str = "http://127.0.0.1:8082";

/// A reference to another object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ref {
    /// Kind of the other.
    pub kind: String,
    /// Its uuid.
    pub id: Uuid,
    /// What the reference says.
    pub attr: Value,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Its kind's name.
    pub kind: String,
    /// Its uuid.
    pub id: Uuid,
    /// Its fully qualified name.
    pub fq_name: Vec<String>,
    /// Its parent.
    pub parent: Option<Uuid>,
    /// Its properties.
    pub properties: Map<String, Value>,
    /// Its references.
    pub refs: Vec<Ref>,
}

impl Object {
    /// Last part of the name.
    pub fn name(&self) -> &str {
        self.fq_name.last().map_or("", String::as_str)
    }

    /// Whether every installation has it, and nobody made it.
    pub fn is_built_in(&self) -> bool {
        self.fq_name.get(1).is_some_and(|project| project == "default-project")
    }

    /// References to objects of a kind.
    pub fn refs_to<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Ref> + 'a {
        self.refs.iter().filter(move |reference| reference.kind == kind)
    }

    /// Whether it refers to this object.
    pub fn refers_to(&self, id: Uuid) -> bool {
        self.refs.iter().any(|reference| reference.id == id)
    }

    /// Adds a reference or replaces what it says.
    pub fn set_ref(&mut self, kind: &str, id: Uuid, attr: Value) {
        self.drop_ref(id);
        self.refs.push(Ref { kind: kind.to_owned(), id, attr });
    }

    /// Removes the references to an object.
    pub fn drop_ref(&mut self, id: Uuid) {
        self.refs.retain(|reference| reference.id != id);
    }
}

/// All objects, and what the server keeps beside them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Store {
    #[serde(with = "shared")]
    objects: BTreeMap<Uuid, Arc<Object>>,
    /// Claims on VLANs.
    pub(super) claims: Claims,
    /// References, as who refers and to what, that do not keep the other from being deleted.
    relaxed: BTreeSet<(Uuid, Uuid)>,
}

/// Objects in a file: a list.
mod shared {
    use serde::{Deserializer, Serializer};

    use super::*;

    pub fn serialize<S: Serializer>(
        objects: &BTreeMap<Uuid, Arc<Object>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(objects.values().map(Arc::as_ref))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Uuid, Arc<Object>>, D::Error> {
        let objects = Vec::<Object>::deserialize(deserializer)?;
        Ok(objects.into_iter().map(|object| (object.id, Arc::new(object))).collect())
    }
}

impl Store {
    /// Gives a fabric its style, which no request can change.
    pub fn set_style(&mut self, fabric: Uuid, enterprise: bool) {
        self.change(fabric, |fabric| {
            fabric.properties.insert("fabric_enterprise_style".to_owned(), json!(enterprise))
        });
    }

    /// Puts an object in, whatever was there.
    pub fn insert(&mut self, object: Object) -> Uuid {
        let id = object.id;
        self.objects.insert(id, Arc::new(object));
        id
    }

    /// Lets the other be deleted although it is referred to.
    pub fn relax(&mut self, from: Uuid, to: Uuid) {
        self.relaxed.insert((from, to));
    }

    /// Takes an object out, with every reference to it.
    pub fn remove(&mut self, id: Uuid) {
        self.objects.remove(&id);
        self.relaxed.retain(|(from, to)| *from != id && *to != id);
        let referring: Vec<Uuid> = self.back_refs(id).map(|object| object.id).collect();
        for other in referring {
            self.change(other, |object| object.drop_ref(id));
        }
    }

    /// Changes an object that exists.
    pub fn change<T>(&mut self, id: Uuid, change: impl FnOnce(&mut Object) -> T) -> Option<T> {
        self.objects.get_mut(&id).map(|object| change(Arc::make_mut(object)))
    }

    /// The object of this uuid.
    pub fn get(&self, id: Uuid) -> Option<&Object> {
        self.objects.get(&id).map(Arc::as_ref)
    }

    /// The object of this kind and uuid, or the refusal.
    pub fn expect(&self, kind: &str, id: Uuid) -> Result<&Object, Refusal> {
        self.get(id).filter(|object| object.kind == kind).ok_or_else(|| Refusal::no_id(id))
    }

    /// The object of this kind and name.
    pub fn by_name(&self, kind: &str, fq_name: &[String]) -> Option<&Object> {
        let mut all = self.objects.values().map(Arc::as_ref);
        all.find(|object| object.kind == kind && object.fq_name == fq_name)
    }

    /// All objects of a kind, by uuid.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Object> + 'a {
        self.objects.values().map(Arc::as_ref).filter(move |object| object.kind == kind)
    }

    /// Objects that refer to this one.
    pub fn back_refs(&self, id: Uuid) -> impl Iterator<Item = &Object> {
        self.objects.values().map(Arc::as_ref).filter(move |object| object.refers_to(id))
    }

    /// Its children.
    pub fn children(&self, id: Uuid) -> impl Iterator<Item = &Object> {
        self.objects.values().map(Arc::as_ref).filter(move |object| object.parent == Some(id))
    }

    /// Reads a creation's name, parent and uuid, refuses clashes and puts in the bare object with its properties and
    /// references.
    pub fn create(&mut self, kind: &'static Kind, body: &Map<String, Value>) -> Result<Uuid, Refusal> {
        if body.is_empty() {
            return Err(Refusal::tripped());
        }
        let fq_name = body.get("fq_name").and_then(|name| serde_json::from_value(name.clone()).ok());
        let fq_name: Vec<String> =
            fq_name.ok_or_else(|| Refusal::new(400, "Bad Request, no fq_name in POST body"))?;
        if fq_name.last().is_some_and(|name| name.contains(':')) {
            return Err(Refusal::new(400, "Bad Request, name has one of invalid chars {':'}"));
        }
        let parent = self.parent_of(kind, body, &fq_name)?;
        if let Some(existing) = self.by_name(kind.name, &fq_name) {
            return Err(Refusal::exists(&fq_name, existing.id));
        }
        let id = match body.get("uuid").and_then(Value::as_str) {
            Some(text) => Uuid::parse_str(text).map_err(|_| Refusal::tripped())?,
            None => Uuid::new_v4(),
        };
        if let Some(existing) = self.get(id) {
            return Err(Refusal::uuid_exists(id, &existing.fq_name));
        }
        let mut object = Object {
            kind: kind.name.to_owned(),
            id,
            fq_name,
            parent,
            properties: Map::new(),
            refs: Vec::new(),
        };
        self.apply(kind, &mut object, body, Verb::Create)?;
        if !object.properties.contains_key("display_name") {
            object.properties.insert("display_name".to_owned(), json!(object.name()));
        }
        Ok(self.insert(object))
    }

    fn parent_of(
        &self,
        kind: &'static Kind,
        body: &Map<String, Value>,
        fq_name: &[String],
    ) -> Result<Option<Uuid>, Refusal> {
        let [above @ .., _] = fq_name else {
            return Err(Refusal::new(400, "Bad Request, fq_name is empty"));
        };
        if above.is_empty() && kind.may_be_root() {
            return Ok(None);
        }
        let named = body.get("parent_type").and_then(Value::as_str);
        let parent_kind = match (named, kind.parents) {
            (Some(named), parents) if parents.contains(&named) => named,
            (Some(named), _) => return Err(Refusal::new(400, format!("Invalid parent type: {named}"))),
            (None, [only]) => only,
            (None, _) => return Err(Refusal::new(400, "Missing parent type")),
        };
        let parent = self.by_name(parent_kind, above).ok_or_else(|| Refusal::no_parent(above))?;
        Ok(Some(parent.id))
    }

    /// Applies the properties and references of a body: each named field is replaced whole, null clears, unknown
    /// top-level fields are ignored.
    pub fn apply(
        &self,
        kind: &'static Kind,
        object: &mut Object,
        body: &Map<String, Value>,
        verb: Verb,
    ) -> Result<(), Refusal> {
        for (field, value) in body {
            if let Some(target) = field.strip_suffix("_refs").filter(|name| !name.ends_with("_back")) {
                self.apply_refs(kind, object, &target.replace('_', "-"), value, verb)?;
            } else if kind.has_property(field) {
                check::property(field, value, verb)?;
                if value.is_null() {
                    object.properties.remove(field);
                } else {
                    object.properties.insert(field.clone(), value.clone());
                }
            }
        }
        Ok(())
    }

    fn apply_refs(
        &self,
        kind: &'static Kind,
        object: &mut Object,
        target: &str,
        value: &Value,
        verb: Verb,
    ) -> Result<(), Refusal> {
        let unknown = || Refusal::new(400, format!("Unknown reference in resource {} {target}", verb.name()));
        if !kind.refs.contains(&target) {
            return Err(unknown());
        }
        object.refs.retain(|reference| reference.kind != target);
        for item in value.as_array().into_iter().flatten() {
            check::reference(kind, target, item, verb)?;
            // A creation goes by the name, a change by the uuid if there is one.
            let id = match (verb, item.get("to"), item.get("uuid").and_then(Value::as_str)) {
                (Verb::Create, None, _) | (Verb::Update, None, None) => {
                    return Err(Refusal::new(500, "KeyError: 'to'"));
                }
                (Verb::Create, Some(to), _) | (Verb::Update, Some(to), None) => {
                    let name: Vec<String> = serde_json::from_value(to.clone()).unwrap_or_default();
                    self.by_name(target, &name).ok_or_else(unknown)?.id
                }
                (Verb::Update, _, Some(text)) => {
                    let id = Uuid::parse_str(text).map_err(|_| Refusal::no_id(text))?;
                    self.expect(target, id)?.id
                }
            };
            object.set_ref(target, id, item.get("attr").cloned().unwrap_or(Value::Null));
        }
        Ok(())
    }

    /// Refuses a deletion while there are children, apart from those named as going along, or objects that refer to it and
    /// would miss it.
    pub fn check_delete(&self, id: Uuid, going_along: &BTreeSet<Uuid>) -> Result<(), Refusal> {
        let urls = |objects: Vec<&Object>| -> Vec<String> {
            let left = objects.iter().filter(|object| !going_along.contains(&object.id));
            left.map(|object| href(object)).collect()
        };
        let children = urls(self.children(id).collect());
        if !children.is_empty() {
            return Err(Refusal::children(&children));
        }
        let misses = |other: &&Object| !self.relaxed.contains(&(other.id, id));
        let mut referring: Vec<&Object> = self.back_refs(id).filter(misses).collect();
        // The server looks at one kind after the other and names what it finds first.
        if let Some(kind) = referring.first().map(|first| first.kind.clone()) {
            referring.retain(|other| other.kind == kind);
            return Err(Refusal::referred(&urls(referring)));
        }
        Ok(())
    }

    /// What a creation answers.
    pub fn summary(&self, object: &Object) -> Value {
        let mut all = json!({
            "name": object.name(), "fq_name": object.fq_name, "uuid": object.id, "href": href(object),
        });
        if let Some(parent) = object.parent.and_then(|id| self.get(id)) {
            all["parent_type"] = json!(parent.kind);
            all["parent_uuid"] = json!(parent.id);
            all["parent_href"] = json!(href(parent));
        }
        all
    }
}

/// URL of an object.
pub fn href(object: &Object) -> String {
    format!("{HREF_BASE}/{}/{}", object.kind, object.id)
}
