//! The extension of the schema that checks each request before its execution and each response after it.
//!
//! There is only one extension, because each extension costs a boxed future per field.

use std::sync::{Arc, OnceLock};

use async_graphql::{
    Name, ObjectType, Pos, Request, Response, SchemaBuilder, ServerError, ServerResult, SubscriptionType,
    ValidationResult, Value, Variables,
    extensions::{
        Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery, NextPrepareRequest,
        NextRequest, NextResolve, NextSubscribe, NextValidation, ResolveInfo,
    },
    futures_util::stream::{BoxStream, StreamExt},
    parser::types::{ExecutableDocument, OperationType},
    registry::Registry,
};

use crate::{
    answer_size::AnswerSize,
    codes::{
        self, BAD_USER_INPUT, GRAPHQL_VALIDATION_FAILED, INTROSPECTION_DISABLED,
        OPERATION_RESOLUTION_FAILURE, QUERY_TOO_COSTLY, RATE_LIMITED,
    },
    conformance::{nulls::Nulls, operation, order::Order, typename, variables},
    document,
    limits::{RequestLimits, cost},
    recent::Recent,
    weight::{Busy, Weight},
};

/// Maximum number of validation errors in a response. A document can have thousands.
const MAX_ERRORS: usize = 20;

/// The name of the extension with which a request asks what it costs, and of the one with the answer.
const COST: &str = "cost";

/// Marks a request without credentials, as data of the request. Its fields are refused before they read anything, so it
/// does not wait for large queries, nor do they wait for it.
#[derive(Clone, Copy, Debug)]
pub struct Anonymous;

/// Adds the limits and checks to a schema. Every error gets a code. Without `introspection`, a document that selects
/// `__schema` or `__type` is rejected.
pub fn guarded<Q, M, S>(
    schema: SchemaBuilder<Q, M, S>,
    limits: &RequestLimits,
    introspection: bool,
) -> SchemaBuilder<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    schema
        .limit_depth(limits.max_depth)
        .limit_complexity(limits.max_complexity)
        .limit_directives(limits.max_directives)
        .disable_suggestions()
        .extension(Checks {
            limits: limits.clone(),
            introspection,
            shared: Arc::new(Shared {
                valid: Recent::new(128),
                weight: Weight::new(limits.max_complexity),
            }),
        })
}

/// Creates a [`RequestChecks`] for each request.
struct Checks {
    limits: RequestLimits,
    introspection: bool,
    shared: Arc<Shared>,
}

/// State that all requests of a schema share.
struct Shared {
    /// A cache of the validation results of requests without variables and without an operation name. Such a result
    /// depends on the document only.
    valid: Recent<ValidationResult>,
    weight: Weight,
}

impl ExtensionFactory for Checks {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(RequestChecks {
            limits: self.limits.clone(),
            introspection: self.introspection,
            shared: Arc::clone(&self.shared),
            text: OnceLock::new(),
            operation: OnceLock::new(),
            complexity: OnceLock::new(),
            cost: OnceLock::new(),
            wants_cost: OnceLock::new(),
            arguments: Arc::default(),
            order: OnceLock::new(),
            size: AnswerSize::new(self.limits.max_answer_bytes),
            nulls: Nulls::default(),
        })
    }
}

/// The state of the extension for one request.
struct RequestChecks {
    limits: RequestLimits,
    introspection: bool,
    shared: Arc<Shared>,
    /// The text of the document, if the result of its validation may be cached under it.
    text: OnceLock<String>,
    operation: OnceLock<OperationType>,
    complexity: OnceLock<usize>,
    /// The result of the validation, if the request asks what it costs.
    cost: OnceLock<ValidationResult>,
    wants_cost: OnceLock<()>,
    /// Positions of argument values in the document.
    arguments: Arc<OnceLock<Vec<Pos>>>,
    /// The order of the fields in the response.
    order: OnceLock<Order>,
    size: AnswerSize,
    nulls: Nulls,
}

impl RequestChecks {
    /// Returns what a request costs, with the limits.
    fn cost_of(&self, valid: &ValidationResult) -> Value {
        let number = |name: &str, number: usize| (Name::new(name), Value::from(number as u64));
        Value::Object(
            [
                number("complexity", valid.complexity),
                number("maxComplexity", self.limits.max_complexity),
                number("depth", valid.depth),
                number("maxDepth", self.limits.max_depth),
            ]
            .into_iter()
            .collect(),
        )
    }

    fn check(&self, registry: &Registry, request: &mut Request, variables: &Variables) -> ServerResult<()> {
        document::parse(request, &self.limits)?;
        if request.extensions.get(COST) == Some(&Value::Boolean(true)) {
            let _ = self.wants_cost.set(());
        }
        let name = request.operation_name.clone();
        let text = request.query.clone();
        let document = request.parsed_query()?;
        let survey = cost::survey(document, variables, &self.limits)?;
        if let Some(pos) = survey.introspection.filter(|_| !self.introspection) {
            let message = "introspection is disabled on this server";
            return Err(codes::error(INTROSPECTION_DISABLED, message, Some(pos)));
        }
        // The cells are empty, because this runs once per request.
        let _ = self.arguments.set(survey.arguments);
        let operation = operation::select(document, name.as_deref())
            .map_err(|message| codes::error(OPERATION_RESOLUTION_FAILURE, message, None))?;
        operation::check_subscription(operation)?;
        let _ = self.operation.set(operation.node.ty);
        let _ = self.order.set(Order::of(document, &operation.node));
        typename::check(registry, document)?;
        variables::check_types(registry, document)?;
        variables::check_variables(registry, &operation.node, variables)?;
        document::remember(&text, document);
        if name.is_none() && variables.is_empty() {
            let _ = self.text.set(text);
        }
        Ok(())
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for RequestChecks {
    async fn request(&self, ctx: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        let mut response = next.run(ctx).await;
        codes::fill(&mut response, self.arguments.get().map_or(&[], Vec::as_slice));
        if let Some(valid) = self.cost.get() {
            response.extensions.insert(COST.to_owned(), self.cost_of(valid));
        }
        response
    }

    fn subscribe<'s>(
        &self,
        ctx: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        let arguments = Arc::clone(&self.arguments);
        let filled = next.run(ctx, stream).map(move |mut response| {
            codes::fill(&mut response, arguments.get().map_or(&[], Vec::as_slice));
            response
        });
        filled.boxed()
    }

    /// Checks the request. This is the only hook that runs before the library walks the document.
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        mut request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        // The checks borrow the request mutably, so the variables are moved out of it meanwhile.
        let variables = std::mem::take(&mut request.variables);
        self.check(&ctx.schema_env.registry, &mut request, &variables)?;
        request.variables = variables;
        next.run(ctx, request).await
    }

    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        // The document is already parsed; the remaining failures here are the library's limits.
        let document = next.run(ctx, query, variables).await;
        document.map_err(|error| codes::with_code(error, QUERY_TOO_COSTLY))
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let known = self.text.get().and_then(|text| self.shared.valid.get(text));
        let valid = match known {
            Some(valid) => valid,
            None => next.run(ctx).await.map_err(|mut errors| {
                errors.truncate(MAX_ERRORS);
                errors.into_iter().map(validation_error).collect::<Vec<_>>()
            })?,
        };
        if let Some(text) = self.text.get().filter(|_| known.is_none()) {
            self.shared.valid.put(text, valid);
        }
        let _ = self.complexity.set(valid.complexity);
        if self.wants_cost.get().is_some() {
            let _ = self.cost.set(valid);
        }
        Ok(valid)
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        let operation = self.operation.get().copied().unwrap_or(OperationType::Query);
        let complexity = self.complexity.get().copied().unwrap_or_default();
        let mut admitted = None;
        if ctx.data_opt::<Anonymous>().is_none() {
            match self.shared.weight.admit(operation, complexity).await {
                Ok(permit) => admitted = permit,
                Err(Busy) => {
                    let message = "too many large queries are being executed: try again";
                    return Response::from_errors(vec![codes::error(RATE_LIMITED, message, None)]);
                }
            }
        }
        let executed = tokio::select! {
            response = next.run(ctx, operation_name) => Some(response),
            () = self.size.exceeded() => None,
        };
        drop(admitted);
        let Some(mut response) = executed else {
            let message = format!(
                "the answer is larger than {} bytes: select fewer fields or smaller pages",
                self.limits.max_answer_bytes
            );
            return Response::from_errors(vec![codes::error(QUERY_TOO_COSTLY, message, None)]);
        };
        self.nulls.finish(&mut response);
        if let Some(order) = self.order.get() {
            order.sort(&mut response.data);
        }
        response
    }

    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let (path, ty) = (info.path_node, info.return_type);
        let result = next.run(ctx, info).await;
        // A mutation has written already, and a subscription has answers without end.
        let is_query = self.operation.get() == Some(&OperationType::Query);
        if let Ok(Some(value)) = &result
            && is_query
        {
            self.size.add(&ctx.schema_env.registry, ty, value).await;
        }
        Ok(self.nulls.settle(path, ty, result))
    }
}

/// Classifies a validation error.
///
/// Errors of rules have a position, errors of limits have none. A field whose complexity depends on an argument
/// parses that argument during validation, and fails with the message of the type's parser.
fn validation_error(error: ServerError) -> ServerError {
    let of_value = ["Failed to parse \"", "Expected input type \""];
    let code = if error.locations.is_empty() {
        QUERY_TOO_COSTLY
    } else if of_value.iter().any(|start| error.message.starts_with(start)) {
        BAD_USER_INPUT
    } else {
        GRAPHQL_VALIDATION_FAILED
    };
    codes::with_code(error, code)
}
