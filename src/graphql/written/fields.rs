//! The fields of each type that are stored in a column.

use entity::{
    cloud_drift as drift, cloud_provisioned as spec, cloud_resource_events as event,
    cloud_resources as resource,
};

/// How the cell of a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Unchanged.
    Plain,
    /// As the name of an enum value.
    Choice,
    /// As null if the text is empty.
    NullIfEmpty,
    /// As a list of the strings of a JSON list.
    Texts,
    /// A source as the name of its Terraform state, or as null.
    StateName,
}

use Form::{Choice, NullIfEmpty, Plain, StateName, Texts};

/// Returns the column of a field of a drift.
pub(super) fn of_drift(field: &str) -> Option<(drift::Column, Form)> {
    Some(match field {
        "id" => (drift::Column::Id, Plain),
        "kind" => (drift::Column::Kind, Choice),
        "field" => (drift::Column::Field, Plain),
        "status" => (drift::Column::Status, Choice),
        "revision" => (drift::Column::Revision, Plain),
        "detectedAt" => (drift::Column::DetectedAt, Plain),
        "resolvedAt" => (drift::Column::ResolvedAt, Plain),
        "resolvedBy" => (drift::Column::ResolvedBy, Plain),
        "resolutionNote" => (drift::Column::ResolutionNote, Plain),
        "specVersion" => (drift::Column::SpecVersion, Plain),
        "revertingAt" => (drift::Column::RevertingAt, Plain),
        "revertingBy" => (drift::Column::RevertingBy, Plain),
        "revertingNote" => (drift::Column::RevertingNote, Plain),
        "snoozed" => (drift::Column::Snoozed, Plain),
        "snoozedAt" => (drift::Column::SnoozedAt, Plain),
        "snoozedBy" => (drift::Column::SnoozedBy, Plain),
        "snoozedUntil" => (drift::Column::SnoozedUntil, Plain),
        "snoozedUntilChange" => (drift::Column::SnoozedUntilChange, Plain),
        "snoozeReason" => (drift::Column::SnoozeReason, Plain),
        "assignee" => (drift::Column::Assignee, Plain),
        "undoneAt" => (drift::Column::UndoneAt, Plain),
        "undoneBy" => (drift::Column::UndoneBy, Plain),
        "closeReason" => (drift::Column::CloseReason, Choice),
        "severity" => (drift::Column::Severity, Choice),
        "severityRule" => (drift::Column::SeverityRule, Plain),
        "lastSeenEqualAt" => (drift::Column::LastSeenEqualAt, Plain),
        "firstSeenDifferentAt" => (drift::Column::FirstSeenDifferentAt, Plain),
        "windowBasis" => (drift::Column::WindowBasis, Choice),
        "flapping" => (drift::Column::Flapping, Plain),
        _ => return None,
    })
}

/// Returns the column of a field of a resource.
pub(super) fn of_resource(field: &str) -> Option<(resource::Column, Form)> {
    Some(match field {
        "id" => (resource::Column::Id, Plain),
        "provider" => (resource::Column::Provider, Plain),
        "kind" => (resource::Column::Kind, Plain),
        "providerId" => (resource::Column::ProviderId, Plain),
        "urn" => (resource::Column::Urn, Plain),
        "name" => (resource::Column::Name, NullIfEmpty),
        "region" => (resource::Column::Region, Plain),
        "sizeSlug" => (resource::Column::SizeSlug, Plain),
        "status" => (resource::Column::Status, Plain),
        "ip" => (resource::Column::Ip, Plain),
        "vpcUuid" => (resource::Column::VpcUuid, Plain),
        "projectId" => (resource::Column::ProjectId, Plain),
        "tags" => (resource::Column::Tags, Texts),
        "attrs" => (resource::Column::Attrs, Plain),
        "firstSeenAt" => (resource::Column::FirstSeenAt, Plain),
        "goneAt" => (resource::Column::GoneAt, Plain),
        "owned" => (resource::Column::Owned, Plain),
        "source" => (resource::Column::Source, NullIfEmpty),
        _ => return None,
    })
}

/// Returns the column of a field of a spec.
pub(super) fn of_spec(field: &str) -> Option<(spec::Column, Form)> {
    Some(match field {
        "id" => (spec::Column::Id, Plain),
        "spec" => (spec::Column::Spec, Plain),
        "specVersion" => (spec::Column::SpecVersion, Plain),
        "address" => (spec::Column::Address, Plain),
        "recordedBy" => (spec::Column::RecordedBy, Plain),
        "recordedAt" => (spec::Column::RecordedAt, Plain),
        _ => return None,
    })
}

/// Returns the column of a field of the source of a spec. Its other fields are read from other tables.
pub(super) fn of_source(field: &str) -> Option<(spec::Column, Form)> {
    Some(match field {
        "name" => (spec::Column::Source, StateName),
        "address" => (spec::Column::Address, Plain),
        "recordedAt" => (spec::Column::RecordedAt, Plain),
        _ => return None,
    })
}

/// Returns the column of a field of an event.
pub(super) fn of_event(field: &str) -> Option<(event::Column, Form)> {
    Some(match field {
        "id" => (event::Column::Id, Plain),
        "type" => (event::Column::EventType, Choice),
        "actor" => (event::Column::Actor, Plain),
        "data" => (event::Column::Data, Plain),
        "occurredAt" => (event::Column::OccurredAt, Plain),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use entity::cloud_drift::{CloseReason, DriftKind, DriftStatus, Severity, WindowBasis};
    use entity::cloud_resource_events::EventType;
    use sea_orm::{ActiveEnum, Iterable};

    fn stored<E: ActiveEnum<Value = String> + Iterable>() -> impl Iterator<Item = String> {
        E::iter().map(|value| value.to_value())
    }

    #[test]
    fn the_name_of_a_choice_is_the_stored_text_in_capitals() {
        let schema = crate::graphql::sdl();
        let texts = stored::<DriftKind>()
            .chain(stored::<DriftStatus>())
            .chain(stored::<CloseReason>())
            .chain(stored::<Severity>())
            .chain(stored::<WindowBasis>())
            .chain(stored::<EventType>());
        for text in texts {
            let name = text.to_ascii_uppercase();
            assert!(schema.lines().any(|line| line.trim() == name), "{name}");
        }
    }
}
