-- The exchange with departments: profiles, lanes, deliveries, statements, journal, feed and desk.

-- The register of agencies as far as the gateway needs it, kept by routing's events.
create table agency (
    code text primary key constraint agency_code_form check (code ~ '^[a-z0-9-]{3,40}$'),
    name text not null,
    level text not null,
    region_code text not null,
    superior_government text,
    superior_vertical text,
    petition_office boolean not null,
    active boolean not null
);

-- How an agency is reached; an agency without a row works on the desk. Secrets stand in `secret`, sealed.
create table profile (
    agency_code text primary key,
    adapter text not null constraint profile_adapter_known check (adapter in ('rest_push', 'pull', 'desk')),
    level smallint not null constraint profile_level_known check (level between 0 and 3),
    document jsonb not null,
    revision int not null default 1,
    registered_at timestamptz not null
);
create table secret (
    agency_code text not null,
    name text not null,
    sealed bytea not null,
    primary key (agency_code, name)
);
-- Tokens with which a department's system calls us; only their hash is kept.
create table api_token (
    hash bytea primary key,
    agency_code text not null,
    label text not null,
    created_at timestamptz not null,
    revoked_at timestamptz,
    constraint api_token_label_once unique (agency_code, label)
);

-- One lane per agency: what its department can bear, and the circuit breaker.
-- `closed`: messages flow; `open`: nothing is sent before `probe_at`; `half_open`: one message goes out to see.
create table lane (
    agency_code text primary key,
    agency_name text not null,
    adapter text not null default 'desk',
    concurrency int not null default 4 constraint lane_concurrency_positive check (concurrency > 0),
    pause_seconds double precision not null default 0,
    circuit text not null default 'closed' constraint lane_circuit_known check (circuit in ('closed', 'open', 'half_open')),
    failures int not null default 0,
    openings int not null default 0,
    probe_at timestamptz,
    ready_at timestamptz not null default '-infinity',
    served_at timestamptz not null default '-infinity',
    last_trouble text,
    last_detail text,
    last_trouble_at timestamptz,
    last_success_at timestamptz,
    constraint lane_open_has_probe check (circuit = 'closed' or probe_at is not null)
);

-- What routing has told about each assignment; `state` is routing's word.
create table assignment (
    id uuid primary key,
    matter_id uuid not null,
    number text not null,
    agency_code text not null,
    agency_name text not null,
    role text not null,
    transfer_kind text not null,
    claims uuid[] not null,
    round int not null,
    region_code text not null,
    region_name text not null,
    matter_type text,
    binding boolean not null,
    state text not null,
    sent_at timestamptz not null,
    accepted_at timestamptz,
    changed_at timestamptz not null,
    version int not null default 0,
    reference text
);
create index assignment_matter on assignment (matter_id);
create index assignment_desk on assignment (agency_code, sent_at desc, id desc);
create index assignment_reference on assignment (agency_code, reference) where reference is not null;

-- Organisations that a matter accuses: they and their subordinates never receive or see it (decision 8).
create table accused (
    matter_id uuid not null,
    agency_code text not null,
    primary key (matter_id, agency_code)
);

-- One message to one department; `id` is our idempotency key. The words of the matter are not in it.
-- `pending`: due at `due_at`; `sending`: in work until `lease_until`, or (`offered_at`) in the feed until its receipt;
-- `delivered`; `unknown`: the department is asked before it is sent again; `rejected`, `parked`: a person must look.
create table delivery (
    id uuid primary key,
    agency_code text not null references lane,
    assignment_id uuid not null references assignment,
    matter_id uuid not null,
    kind text not null,
    version int not null,
    adapter text not null,
    statement_id uuid,
    state text not null default 'pending' constraint delivery_state_known
        check (state in ('pending', 'sending', 'delivered', 'unknown', 'rejected', 'parked')),
    ask boolean not null default false,
    tries int not null default 0,
    due_at timestamptz,
    lease_until timestamptz,
    worker text,
    offered_at timestamptz,
    reference text,
    trouble text,
    detail text,
    unknown_told boolean not null default false,
    traceparent text,
    created_at timestamptz not null,
    sent_at timestamptz,
    answered_at timestamptz,
    delivered_at timestamptz,
    constraint delivery_version_once unique (assignment_id, version),
    constraint delivery_due_where_it_goes_on check ((state in ('pending', 'unknown')) = (due_at is not null))
);
create index delivery_due on delivery (agency_code, due_at) where state in ('pending', 'unknown');
create index delivery_in_flight on delivery (agency_code) where state = 'sending';
create index delivery_lease on delivery (lease_until) where state = 'sending' and lease_until is not null;
create index delivery_open on delivery (assignment_id, version) where state <> 'delivered';
create index delivery_person on delivery (agency_code, created_at) where state in ('rejected', 'parked', 'unknown');

-- What a department said, as we understood it; the words are sealed. `sender_id` is the sender's idempotency key.
create table statement (
    id uuid primary key,
    agency_code text not null,
    agency_name text not null,
    sender_id text not null,
    fingerprint bytea not null,
    assignment_id uuid not null references assignment,
    matter_id uuid not null,
    kind text not null,
    reason text,
    version int,
    sealed bytea not null,
    via text not null,
    stated_at timestamptz not null,
    received_at timestamptz not null,
    status text not null default 'awaiting_confirmation' constraint statement_status_known
        check (status in ('awaiting_confirmation', 'applied', 'refused')),
    refusal text,
    judged_at timestamptz,
    constraint statement_once unique (agency_code, sender_id),
    constraint statement_judged check ((status = 'awaiting_confirmation') = (judged_at is null))
);
create index statement_assignment on statement (assignment_id, received_at);

-- The feed that departments poll; the message is sealed and leaves with the receipt.
create table feed_item (
    cursor bigint generated always as identity primary key,
    delivery_id uuid not null constraint feed_item_once unique references delivery,
    agency_code text not null,
    sealed bytea,
    offered_at timestamptz not null,
    fetched_at timestamptz,
    received_at timestamptz
);
create index feed_item_agency on feed_item (agency_code, cursor) where received_at is null;

-- What lies on an agency's desk, sealed.
create table desk_item (
    delivery_id uuid primary key references delivery,
    assignment_id uuid not null references assignment,
    agency_code text not null,
    kind text not null,
    version int not null,
    sealed bytea not null,
    arrived_at timestamptz not null
);
create index desk_item_assignment on desk_item (assignment_id, version);

-- Every message in and out, append-only, in one hash chain per agency; the bytes are sealed.
create table journal (
    agency_code text not null,
    position bigint not null,
    direction text not null constraint journal_direction_known check (direction in ('in', 'out')),
    kind text not null,
    message_id text not null,
    assignment_id uuid,
    matter_id uuid,
    sealed bytea,
    body_hash bytea not null,
    sealed_answer bytea,
    answer_hash bytea,
    received_at timestamptz not null,
    passed_on_at timestamptz,
    answered_at timestamptz,
    answer_passed_on_at timestamptz,
    previous_hash bytea not null,
    hash bytea not null,
    primary key (agency_code, position)
);
create index journal_matter on journal (matter_id, agency_code, position);
create table journal_head (
    agency_code text primary key,
    position bigint not null,
    hash bytea not null
);
create function journal_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the journal is append-only' using constraint = 'journal_is_append_only';
end $$;
create trigger journal_is_append_only before update or delete on journal
    for each row execute function journal_is_append_only();
