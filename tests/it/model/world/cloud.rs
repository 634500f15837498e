//! What happens in the cloud.

use drift_inbox::provider::{KindListing, Presence};

use super::World;
use crate::model::operations::{KINDS, Op, RESOURCES, Reading, Visible, kind_of};
use crate::model::state::{InCloud, Live};
use crate::model::values::{MODE, field_name};
use crate::support::cloud::Listed;

impl World {
    pub(super) fn change_cloud(&mut self, op: &Op) {
        let model = &mut self.model;
        match *op {
            Op::Change(resource, field, value) => {
                let new = || InCloud {
                    live: Live {
                        fields: Default::default(),
                        settling: false,
                    },
                    visible: Visible::Listed,
                };
                model.cloud[resource].get_or_insert_with(new).live.fields[field] = value;
            }
            Op::Delete(resource) => model.cloud[resource] = None,
            Op::Settle(resource, settles) => {
                if let Some(one) = &mut model.cloud[resource] {
                    one.live.settling = settles;
                }
            }
            Op::Show(resource, visible) => {
                if let Some(one) = &mut model.cloud[resource] {
                    one.visible = visible;
                }
            }
            Op::Readable(kind, reading) => model.reading[kind] = reading,
            Op::ReadMode(kind, can_read) => model.mode_is_unread[kind] = !can_read,
            _ => return,
        }
        self.log.push(format!("{op:?}"));
        self.set_cloud();
    }

    /// Makes the provider answer as the cloud of the model is.
    fn set_cloud(&self) {
        let (model, cloud) = (&self.model, &self.t.cloud);
        let mut listed = Vec::new();
        for (resource, (kind, name)) in RESOURCES.iter().enumerate() {
            let as_listed = |one: &InCloud| self.listed(resource, &one.live);
            let presence = match &model.cloud[resource] {
                None => Presence::Gone,
                Some(one) if one.visible == Visible::Unclear => Presence::Unknown("no answer".to_owned()),
                Some(one) => {
                    if one.visible == Visible::Listed {
                        listed.push(as_listed(one));
                    }
                    Presence::Exists(Box::new(as_listed(one).resource))
                }
            };
            cloud.set_presence(kind, name, presence);
        }
        cloud.set(listed);
        let unreadable = KINDS
            .iter()
            .zip(model.reading)
            .filter_map(|(kind, reading)| match reading {
                Reading::Complete => None,
                Reading::Incomplete => Some((*kind, KindListing::Incomplete("a page is missing".to_owned()))),
                Reading::NotReadable => Some((*kind, KindListing::NotReadable("no scope".to_owned()))),
            });
        cloud.unread(unreadable);
        let unread = KINDS
            .iter()
            .zip(model.mode_is_unread)
            .filter(|(_, is_unread)| *is_unread);
        cloud.set_unread_fields(unread.map(|(kind, _)| (*kind, field_name(MODE))));
    }

    fn listed(&self, resource: usize, live: &Live) -> Listed {
        let (kind, name) = RESOURCES[resource];
        let mut listed = Listed::new(kind, name);
        let [region, tags, mode] = live.fields;
        listed.resource.region = region.and_then(|region| region.json().as_str().map(str::to_owned));
        let tags = tags.map(|tags| tags.json()).unwrap_or_default();
        listed.resource.tags = serde_json::from_value(tags).unwrap_or_default();
        listed.resource.settling = live.settling;
        if self.model.mode_is_unread[kind_of(resource)] {
            listed.resource.unread_fields.insert(field_name(MODE));
        } else if let Some(mode) = mode {
            listed = listed.attr(field_name(MODE), mode.json());
        }
        listed
    }
}
