-- What every service's database has besides its own tables: streams, outbox, inbox, idempotency, access log, calendar.

-- One row per subject (a matter, an agency, a calendar year). Its lock orders everything that happens to the
-- subject in this service; `sequence` is the last number given to an event of ours, `marks` holds for each other
-- producer the last sequence of the subject that this service has handled.
create table stream (
    subject uuid primary key,
    sequence bigint not null default 0,
    marks jsonb not null default '{}'
);

create table outbox (
    position bigint generated always as identity primary key,
    event_id uuid not null constraint outbox_event_once unique,
    subject uuid not null,
    sequence bigint not null,
    type text not null,
    routing_key text not null,
    body bytea not null,
    created_at timestamptz not null default now(),
    published_at timestamptz,
    constraint outbox_sequence_gap_free unique (subject, sequence)
);
create index outbox_unpublished on outbox (position) where published_at is null;
create index outbox_published_at on outbox (published_at) where published_at is not null;

-- `parked`: waits for an earlier event or for its next try; `done`: had its effect; `quarantined`: a person must look.
-- An event is known by its place in its producer's stream: what comes again to the same place changes nothing.
create table inbox (
    event_id uuid not null,
    subject uuid not null,
    producer text not null,
    sequence bigint not null,
    type text not null,
    body bytea,
    state text not null constraint inbox_state_known check (state in ('parked', 'done', 'quarantined')),
    received_at timestamptz not null default now(),
    handled_at timestamptz,
    tries int not null default 0,
    next_try_at timestamptz,
    error text,
    constraint inbox_sequence_once primary key (subject, producer, sequence)
);
create index inbox_waiting on inbox (subject, producer, sequence) where state <> 'done';
create index inbox_waiting_event on inbox (event_id) where state <> 'done';
create index inbox_due on inbox (next_try_at) where state = 'parked';
create index inbox_handled_at on inbox (handled_at) where state = 'done';

create table idempotency (
    caller text not null,
    route text not null,
    key text not null,
    body_hash bytea not null,
    status int,
    response bytea,
    headers jsonb,
    created_at timestamptz not null default now(),
    primary key (caller, route, key)
);
create index idempotency_created_at on idempotency (created_at);

create table access_log (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    actor text not null,
    role text,
    agency text,
    action text not null,
    subject uuid,
    purpose text,
    outcome text not null,
    request_id uuid
);
create index access_log_subject on access_log (subject, at) where subject is not null;
create index access_log_at on access_log (at);

create table calendar_year (
    year int primary key,
    status text not null constraint calendar_status_known check (status in ('official', 'provisional'))
);
create table calendar_day (
    day date primary key,
    year int not null references calendar_year,
    works boolean not null,
    name text not null
);
create index calendar_day_year on calendar_day (year);
