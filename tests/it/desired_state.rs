//! Recording a spec.
