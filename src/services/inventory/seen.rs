//! What the chunks of a listing see change, as rows of the log of changes.

use entity::inventory_changes::ChangeType;
use uuid::Uuid;

use crate::domain::detection::WHOLE_RESOURCE;
use crate::domain::inventory_changes::FieldChange;
use crate::services::inventory_changes::NewChange;

/// The changed values of a stored row.
#[derive(Clone, Debug)]
pub(super) struct Values {
    /// Whether the resource was gone.
    pub(super) was_gone: bool,
    /// The fields whose values differ; None if the stored row does not decode.
    pub(super) fields: Option<Vec<FieldChange>>,
}

/// The rows of a chunk.
#[derive(Default)]
pub(super) struct Seen(pub(super) Vec<NewChange>);

impl Seen {
    fn whole(&mut self, resource_id: Uuid, change_type: ChangeType) {
        self.0.push(NewChange {
            resource_id,
            change_type,
            field: WHOLE_RESOURCE.to_owned(),
            values: Some(Default::default()),
            was_listed: change_type == ChangeType::Gone,
        });
    }

    fn fields(&mut self, resource_id: Uuid, values: &Values, was_listed: bool) {
        let Some(fields) = &values.fields else {
            self.0.push(NewChange {
                resource_id,
                change_type: ChangeType::Changed,
                field: WHOLE_RESOURCE.to_owned(),
                values: None,
                was_listed,
            });
            return;
        };
        self.0.extend(fields.iter().map(|change| NewChange {
            resource_id,
            change_type: ChangeType::Changed,
            field: change.field.clone(),
            values: Some((change.before.clone(), change.after.clone())),
            was_listed,
        }));
    }

    /// A resource was listed for the first time. That it appeared is known only if the kind was listed before.
    pub(super) fn appeared(&mut self, resource_id: Uuid, is_first: bool) {
        if !is_first {
            self.whole(resource_id, ChangeType::Appeared);
        }
    }

    /// A resource was gone and is listed again. The listing before lacked it.
    pub(super) fn returned(&mut self, resource_id: Uuid, values: &Values) {
        self.whole(resource_id, ChangeType::Returned);
        self.fields(resource_id, values, false);
    }

    /// Values of a resource changed.
    pub(super) fn changed(&mut self, resource_id: Uuid, values: Option<&Values>) {
        if let Some(values) = values {
            self.fields(resource_id, values, true);
        }
    }

    /// A resource is gone.
    pub(super) fn gone(&mut self, resource_id: Uuid) {
        self.whole(resource_id, ChangeType::Gone);
    }
}
