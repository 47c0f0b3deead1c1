//! The sorts of problems there are: a closed list, so that each can be looked up by its name.

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal,)*) => {
        /// A sort of problem. Its name is stable: programs, searches and the reference go by it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $code,)*
        }

        impl Code {
            /// All of them, in the order of the reference.
            pub const ALL: &[Code] = &[$(Code::$code,)*];

            /// The name in kebab-case: `unknown-key`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Code::$code => $name,)*
                }
            }
        }
    };
}

codes! {
    /// The file is not in UTF-8.
    NotUtf8 = "not-utf8",
    /// The text is no YAML, in a way none of the sorts below describes.
    BadYaml = "bad-yaml",
    /// The file is larger or nested deeper than is read.
    TooLarge = "too-large",
    /// A merge conflict that nobody has resolved.
    MergeConflict = "merge-conflict",
    /// A line is indented by a tab.
    TabIndentation = "tab-indentation",
    /// A quoted text does not end.
    UnclosedQuote = "unclosed-quote",
    /// A `[` or `{` does not end.
    UnclosedBracket = "unclosed-bracket",
    /// A key is no plain text.
    BadKey = "bad-key",
    /// A key stands twice in one map.
    DuplicateKey = "duplicate-key",
    /// The file holds several YAML documents.
    SeveralDocuments = "several-documents",
    /// An alias names no anchor.
    UnknownAnchor = "unknown-anchor",
    /// An anchor's value contains its own alias.
    RecursiveAlias = "recursive-alias",
    /// `<<` merges something that is no map.
    BadMerge = "bad-merge",
    /// A YAML tag, which means nothing here.
    UnknownTag = "unknown-tag",
    /// `{ url: ${X} }`: in flow style the braces are YAML's.
    UnquotedVariable = "unquoted-variable",
    /// A key that means nothing at its place.
    UnknownKey = "unknown-key",
    /// A key that must be there is not.
    MissingKey = "missing-key",
    /// A value of another sort: text for a number, a list for a map.
    WrongType = "wrong-type",
    /// A value that cannot be read: a duration, a rate, an address.
    BadValue = "bad-value",
    /// A value that is none of those there are.
    UnknownValue = "unknown-value",
    /// A name is empty.
    EmptyName = "empty-name",
    /// A name is given twice.
    DuplicateName = "duplicate-name",
    /// There is no receiver to send to.
    NoReceivers = "no-receivers",
    /// There is no route.
    NoRoutes = "no-routes",
    /// A receiver's kind is none of those there are.
    UnknownKind = "unknown-kind",
    /// The service is retired, or about to be.
    RetiredService = "retired-service",
    /// A `body` comes to something the service refuses.
    BadBody = "bad-body",
    /// A receiver's settings cannot be put to use, such as certificates that cannot be read.
    UnusableReceiver = "unusable-receiver",
    /// A URL's address is one that is never called.
    ForbiddenAddress = "forbidden-address",
    /// A setting changes nothing beside the others.
    NoEffect = "no-effect",
    /// `to` names a receiver that is not there.
    UnknownReceiver = "unknown-receiver",
    /// A message is named that is not there.
    UnknownMessage = "unknown-message",
    /// `--secrets` cannot be read.
    UnreadableSecrets = "unreadable-secrets",
    /// A `${NAME}` without value and default.
    UnsetVariable = "unset-variable",
    /// `${` without a name or an end.
    BadVariable = "bad-variable",
    /// A secret's value would be run as a template.
    TemplateInSecret = "template-in-secret",
    /// A template where none is rendered.
    NotATemplate = "not-a-template",
    /// A condition that no event fulfils.
    NeverHolds = "never-holds",
    /// A condition that holds for every event it is asked about.
    AlwaysHolds = "always-holds",
    /// A pattern beside another that matches all it does.
    CoveredPattern = "covered-pattern",
    /// A duration is compared before it is over.
    NeedsState = "needs-state",
    /// A template that cannot be read.
    BadTemplate = "bad-template",
    /// A template fails when it is rendered.
    FailingTemplate = "failing-template",
    /// A template speaks of something unknown.
    UnknownName = "unknown-name",
    /// A template's filter is none of those there are.
    UnknownFilter = "unknown-filter",
    /// A template's test is none of those there are.
    UnknownTest = "unknown-test",
    /// A template compares a thing instead of its name or ID.
    ComparedResource = "compared-resource",
    /// A test's words do not go together: no event says this.
    Contradiction = "contradiction",
    /// A test's event does not reach whom it must, or they read something else.
    FailedTest = "failed-test",
    /// No route names a receiver.
    UnusedReceiver = "unused-receiver",
    /// A route that no event comes to.
    UnreachableRoute = "unreachable-route",
    /// A route that sends nothing which the routes above it do not.
    RedundantRoute = "redundant-route",
    /// A job may fail without any route being for it.
    UncaughtFailure = "uncaught-failure",
    /// No route is for what the relay says about itself.
    UnheardRelay = "unheard-relay",
    /// A secret is written in the file itself.
    PlainSecret = "plain-secret",
    /// Failed jobs that were recorded would no longer reach anyone (`check --since`).
    FailedJobUnheard = "failed-job-unheard",
    /// A name in a `when` that no recorded event has (`check --since`).
    UnseenName = "unseen-name",
    /// A route that matches no recorded event (`check --since`).
    UnmatchedRoute = "unmatched-route",
}
