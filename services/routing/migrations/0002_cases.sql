-- depends: 0001_registers

-- One row per matter that routing got; its id is the matter's id. `state` is derived from the lead's assignment and
-- the required parts; `attention` says what an officer has to do, and is what the triage list is about.
create table petition_case (
    id uuid primary key,
    number text not null constraint case_number_once unique,
    channel text not null,
    purpose text not null,
    region_code text collate "C" not null,
    region_name text not null,
    received_at timestamptz not null,
    claims jsonb not null,
    accused text[] not null default '{}',
    blocked text[] not null default '{}',
    anonymous boolean not null,
    reachable boolean not null,
    imported boolean not null,
    state text not null constraint case_state_known check (state in (
        'registered', 'routed', 'objected', 'disputed', 'accepted', 'handling', 'decided', 'served', 'withdrawn', 'closed')),
    attention text constraint case_attention_known check (attention in (
        'route', 'objection', 'dispute', 'reopen', 'delivery')),
    round int not null default 1,
    matter_type text,
    dispute jsonb,
    decision_id uuid,
    decided_at timestamptz,
    served_at timestamptz,
    close_due timestamptz,
    version int not null default 1,
    suggest_due timestamptz,
    constraint case_decision_is_complete check ((decision_id is null) = (decided_at is null))
);
create index case_triage on petition_case (received_at, id) where attention is not null;
create index case_by_state on petition_case (state, received_at, id);
create index case_by_age on petition_case (received_at, id);
create index case_by_region on petition_case (region_code, received_at, id);
create index case_suggest_due on petition_case (suggest_due) where suggest_due is not null;
create index case_close_due on petition_case (close_due) where close_due is not null;

-- Title, content and claims as the petitioner told them: sealed, kept for the officer's desk and for search.
-- `grams` are keyed hashes of two-character sequences: they find a word without showing one.
create table case_text (
    case_id uuid primary key references petition_case,
    body bytea not null,
    grams bigint[] not null,
    fetched_at timestamptz not null
);
create index case_text_grams on case_text using gin (grams);

create table suggestion (
    case_id uuid primary key references petition_case,
    lead text references agency,
    co_handlers text[] not null,
    matter_type text,
    body jsonb not null,
    made_at timestamptz not null
);

-- sent -> accepted -> handling -> opinion_given | replied -> done; sent -> objected -> released | upheld -> accepted;
-- designated -> accepted; withdrawn before done.
create table assignment (
    id uuid primary key,
    case_id uuid not null references petition_case,
    position int not null,
    round int not null,
    agency_code text not null references agency,
    agency_name text not null,
    role text not null constraint assignment_role_known check (role in ('lead', 'co_handler', 'copy')),
    kind text not null constraint assignment_kind_known check (kind in ('transfer', 'assign')),
    claims uuid[] not null,
    state text not null constraint assignment_state_known check (state in (
        'proposed', 'sent', 'objected', 'released', 'upheld', 'designated', 'accepted', 'handling', 'opinion_given',
        'replied', 'done', 'withdrawn')),
    binding boolean not null,
    sent_at timestamptz not null,
    objection jsonb,
    statement_id uuid,
    results jsonb not null default '[]',
    constraint assignment_position_once unique (case_id, position)
);
create unique index assignment_one_lead on assignment (case_id)
    where role = 'lead' and state not in ('released', 'withdrawn', 'done');
create unique index assignment_agency_once on assignment (case_id, agency_code)
    where state not in ('released', 'withdrawn', 'done');
create index assignment_of_agency on assignment (agency_code, state);

-- What a department said, as far as routing needs it; its words are fetched from the gateway and kept sealed.
create table statement (
    id uuid primary key,
    case_id uuid not null references petition_case,
    assignment_id uuid not null,
    agency_code text not null,
    kind text not null constraint statement_kind_known check (kind in ('accept', 'object', 'progress', 'opinion', 'reply')),
    refused text,
    stated_at timestamptz not null,
    body bytea,
    fetch_due timestamptz
);
create index statement_of_case on statement (case_id, stated_at);
create index statement_fetch_due on statement (fetch_due) where fetch_due is not null;

-- What happened, for people: one row per event that routing said about the case, and who made it so.
create table history (
    case_id uuid not null references petition_case,
    position int not null,
    at timestamptz not null,
    type text not null,
    actor text not null,
    data jsonb not null,
    note bytea,
    primary key (case_id, position)
);

create table rating (
    case_id uuid not null references petition_case,
    round int not null,
    target text not null,
    agency_code text not null default '',
    value text not null,
    rated_at timestamptz not null,
    primary key (case_id, round, target, agency_code)
);
