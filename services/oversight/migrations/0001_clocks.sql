-- Clocks, the matters and assignments they belong to, and the ledger of everything heard.

create table matter (
    id uuid primary key,
    number text not null constraint matter_number_once unique,
    region_code text not null,
    region_name text not null,
    state text not null,
    received_at timestamptz not null,
    changed_at timestamptz not null,
    lead_code text,
    lead_name text,
    reachable boolean not null,
    round int not null default 1
);
create index matter_by_change on matter (changed_at desc, id);
create index matter_by_state on matter (state, changed_at desc, id);
create index matter_by_lead on matter (lead_code, changed_at desc, id);

create table assignment (
    id uuid primary key,
    matter_id uuid not null references matter,
    agency_code text not null,
    agency_name text not null,
    role text not null,
    state text not null,
    objections int not null default 0,
    sent_at timestamptz not null,
    ended_at timestamptz
);
create index assignment_matter on assignment (matter_id);
create index assignment_agency on assignment (agency_code, state);

-- `next_look` is the day on which the clock warns or is breached next; null when nothing more can happen by time alone.
create table clock (
    id uuid primary key,
    matter_id uuid not null,
    rule text not null,
    bound_code text,
    bound_name text,
    assignment_id uuid,
    round int not null,
    started_on date not null,
    raw_due date not null,
    legal_due date not null,
    provisional boolean not null,
    extension int not null default 0,
    extended int not null default 0,
    outcome text,
    stopped_at timestamptz,
    warned text[] not null default '{}',
    breached_at timestamptz,
    next_look date,
    calendar_edition bigint not null,
    constraint clock_ended_has_outcome check ((outcome is null) = (stopped_at is null))
);
create index clock_matter on clock (matter_id);
create index clock_look on clock (next_look, legal_due) where outcome is null and next_look is not null;
create index clock_running on clock (legal_due, id) where outcome is null;
create index clock_running_of_agency on clock (bound_code, legal_due, id) where outcome is null;
create index clock_running_of_rule on clock (rule, legal_due, id) where outcome is null;
create index clock_edition on clock (calendar_edition) where outcome is null;
create index clock_agency on clock (bound_code, rule, outcome);

create table calendar_edition (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    year int not null,
    actor text not null
);

-- One hash chain per partition: hash = sha256(previous hash || sha256 of the entry).
create table ledger_head (
    partition int primary key,
    position bigint not null default 0,
    hash bytea not null
);
insert into ledger_head (partition, hash) select p, sha256(('lianban ledger ' || p)::bytea) from generate_series(0, 63) as p;

create table ledger (
    partition int not null,
    position bigint not null,
    event_id uuid not null,
    subject uuid not null,
    producer text not null,
    sequence bigint not null,
    type text not null,
    happened_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    data text not null,
    hash bytea not null,
    primary key (partition, position)
);
create index ledger_subject on ledger (subject, position);
