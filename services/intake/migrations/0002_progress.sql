-- depends: 0001_matters

-- What the other services say about a matter, for the petitioner's page. Projections of events: they refer to matters
-- without a foreign key, because an event is never refused for what stands here.

-- `round` is the round of handling that runs (it counts up when the matter is reopened), `decided_round` that of the
-- last decision, which is the one that is rated; `state` follows from the parts of the round and the moments below.
create table progress (
    matter_id uuid primary key,
    state text not null default 'registered',
    round int not null default 1,
    decided_round int not null default 0,
    disputed boolean not null default false,
    lead_code text,
    lead_name text,
    decided_at timestamptz,
    served_at timestamptz,
    closed_at timestamptz,
    closing_reason text
);

-- One agency's assignment; `decided_round` is the last decision that it had a part in.
create table part (
    assignment_id uuid primary key,
    matter_id uuid not null,
    agency_code text not null,
    agency_name text not null,
    role text not null,
    state text not null,
    round int not null,
    since timestamptz not null,
    decided_round int
);
create index part_matter on part (matter_id);

create table clock (
    clock_id uuid primary key,
    matter_id uuid not null,
    rule text not null,
    agency_code text,
    agency_name text,
    assignment_id uuid,
    started_on date not null,
    raw_due date not null,
    legal_due date not null,
    provisional boolean not null,
    breached boolean not null default false,
    outcome text,
    stopped_at timestamptz
);
create index clock_matter on clock (matter_id);

create table document (
    document_id uuid primary key,
    matter_id uuid not null,
    kind text not null,
    number text not null,
    issuer_code text not null,
    issuer_name text not null,
    round int not null,
    issued_at timestamptz not null
);
create index document_matter on document (matter_id);

-- A message to the petitioner; `opened_at` is when the page that shows it was first opened with the query code.
create table notice (
    notice_id uuid primary key,
    matter_id uuid not null,
    kind text not null,
    document_id uuid,
    sent_at timestamptz,
    served_at timestamptz,
    opened_at timestamptz
);
create index notice_matter on notice (matter_id);
create index notice_unopened on notice (matter_id) where opened_at is null and served_at is null;

-- `data` holds codes and names of agencies only; sentences are made from it when the page is shown.
create table timeline_entry (
    event_id uuid primary key,
    position bigint generated always as identity,
    matter_id uuid not null,
    at timestamptz not null,
    kind text not null,
    agency_code text,
    agency_name text,
    data jsonb not null
);
create index timeline_matter on timeline_entry (matter_id, at, position);
