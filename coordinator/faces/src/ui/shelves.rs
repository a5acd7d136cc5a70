//! Edges: the pages of images, flavors and networks.

use api_types::{CachedImageStatus, Flavor, Image, TenantNetwork};
use askama::Template;
use domain::tenancy::nics::NICS_MAX;
use serde_json::{Value, json};

use super::{
    Ui,
    form::{Choice, Field, Typed},
    image_caches::{self, Rack},
    page::Frame,
    part::Part,
    session::Visitor,
    shelf::{Shelf, Shown},
    view,
};
use crate::{
    access::{Known, Standing},
    problem::Problem,
};

/// Images.
pub struct Images;

#[derive(Template)]
#[template(path = "images.html")]
pub struct ImagesPage {
    frame: Frame,
    shown: Shown<Image>,
    /// The racks' caches; none: not for the visitor.
    caches: Option<Part<Rack>>,
    /// Who looks at it.
    known: Known,
}

impl ImagesPage {
    /// Whether the API would delete it for the visitor, as far as is known here.
    fn may_delete(&self, image: &Image) -> bool {
        let is_own = image.project_id.as_deref() == self.known.identity.project_id();
        match self.known.standing {
            Standing::Administrator => true,
            Standing::Member => image.project_id.is_none() || is_own,
            Standing::Auditor | Standing::Reader => false,
        }
    }
}

impl Shelf for Images {
    type Item = Image;
    type Page = ImagesPage;
    const WORD: &'static str = "images";

    async fn page(
        ui: &Ui,
        visitor: &Visitor,
        frame: Frame,
        shown: Shown<Image>,
    ) -> Result<ImagesPage, Problem> {
        let caches = image_caches::read(ui, visitor).await?;
        Ok(ImagesPage { frame, shown, caches, known: visitor.known.clone() })
    }
}

/// Flavors.
pub struct Flavors;

#[derive(Template)]
#[template(path = "flavors.html")]
pub struct FlavorsPage {
    frame: Frame,
    shown: Shown<Flavor>,
    fields: Vec<Field>,
    more: Vec<Field>,
}

impl Shelf for Flavors {
    type Item = Flavor;
    type Page = FlavorsPage;
    const WORD: &'static str = "flavors";
    const FIELDS: &'static [&'static str] =
        &["name", "resource_class", "cpus", "memory_mib", "disk_gb", "manufacturer", "nics", "projects"];

    fn wanted(typed: &Typed) -> Result<Value, Problem> {
        let number = |name: &str| {
            let read = typed.get(name).parse::<u32>();
            read.map_err(|_| Problem::bad(format!("{name}: must be a whole number")))
        };
        let mut wanted = json!({ "name": typed.get("name"), "resource_class": typed.get("resource_class"), "cpus": number("cpus")?,
            "memory_mib": number("memory_mib")?, "disk_gb": number("disk_gb")?, "projects": typed.words("projects") });
        if let Some(maker) = typed.filled("manufacturer") {
            wanted["manufacturer"] = json!(maker);
        }
        if typed.filled("nics").is_some() {
            wanted["nics"] = json!(number("nics")?);
        }
        Ok(wanted)
    }

    async fn page(_: &Ui, _: &Visitor, frame: Frame, shown: Shown<Flavor>) -> Result<FlavorsPage, Problem> {
        let (typed, faults) = (&shown.typed, &shown.faults);
        let nics = (1..=NICS_MAX).map(|nics| {
            let label = if nics == 1 { "any".to_owned() } else { format!("{nics} or more") };
            Choice::new(nics.to_string(), label)
        });
        let fields = vec![
            Field::text("name", "Name", typed).example("metal"),
            Field::text("resource_class", "Resource class", typed)
                .hint("The flavor selects servers of this class."),
            Field::number("cpus", "Processors", typed, "1"),
            Field::number("memory_mib", "Memory in MiB", typed, "1024"),
            Field::number("disk_gb", "Disk in GiB", typed, "1"),
        ];
        let more = vec![
            Field::select("nics", "Network interfaces", typed, nics.collect())
                .hint("A server needs one for each of its networks."),
            Field::text("manufacturer", "Manufacturer", typed)
                .optional()
                .example("QEMU")
                .hint("As inspection reported it; leave empty for any."),
            Field::text("projects", "Projects", typed)
                .optional()
                .example("demo other")
                .hint("Projects that can use it; leave empty for all."),
        ];
        let with = |fields: Vec<Field>| fields.into_iter().map(|field| field.with(faults)).collect();
        let (fields, more) = (with(fields), with(more));
        Ok(FlavorsPage { frame, shown, fields, more })
    }
}

/// Networks.
pub struct Networks;

#[derive(Template)]
#[template(path = "networks.html")]
pub struct NetworksPage {
    frame: Frame,
    shown: Shown<TenantNetwork>,
    fields: Vec<Field>,
}

impl Shelf for Networks {
    type Item = TenantNetwork;
    type Page = NetworksPage;
    const WORD: &'static str = "networks";
    const FIELDS: &'static [&'static str] = &["name", "subnet"];

    fn wanted(typed: &Typed) -> Result<Value, Problem> {
        Ok(json!({ "name": typed.get("name"), "subnet": typed.get("subnet") }))
    }

    async fn page(
        _: &Ui,
        _: &Visitor,
        frame: Frame,
        shown: Shown<TenantNetwork>,
    ) -> Result<NetworksPage, Problem> {
        let text = |name, label| Field::text(name, label, &shown.typed).with(&shown.faults);
        let fields =
            vec![text("name", "Name").example("blue"), text("subnet", "IPv4 subnet").example("192.0.2.0/24")];
        Ok(NetworksPage { frame, shown, fields })
    }
}
